"""The pooled searches of all choices of enrolled speakers, counted on paper."""

import numpy as np
import pytest

from benchmarks.open_set import rates_of, with_intervals


def test_choices_are_pooled() -> None:
    """Six speakers of two searches each, four enrolled: 15 choices, with 8 mated and 4 non-mated searches in each."""
    owners = np.repeat(np.arange(6), 2)
    scores = np.where(np.arange(6)[:, None] == owners, 5.0, -5.0)
    right = rates_of(scores, owners, range(6), 4)
    assert (right["mated"], right["nonmated"]) == (120, 60)
    assert (right["rank_1"], right["fnir_at_fpir_0.01"], right["threshold_fpir_0.01"]) == (1, 0, 5)
    scores[3, 0] = 7  # speaker 3 is before speaker 0 in one of its searches: both are in 6 of the 15 choices
    wrong = rates_of(scores, owners, range(6), 4)
    assert wrong["rank_1"] == pytest.approx(1 - 6 / 120)
    # speaker 3 is enrolled and speaker 0 is not in 4 choices: 4 of 60 searches for strangers reach every threshold
    assert wrong["fnir_at_fpir_0.1"] == pytest.approx(6 / 120) and wrong["fnir_at_fpir_0.01"] == 1
    assert rates_of(scores, owners, [1, 2, 3, 4, 5], 4)["rank_1"] == 1
    table = with_intervals(scores, owners, 4)
    assert table[2].startswith("| rank 1 | 95.0 | ") and table[-1].startswith("120 mated and 60 non-mated searches")
