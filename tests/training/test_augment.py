"""Speed and masks on features that fit on paper."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sre.training.augment import Augmentation, change_speed, warp_matrix
from sre.training.masks import Masks


def test_factor_one_warps_nothing() -> None:
    np.testing.assert_allclose(warp_matrix(40, 1.0, 20, 7600), np.eye(40), atol=1e-5)


@pytest.mark.parametrize("factor", [0.8, 0.9, 1.1, 1.25])
def test_each_bin_is_a_mean_of_two_neighbours(factor: float) -> None:
    warp = warp_matrix(40, factor, 20, 7600)
    np.testing.assert_allclose(warp.sum(axis=0), 1, atol=1e-6)
    assert (warp >= 0).all()
    assert ((warp > 0).sum(axis=0) <= 2).all()
    # bin j takes what stood below it where the speech is faster, above it where it is slower
    taken = (np.arange(40)[:, None] * warp).sum(axis=0) - np.arange(40)
    assert (np.sign(factor - 1) * taken <= 1e-6).all() and abs(taken[20]) > 0.5


def test_a_tone_moves_by_the_factor() -> None:
    mel = np.linspace(1127 * np.log1p(20 / 700), 1127 * np.log1p(8000 / 700), 82)[1:-1]
    hertz = 700 * np.expm1(mel / 1127)
    peak = np.exp(-(((np.arange(80) - 40) / 3) ** 2)).astype(np.float32)
    moved = hertz[np.argmax(peak @ warp_matrix(80, 1.1, 20, 8000))]
    assert moved == pytest.approx(1.1 * hertz[40], rel=0.03)


def test_time_is_interpolated() -> None:
    feats = np.repeat(np.array([[0], [1], [2], [3], [4]], np.float32), 4, axis=1)  # a ramp, equal in all bins
    np.testing.assert_allclose(change_speed(feats, 3, 1.0, 20, 8000)[:, 0], [0, 2, 4], atol=1e-5)
    np.testing.assert_allclose(change_speed(feats, 9, 1.0, 20, 8000)[:, 0], np.arange(9) / 2, atol=1e-5)


@given(st.integers(0, 2**32), st.integers(8, 60), st.sampled_from([(), (0.9, 1.1)]))
@settings(max_examples=100, deadline=None)
def test_shape_and_input(seed: int, frames: int, speeds: tuple[float, ...]) -> None:
    augment = Augmentation(speeds)
    draws = np.random.default_rng(seed).random(augment.num_draws)
    chunk = np.ones((augment.frames_needed(frames, augment.copy_of(draws)), 12), np.float32)
    out = augment(chunk, frames, draws)
    assert out.shape == (frames, 12)
    assert (chunk == 1).all()  # the cached features are not touched
    assert (out.round(5) == 1).all()


def written_out(masks: Masks, chunk: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """One chunk, mask by mask, as the description of the config's keys says."""
    fill = chunk.mean() if masks.fill == "mean" else masks.fill
    count, out = masks.time + masks.freq, chunk.copy()
    for number in range(count):
        width, place = draws[2 * number : 2 * number + 2]
        axis, (least, greatest) = (0, masks.time_widths) if number < masks.time else (1, masks.freq_widths)
        least, greatest = min(least, out.shape[axis]), min(greatest, out.shape[axis])
        size = least + int(width * (greatest - least + 1))
        start = int(place * (out.shape[axis] - size + 1))
        if masks.probability == 1 or draws[2 * count + number] < masks.probability:
            out[(slice(start, start + size), slice(None))[:: 1 if axis == 0 else -1]] = fill
    return out


@given(
    st.integers(0, 2**32),
    st.tuples(st.integers(0, 2), st.integers(0, 2), st.sampled_from([0, 1, 3]), st.sampled_from([1.0, 0.3])),
    st.sampled_from([0.0, -5.5, "mean"]),
)
@settings(max_examples=100, deadline=None)
def test_masks_of_a_batch_are_those_of_each_chunk(seed: int, asked: tuple, fill: float | str) -> None:
    time, freq, least, probability = asked
    masks = Masks(time, freq, (least, 7), (least, 20), probability, fill)  # 20: wider than there are bins
    draw = np.random.default_rng(seed)
    chunks, draws = draw.normal(size=(3, 25, 12)).astype(np.float32), draw.random((3, masks.num_draws))
    before = chunks.copy()
    found = masks(torch.from_numpy(before), torch.from_numpy(draws)).numpy()
    np.testing.assert_array_equal(before, chunks)  # what masks are put into is a copy
    for chunk, own, masked in zip(chunks, draws, found, strict=True):
        np.testing.assert_allclose(masked, written_out(masks, chunk, own), atol=1e-5)


def test_masks_are_as_often_as_their_probability() -> None:
    masks = Masks(time=1, time_widths=(1, 20), probability=0.3, fill=9.0)
    draws = torch.from_numpy(np.random.default_rng(0).random((2000, masks.num_draws)))
    widths = (masks(torch.zeros(2000, 100, 2), draws) == 9).all(dim=2).sum(dim=1)
    assert float((widths > 0).float().mean()) == pytest.approx(0.3, abs=0.03)
    assert set(widths.tolist()) == set(range(21))


@pytest.mark.parametrize("speeds", [(), (0.9, 1.1)])
def test_zero_mean_is_of_the_chunk_after_the_speed(speeds: tuple[float, ...]) -> None:
    augment, rng = Augmentation(speeds, zero_mean=True), np.random.default_rng(0)
    for draws in rng.random((20, augment.num_draws)):
        chunk = rng.normal(5, 1, (augment.frames_needed(50, augment.copy_of(draws)), 12)).astype(np.float32)
        np.testing.assert_allclose(augment(chunk, 50, draws).mean(axis=0), 0, atol=1e-6)


def test_nothing_asked_nothing_done() -> None:
    augment = Augmentation()
    chunk = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    assert augment(chunk, 7, np.array([0.999])) is chunk
    assert (augment.copies, augment.num_draws) == (1, 1)


def test_copies_are_drawn_evenly() -> None:
    augment = Augmentation((0.9, 1.1))
    assert [augment.copy_of(np.array([draw])) for draw in (0, 0.33, 0.34, 0.66, 0.67, 0.999)] == [0, 0, 1, 1, 2, 2]
    assert [augment.frames_needed(200, copy) for copy in (0, 1, 2)] == [200, 180, 221]  # ceil(200 x 1.1 = 220.00…03)
