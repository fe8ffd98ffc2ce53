"""Deltas as Kaldi's add-deltas (feat/feature-functions.cc: DeltaFeatures): regression slopes of each column."""

from collections.abc import Mapping
from typing import Any

import numpy as np

WINDOW = 2  # frames on either side, of Kaldi's add-deltas


def filters(order: int, window: int) -> list[np.ndarray]:
    """Return the filters of order 0 to `order`, (1 + 2 window x order,) float64: each is convolved from the one before.

    The first is [-window … window] / sum of squares.
    """
    slope = np.arange(-window, window + 1) / np.square(np.arange(-window, window + 1)).sum()
    made = [np.ones(1)]
    for _ in range(order):
        made.append(np.convolve(made[-1], slope))
    return made


def neighbours(frames: int, reach: int) -> np.ndarray:
    """Return (2 reach + 1, T) frame numbers, row i of those i - reach away; beyond an end it is the end's frame."""
    return (np.arange(frames) + np.arange(-reach, reach + 1)[:, None]).clip(0, frames - 1)


def add_deltas(feats: np.ndarray, config: Mapping[str, Any]) -> np.ndarray:
    """Append a config's delta_order orders of deltas, (T, F) -> (T, F (1 + order)) float32.

    Kaldi filters the features of each order anew, so that at the ends a second order is not the delta of the first.
    """
    order, window = config.get("delta_order", 0), config.get("delta_window", WINDOW)
    if not order:
        return feats
    columns = [feats]
    for number, taps in enumerate(filters(order, window)[1:], 1):
        around = feats[neighbours(len(feats), number * window)]  # (taps, T, F)
        columns.append(np.einsum("k,ktf->tf", taps, around).astype(np.float32))
    return np.hstack(columns)
