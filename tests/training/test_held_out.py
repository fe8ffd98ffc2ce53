"""The speakers that nothing is trained on: the same for networks, for back-ends and for the development list."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sre.training.held_out import FIFTH, held_out_speakers
from sre.training.validation import partition


def corpus(counts: list[int]) -> dict[str, str]:
    return {f"s{s:02}_u{u}": f"s{s:02}" for s, count in enumerate(counts) for u in range(count)}


COUNTS = st.lists(st.integers(1, 5), min_size=1, max_size=20)


@given(COUNTS, st.integers(0, 12))
@settings(max_examples=100, deadline=None)
def test_as_many_as_asked_but_at_most_half(counts: list[int], speakers: int) -> None:
    held = held_out_speakers(corpus(counts), speakers)
    able = {f"s{s:02}" for s, count in enumerate(counts) if count >= 2}
    expected = min(speakers, len(able) // 2)
    assert held <= able and len(held) == (expected if expected >= 2 else 0)


@given(COUNTS, st.integers(2, 6), st.randoms())
@settings(max_examples=50, deadline=None)
def test_the_same_whatever_the_order_and_the_global_seed(counts: list[int], speakers: int, random) -> None:
    utt2spk = corpus(counts)
    shuffled = list(utt2spk.items())
    random.shuffle(shuffled)
    np.random.seed(random.randrange(1000))
    assert held_out_speakers(dict(shuffled), speakers) == held_out_speakers(utt2spk, speakers)


@given(st.lists(st.integers(2, 5), min_size=8, max_size=20), st.integers(2, 4), st.integers(0, 2))
@settings(max_examples=50, deadline=None)
def test_training_holds_out_those_of_the_development_list(counts: list[int], speakers: int, utterances: int) -> None:
    """Chosen in the data before the training's filters, which the list does not know."""
    everyone = corpus(counts)
    held = held_out_speakers(everyone, speakers)
    filtered = {utt: speaker for utt, speaker in everyone.items() if not utt.endswith("u0")}  # too short, say
    parts = partition(filtered, speakers, utterances, everyone=everyone, development=True)
    assert held.isdisjoint({everyone[utt] for utt in parts.train + parts.valid}) and held.isdisjoint(parts.speakers)
    assert {everyone[utt] for utt in parts.held_out} <= held


def test_more_of_them_are_a_superset() -> None:
    """So a larger list does not move speakers of a smaller one back into training."""
    utt2spk = corpus([3] * 30)
    assert held_out_speakers(utt2spk, 4) < held_out_speakers(utt2spk, 9)
    assert held_out_speakers(utt2spk, 9, share=FIFTH) < held_out_speakers(utt2spk, 9)


def test_copies_are_held_out_with_their_utterances() -> None:
    """Copies change neither who is held out nor what accuracy is measured on, and what is held out has no copy."""
    clean = {f"s{s}-{u}": f"s{s}" for s in range(10) for u in range(5)} | {"single-0": "single"}
    originals = {f"{utt}-noise": utt for utt in clean}
    everything = clean | {copy: clean[utt] for copy, utt in originals.items()}
    alone = partition(clean, 2, 1)
    both = partition(everything, 2, 1, everything, originals)
    assert (both.speakers, both.valid, both.held_out) == (alone.speakers, alone.valid, alone.held_out)
    assert sorted(both.train) == sorted([*alone.train, *(f"{utt}-noise" for utt in alone.train)])
