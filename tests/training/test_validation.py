"""What is held out: fixed whatever the seed, and never in two parts."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sre import SreError
from sre.losses import build_head
from sre.losses.classification import Softmax
from sre.training.validation import held_out_eer, loss_and_accuracy, partition


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
    parts = partition(corpus(*[5] * 10), speakers=2, utterances=1)
    assert [len(part) for part in (parts.speakers, parts.train, parts.valid, parts.held_out)] == [8, 32, 8, 10]
    parts = partition(corpus(30, 30, 30), speakers=0, utterances=0)
    assert [len(part) for part in (parts.train, parts.valid, parts.held_out)] == [90, 0, 0]


def test_at_most_20_of_a_held_out_speaker() -> None:
    assert len(partition(corpus(*[30] * 10), speakers=2, utterances=0).held_out) == 40


def test_one_speaker_gives_no_pairs() -> None:
    parts = partition(corpus(*[5] * 10), speakers=1, utterances=0)
    assert (
        parts.held_out == [] and parts.fewer == "no speaker is held out: an EER needs 2, and validation.speakers is 1"
    )


@pytest.mark.parametrize(
    ("speakers", "held", "why"),
    [
        (5, 0, "no speaker is held out: an EER needs 2, and a fifth of 5 speakers is 1"),
        (9, 0, "no speaker is held out: an EER needs 2, and a fifth of 9 speakers is 1"),
        (10, 2, "2 speakers are held out, a fifth of 10, in place of validation.speakers 4"),
        (19, 3, "3 speakers are held out, a fifth of 19, in place of validation.speakers 4"),
        (20, 4, ""),
    ],
)
def test_at_most_a_fifth_of_the_speakers(speakers: int, held: int, why: str) -> None:
    parts = partition(corpus(*[3] * speakers), speakers=4, utterances=0)
    assert (len(parts.held_out), len(parts.speakers), parts.fewer) == (3 * held, speakers - held, why)
    developed = partition(corpus(*[3] * speakers), speakers=4, utterances=0, development=True)
    assert (len(developed.held_out), developed.fewer) == (3 * min(4, speakers // 2), "")


def test_at_most_a_fifth_of_a_speakers_utterances() -> None:
    parts = partition(corpus(4, 5, 9, 10, 14, 15), speakers=0, utterances=3)
    assert Counter(utt.split("_")[0] for utt in parts.valid) == {"s1": 1, "s2": 1, "s3": 2, "s4": 2, "s5": 3}
    assert (parts.short, partition(corpus(5, 5), 0, 1).short, partition(corpus(4, 4), 0, 0).short) == (5, 0, 0)


def test_the_same_whatever_the_seed_and_the_order() -> None:
    utt2spk = corpus(4, 7, 5, 6, 9)
    first = partition(utt2spk, 2, 1)
    np.random.seed(7), torch.manual_seed(7)
    assert partition(dict(reversed(utt2spk.items())), 2, 1) == first


def test_the_loss_of_validation_is_without_margin() -> None:
    head = build_head(2, 2, "aam", 1.0)
    torch.nn.init.eye_(head.weight)
    head.margin = 0.5
    loss, _ = loss_and_accuracy(head, torch.tensor([[2.0, 0.0]]), torch.tensor([0]))
    assert loss == pytest.approx(np.log1p(np.exp(-1))) and head.margin == 0.5


def test_too_few_speakers() -> None:
    with pytest.raises(SreError, match="1 training speakers are left"):
        partition(corpus(5), speakers=0, utterances=0)


def test_accuracy_and_eer_by_hand() -> None:
    embeddings = torch.tensor([[2.0, 0.0], [3.0, 1.0], [0.0, 1.0], [1.0, 2.0]])
    head = Softmax(2, 2)
    torch.nn.init.eye_(head.linear.weight), torch.nn.init.zeros_(head.linear.bias)
    loss, accuracy = loss_and_accuracy(head, embeddings, torch.tensor([0, 0, 1, 0]))
    assert loss == pytest.approx(sum(np.log1p(np.exp(d)) for d in (-2, -2, -1, 1)) / 4) and accuracy == 75
    assert held_out_eer(embeddings, np.array(["a", "a", "b", "b"])) == 0
