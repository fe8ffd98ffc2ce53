"""Rates as shares, 0 to 1, and in per cent.

`sre.metrics` gives shares by name (`eer`, `miss_at_fa`, `fa_at_miss`). What is printed, written and drawn has EER in
per cent: `sre.metrics.summarise`, `sre.metrics.bootstrap.Bootstrap.replicates`, metrics.json and the report.
"""

import numpy as np

from sre import SreError

KINDS = ((100, "a share", "per cent"), (0.01, "per cent", "shares"))


def check_unit(estimate: float, draws: np.ndarray) -> None:
    """Raise SreError where a rate is not finite, or is a share and its draws (R,) are per cent, or the reverse."""
    if not np.isfinite(estimate):
        raise SreError(f"a rate of {estimate} has no interval; give a finite one")
    found = draws[np.isfinite(draws)]
    if not len(found) or not estimate or found.min() <= estimate <= found.max():
        return
    for factor, rate, others in KINDS:
        if found.min() <= factor * estimate <= found.max():
            raise SreError(
                f"the rate {estimate:g} is {rate}, its draws from {found.min():g} to {found.max():g} are {others};"
                f" give {factor:g} times the rate"
            )
