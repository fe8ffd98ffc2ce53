"""A training in several processes is that of one: the same batches, the same loss, the same steps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre import SreError
from sre.training.ranks import KEYS, Ranks, joined


@given(n=st.integers(0, 50), size=st.integers(1, 9))
def test_slices_of_ranks_are_those_of_array_split(n: int, size: int) -> None:
    slices = [np.arange(n)[Ranks(rank, size).slice_of(n)].tolist() for rank in range(size)]
    assert slices == [part.tolist() for part in np.array_split(np.arange(n), size)]


def test_without_torchruns_environment_a_rank_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)
    with joined("cpu") as ranks:
        assert (ranks.size, ranks.is_first, str(ranks.device)) == (1, True, "cpu")


def test_half_an_environment_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in KEYS:
        monkeypatch.delenv(key, raising=False)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SreError, match="start the training by torchrun, or unset both"), joined("cpu"):
        pass
