"""Batches of N speakers x M chunks: who is in them, how often, and the same after a resume."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sre import SreError
from sre.training.augment import Augmentation
from sre.training.batches import SpeakerBatches


def labels_of(counts: list[int]) -> np.ndarray:
    """Speakers in turn, not one after the other."""
    rows = [(u, s) for s, count in enumerate(counts) for u in range(count)]
    return np.array([s for _, s in sorted(rows)])


def batches(counts: list[int], N: int, M: int, epochs: int = 2, **options: object) -> SpeakerBatches:
    return SpeakerBatches(N * M, epochs, (20, 30), seed=3, chunks_per_speaker=M, labels=labels_of(counts), **options)


@given(st.lists(st.integers(1, 25), min_size=2, max_size=12), st.integers(2, 5), st.integers(1, 6))
@settings(max_examples=150, deadline=None)
def test_each_batch_has_n_speakers_and_each_utterance_about_its_turn(counts: list[int], N: int, M: int) -> None:
    assume(len(counts) >= N)
    made, labels = batches(counts, N, M, epochs=1), labels_of(counts)
    seen: Counter[int] = Counter()
    for items in made:
        speakers = labels[[index for index, _, _ in items]].reshape(N, M)
        assert (speakers == speakers[:, :1]).all() and len(set(speakers[:, 0])) == N
        for group in np.array([index for index, _, _ in items]).reshape(N, M):
            used = Counter(group.tolist())
            assert max(used.values()) <= -(-M // counts[labels[group[0]]])  # no utterance twice if there are M
            seen += used
    for index, times in seen.items():
        assert times <= max(2, -(-M // counts[labels[index]]))
    assert len(list(made)) == len(made) == made.steps_per_epoch


def test_every_utterance_once_where_the_numbers_allow() -> None:
    made = batches([6, 6, 6, 6], N=2, M=3)
    assert made.steps_per_epoch == 4 and made.repeated == 0
    epochs = [[items for items in made][i : i + 4] for i in (0, 4)]
    for epoch in epochs:
        assert sorted(index for items in epoch for index, _, _ in items) == list(range(24))
    assert [[i for i, _, _ in items] for items in epochs[0]] != [[i for i, _, _ in items] for items in epochs[1]]


def test_a_speaker_with_few_utterances_is_repeated_with_another_crop() -> None:
    made = batches([4, 4, 1], N=3, M=4)
    assert (made.steps_per_epoch, made.repeated) == (1, 3)
    items = [item for item in next(iter(made)) if item[0] == 2]  # the third speaker's only one
    assert len(items) == 4 and len({draws[0] for _, _, draws in items}) == 4


def test_what_is_too_much_is_left_out_and_what_is_nearly_a_group_is_filled() -> None:
    assert (batches([5, 5], N=2, M=4).steps_per_epoch, batches([5, 5], N=2, M=4).repeated) == (1, 0)
    assert (batches([6, 6], N=2, M=4).steps_per_epoch, batches([6, 6], N=2, M=4).repeated) == (2, 4)


def test_a_speaker_with_most_of_the_utterances_is_in_each_batch_once() -> None:
    made = batches([100, 4, 4], N=2, M=2)
    assert made.steps_per_epoch == 4
    assert all(sum(labels_of([100, 4, 4])[index] == 0 for index, _, _ in items) == 2 for items in made)


def test_one_speed_for_all_chunks_of_a_speaker() -> None:
    augmentation = Augmentation(speeds=(0.9, 1.1), time_masks=1)
    made = batches([8] * 6, N=4, M=2, num_draws=augmentation.num_draws)
    copies = np.array([[augmentation.copy_of(draws[1:]) for _, _, draws in items] for items in made])
    assert (copies[:, ::2] == copies[:, 1::2]).all() and set(copies.flatten()) == {0, 1, 2}
    draws = np.array([[row for _, _, row in items] for items in made])
    assert draws.shape[-1] == 1 + augmentation.num_draws
    assert (draws[:, ::2, [0, 2, 3]] != draws[:, 1::2, [0, 2, 3]]).all()


@pytest.mark.parametrize("step", [1, 5, 6, 11])
def test_the_same_batches_from_a_step_on(step: int) -> None:
    whole, rest = list(batches([6] * 4, N=2, M=2)), list(batches([6] * 4, N=2, M=2, first_step=step))
    assert len(whole) == 12 and len(rest) == 12 - step
    for items, again in zip(whole[step:], rest, strict=True):
        assert [item[:2] for item in items] == [item[:2] for item in again]
        assert all(np.array_equal(a[2], b[2]) for a, b in zip(items, again, strict=True))
    assert {items[0][1] for items in whole} <= set(range(20, 31)) and len({items[0][1] for items in whole}) > 1


def test_sizes_that_do_not_go() -> None:
    with pytest.raises(SreError, match="batch_size 7 is not 2 or more times training.chunks_per_speaker 2"):
        SpeakerBatches(7, 1, (20, 20), 1, chunks_per_speaker=2, labels=labels_of([3, 3]))
    with pytest.raises(SreError, match="batch_size 4 is not 2 or more times training.chunks_per_speaker 4"):
        SpeakerBatches(4, 1, (20, 20), 1, chunks_per_speaker=4, labels=labels_of([3, 3]))
    with pytest.raises(SreError, match="a batch of 6 with 2 chunks a speaker needs 3 speakers and there are 2"):
        SpeakerBatches(6, 1, (20, 20), 1, chunks_per_speaker=2, labels=labels_of([3, 3]))
