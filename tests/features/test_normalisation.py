"""Mean and variance normalisation and deltas against loops over their definitions, in numpy and in torch."""

import numpy as np
import pytest
import torch
from torchaudio.functional import compute_deltas

from sre.features.batches import add_deltas_batch, normalise_batch, renormalise_batch
from sre.features.cmn import normalise, renormalise
from sre.features.deltas import add_deltas

FORMS = ("kaldi", "nemo", "instance_norm")
CONFIGS = [{"cmn": "none"}, *({"cmn": "utterance", "cmn_variance": form} for form in ("none", *FORMS))]
CONFIGS += [{"cmn": "sliding", "cmn_window": 6, "cmn_variance": form} for form in ("none", *FORMS)]


def features(frames: int, columns: int = 3) -> np.ndarray:
    """Log energies that lie far from 0, with one column that does not change."""
    feats = np.random.default_rng(frames).normal(15, 2, size=(frames, columns)).astype(np.float32)
    feats[:, -1] = 15.3
    return feats


def divided(piece: np.ndarray, frame: np.ndarray, form: str, floor: float) -> np.ndarray:
    """Normalise a frame by a window's statistics: the formulas of Kaldi, NeMo and InstanceNorm1d in full."""
    n, mean = len(piece), piece.sum(axis=0) / len(piece)
    if form == "kaldi":
        variance = np.maximum((piece**2).sum(axis=0) / n - mean**2, floor)
        return (frame - mean) * variance**-0.5
    squares = ((piece - mean) ** 2).sum(axis=0)
    if form == "nemo":
        return (frame - mean) / (np.sqrt(squares / max(n - 1, 1)) + 1e-5)
    return (frame - mean) / np.sqrt(squares / n + 1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("frames", [1, 5, 6, 20])
def test_by_a_loop(form: str, frames: int) -> None:
    feats = features(frames)
    wide = feats.astype(np.float64)
    whole = [divided(wide, frame, form, 1e-20) for frame in wide]
    ours = normalise(feats, {"cmn": "utterance", "cmn_variance": form})
    np.testing.assert_allclose(ours, whole, atol=1e-5)
    sliding = []
    for t in range(frames):  # the window of 6 frames; where it leaves the utterance it is shifted in
        begin = max(0, min(t - 3, frames - 6))
        sliding.append(divided(wide[begin : begin + 6], wide[t], form, 1e-10))
    ours = normalise(feats, {"cmn": "sliding", "cmn_window": 6, "cmn_variance": form})
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, sliding, atol=1e-4)


def test_instance_norm_is_pytorchs() -> None:
    feats = features(50)
    expected = torch.nn.InstanceNorm1d(3)(torch.from_numpy(feats).T[None])[0].T
    np.testing.assert_allclose(
        normalise(feats, {"cmn": "utterance", "cmn_variance": "instance_norm"}), expected, atol=1e-3
    )


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize("frames", [1, 4, 30])
def test_a_batch_as_one_by_one(config: dict, frames: int) -> None:
    batch = np.stack([features(frames), features(frames)[::-1] * 0.5])
    ours = normalise_batch(torch.from_numpy(batch), config).numpy()
    np.testing.assert_allclose(ours, [normalise(feats, config) for feats in batch], atol=1e-4)


@pytest.mark.parametrize("order", [0, 1, 2])
@pytest.mark.parametrize("form", ["none", *FORMS])
def test_a_chunk_by_its_own_statistics(order: int, form: str) -> None:
    """A chunk's deltas are scaled as the chunk is, and not centred: so they are those of the normalised chunk."""
    config, chunk = {"cmn": "utterance", "cmn_variance": form, "delta_order": order}, features(40)[:, :2]
    expected = add_deltas(normalise(chunk, config), config)
    np.testing.assert_allclose(renormalise(add_deltas(chunk, config), config), expected, atol=1e-5)
    ours = renormalise_batch(torch.from_numpy(add_deltas(chunk, config)[None]), config)[0]
    np.testing.assert_allclose(ours, expected, atol=1e-4)


@pytest.mark.parametrize("order, window, frames", [(1, 2, 20), (2, 2, 20), (2, 3, 4), (3, 1, 1)])
def test_deltas_by_kaldis_loop(order: int, window: int, frames: int) -> None:
    """Compare with DeltaFeatures' constructor and Process, written as loops."""
    feats, config = features(frames), {"delta_order": order, "delta_window": window}
    scales = [[1.0]]
    for _ in range(order):
        before, scale = scales[-1], [0.0] * (len(scales[-1]) + 2 * window)
        for j in range(-window, window + 1):
            for k, value in enumerate(before):
                scale[j + k + window] += j * value
        scales.append([value / sum(j * j for j in range(-window, window + 1)) for value in scale])
    expected = np.zeros((frames, 3 * (1 + order)))
    for t in range(frames):
        for i, scale in enumerate(scales):
            for j, value in enumerate(scale):
                at = min(max(t + j - len(scale) // 2, 0), frames - 1)
                expected[t, 3 * i : 3 * i + 3] += value * feats[at]
    np.testing.assert_allclose(add_deltas(feats, config), expected, atol=1e-5)
    ours = add_deltas_batch(torch.from_numpy(np.stack([feats, feats])), config)
    np.testing.assert_allclose(ours, [expected, expected], atol=1e-5)


def test_first_deltas_are_torchaudios() -> None:
    feats = features(20)
    theirs = compute_deltas(torch.from_numpy(feats).T[None], win_length=5)[0].T
    np.testing.assert_allclose(add_deltas(feats, {"delta_order": 1})[:, 3:], theirs, atol=1e-5)
