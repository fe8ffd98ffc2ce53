"""Numbers as the report writes them: rates with their digits, intervals, means over seeds, differences."""

import json
from collections.abc import Mapping, Sequence
from statistics import stdev

from sre.io.text import flatten
from sre.metrics.bootstrap import P_TARGETS
from sre.metrics.rates import RATES
from sre.report.ranking import Difference, group_interval, speakers
from sre.report.rows import Group, counts

NAMES = {key: name for name, key, _ in RATES} | {f"act_dcf_{p}": f"actDCF({p})" for p in P_TARGETS}
DIGITS = {key: 2 if key == "eer" else 3 for key in NAMES}  # every run has more
UNIT = {"eer": " %"}


def plain(value: object) -> str:
    """Return a cell of the TSV: six significant digits, nothing for None, no tabs or line breaks."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())


def short_name(metric: str) -> str:
    """Return a rate's name without its unit: EER, minDCF(0.01)."""
    return NAMES[metric].removesuffix(", %")


def rate_cell(metrics: dict | None, key: str, digits: int) -> str:
    value = (metrics or {}).get(key)
    return "" if value is None else f"{value:.{digits}f}"


def mean_text(group: Group, key: str, digits: int) -> str:
    return f"{group.mean(key):.{digits}f}" if group.values(key) else ""


def value(group: Group, metric: str) -> str:
    """Return the mean over the seeds with their standard deviation."""
    found = group.values(metric)
    spread = f" ± {stdev(found):.{DIGITS[metric]}f}" if len(found) > 1 else ""
    return mean_text(group, metric, DIGITS[metric]) + spread


def interval_text(group: Group, metric: str) -> str:
    bounds = group_interval(group, metric)
    return f"{bounds[0]:.{DIGITS[metric]}f} to {bounds[1]:.{DIGITS[metric]}f}" if bounds else ""


def difference_text(difference: Difference, metric: str) -> str:
    """Return `+1.19 (-0.60 to +2.98), p 0.540`."""
    digits, p = DIGITS[metric], difference.p
    bounds = f"{difference.value:+.{digits}f} ({difference.low:+.{digits}f} to {difference.high:+.{digits}f})"
    return f"{bounds}, p {'< 0.001' if p < 0.001 else f'{p:.3f}'}"


def size_text(groups: Sequence[Group]) -> str:
    """Return how many trials and speakers a list has."""
    number = counts(groups)
    if not number:
        return "no system was scored"
    done = next(group for group in groups if group.done)
    of = f" of {speakers(done)} speakers" if speakers(done) else ""
    return f"{number[0]:,} target and {number[1]:,} nontarget trials{of}"


def flat(facts: Mapping) -> dict[str, str]:
    """Return scalars by name, nested ones as `outer.inner`; lists as JSON."""
    return {name: json.dumps(value) if isinstance(value, list) else plain(value) for name, value in flatten(facts)}
