"""What the original of scratch_lstm computes in another way, as docs/systems.md says."""

import numpy as np
import pytest

import sre
from sre import SreError


def swept_eer(scores: np.ndarray, target: np.ndarray) -> float | None:
    """As evaluation.py: compute_eer: over thresholds from 0 to 1, the mean of the two rates where they are nearest."""
    least, found = 1.0, None
    for threshold in np.arange(0, 1, 0.001):
        far, frr = (scores[~target] >= threshold).mean(), (scores[target] < threshold).mean()
        if abs(far - frr) < least:
            least, found = abs(far - frr), (far + frr) / 2
    return found


def test_where_the_original_eer_differs() -> None:
    """Not where scores are spread over 0 to 1; but where the threshold is below 0, and of a collapsed network."""
    draw, target = np.random.default_rng(0), np.arange(4000) < 2000
    scores = np.clip(draw.normal(np.where(target, 0.7, 0.4), 0.12), 0, 1)
    rate = sre.eer(scores, target, replicates=0).rate
    assert swept_eer(scores, target) == pytest.approx(rate, abs=0.002) and 0.05 < rate < 0.2
    assert sre.eer(scores - 0.7, target, replicates=0).rate == rate
    assert swept_eer(scores - 0.7, target) > 2 * rate
    assert swept_eer(np.ones(4000), target) is None
    with pytest.raises(SreError, match="all"):
        sre.eer(np.ones(4000), target, replicates=0)
