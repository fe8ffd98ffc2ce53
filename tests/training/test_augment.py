"""Speed and masks on features that fit on paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre.training.augment import Augmentation, change_speed, warp_matrix


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
def test_shape_masks_and_input(seed: int, frames: int, speeds: tuple[float, ...]) -> None:
    augment = Augmentation(speeds, time_masks=1, time_mask_frames=7, freq_masks=2, freq_mask_bins=3)
    draws = np.random.default_rng(seed).random(augment.num_draws)
    chunk = np.ones((augment.frames_needed(frames, augment.copy_of(draws)), 12), np.float32)
    out = augment(chunk, frames, draws)
    assert out.shape == (frames, 12)
    assert (out == 0).all(axis=1).sum() <= 7 and (out == 0).all(axis=0).sum() <= 6
    assert (chunk == 1).all()  # the cached features are not touched
    assert np.isin(out.round(5), [0, 1]).all()


@pytest.mark.parametrize("speeds", [(), (0.9, 1.1)])
def test_zero_mean_is_of_the_chunk_after_the_speed_and_before_the_masks(speeds: tuple[float, ...]) -> None:
    plain, augment = Augmentation(speeds, zero_mean=True), Augmentation(speeds, time_masks=1, zero_mean=True)
    rng = np.random.default_rng(0)
    for draws in rng.random((20, augment.num_draws)):
        chunk = rng.normal(5, 1, (augment.frames_needed(50, augment.copy_of(draws)), 12)).astype(np.float32)
        unmasked, masked = plain(chunk, 50, draws[:1]), augment(chunk, 50, draws)
        np.testing.assert_allclose(unmasked.mean(axis=0), 0, atol=1e-6)
        kept = (masked != 0).any(axis=1)
        assert 30 <= kept.sum() <= 50
        np.testing.assert_array_equal(masked[kept], unmasked[kept])


def test_nothing_asked_nothing_done() -> None:
    augment = Augmentation()
    chunk = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    assert augment(chunk, 7, np.array([0.999])) is chunk
    assert (augment.copies, augment.num_draws) == (1, 1)


def test_copies_are_drawn_evenly() -> None:
    augment = Augmentation((0.9, 1.1))
    assert [augment.copy_of(np.array([draw])) for draw in (0, 0.33, 0.34, 0.66, 0.67, 0.999)] == [0, 0, 1, 1, 2, 2]
    assert [augment.frames_needed(200, copy) for copy in (0, 1, 2)] == [200, 180, 221]  # ceil(200 x 1.1 = 220.00…03)
