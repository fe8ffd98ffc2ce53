"""What is held out: fixed whatever the seed, and never in two parts."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sre import SreError
from sre.losses.classification import Softmax
from sre.training.validation import accuracy, held_out_eer, partition


def corpus(*utterances: int) -> dict[str, str]:
    return {f"s{s}_u{u:02}": f"s{s}" for s, count in enumerate(utterances) for u in range(count)}


@given(st.lists(st.integers(1, 30), min_size=3, max_size=8), st.integers(0, 6), st.integers(0, 3))
@settings(max_examples=100, deadline=None)
def test_disjoint(counts: list[int], speakers: int, utterances: int) -> None:
    utt2spk = corpus(*counts)
    parts = partition(utt2spk, speakers, utterances)
    used = parts.train + parts.valid + parts.held_out
    assert len(used) == len(set(used))
    held = {utt2spk[utt] for utt in parts.held_out}
    assert held.isdisjoint(parts.speakers)
    assert {utt2spk[utt] for utt in parts.train} == set(parts.speakers) == set(utt2spk.values()) - held
    assert {utt2spk[utt] for utt in parts.valid} <= set(parts.speakers)
    assert min(Counter(utt2spk[utt] for utt in parts.held_out).values(), default=2) >= 2


def test_counts() -> None:
    parts = partition(corpus(5, 5, 5, 5, 5, 5), speakers=2, utterances=1)
    assert [len(part) for part in (parts.speakers, parts.train, parts.valid, parts.held_out)] == [4, 16, 4, 10]
    parts = partition(corpus(30, 30, 30), speakers=0, utterances=0)
    assert [len(part) for part in (parts.train, parts.valid, parts.held_out)] == [90, 0, 0]


def test_at_most_20_of_a_held_out_speaker() -> None:
    assert len(partition(corpus(30, 30, 30, 30), speakers=2, utterances=0).held_out) == 40


def test_one_speaker_gives_no_pairs() -> None:
    assert partition(corpus(5, 5, 5), speakers=1, utterances=0).held_out == []


def test_a_speaker_keeps_two_utterances() -> None:
    assert partition(corpus(2, 2), speakers=0, utterances=1).valid == []
    assert len(partition(corpus(3, 3), speakers=0, utterances=1).valid) == 2


def test_the_same_whatever_the_seed_and_the_order() -> None:
    utt2spk = corpus(4, 7, 5, 6, 9)
    first = partition(utt2spk, 2, 1)
    np.random.seed(7), torch.manual_seed(7)
    assert partition(dict(reversed(utt2spk.items())), 2, 1) == first


def test_too_few_speakers() -> None:
    with pytest.raises(SreError, match="1 training speakers are left"):
        partition(corpus(5), speakers=0, utterances=0)


class Same(torch.nn.Module):
    """The embedding is the first frame."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x[:, 0]

    embed = forward


def test_accuracy_and_eer_by_hand() -> None:
    chunks = torch.tensor([[[2.0, 0.0]], [[3.0, 1.0]], [[0.0, 1.0]], [[1.0, 2.0]]])
    head = Softmax(2, 2)
    torch.nn.init.eye_(head.linear.weight), torch.nn.init.zeros_(head.linear.bias)
    assert accuracy(Same(), head, chunks, torch.tensor([0, 0, 1, 0])) == 75
    assert held_out_eer(Same(), chunks, np.array(["a", "a", "b", "b"])) == 0
