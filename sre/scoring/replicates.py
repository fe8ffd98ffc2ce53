"""The bootstrap's draws of a system, <system>.replicates.npy beside its scores: (R, M) float64, a draw a row."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sre import SreError


def replicates_of(scores: Path) -> Path:
    """Return the path of the draws beside x.scores; metrics.json names their columns."""
    return scores.with_name(scores.name.removesuffix(".scores") + ".replicates.npy")


def read_replicates(path: Path, columns: Sequence[str]) -> dict[str, np.ndarray]:
    """Read the draws (R,) of each column. Raises SreError for a file that is missing, damaged or of other columns."""
    cure = "delete the metrics.json beside it, and the stage score makes both again"
    try:
        values = np.load(path, allow_pickle=False)
    except OSError as error:
        raise SreError(f"{path}: the bootstrap's draws cannot be read ({error.strerror or error}); {cure}") from None
    except Exception as error:  # numpy raises many kinds for a damaged file
        raise SreError(f"{path}: the bootstrap's draws are damaged ({error}); {cure}") from None
    if not isinstance(values, np.ndarray) or values.dtype != np.float64 or values.shape[1:] != (len(columns),):
        what = f"{getattr(values, 'dtype', 'no array')} {getattr(values, 'shape', '')}"
        raise SreError(f"{path}: {what} is not of the {len(columns)} columns that metrics.json names; {cure}")
    return dict(zip(columns, values.T, strict=True))
