"""Mean and variance normalisation and the energy VAD, as Kaldi's apply-cmvn, apply-cmvn-sliding and compute-vad."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

KALDI_FLOORS = {"utterance": 1e-20, "sliding": 1e-10}  # of the variance: transform/cmvn.cc, feature-functions.cc
EPSILON = 1e-5  # of NeMo's normalize_batch (CONSTANT) and of PyTorch's InstanceNorm1d
Array = TypeVar("Array", np.ndarray, "Tensor")


def normalise(feats: np.ndarray, config: Mapping[str, Any]) -> np.ndarray:
    """Normalise (T, F) float32 features as their config's cmn, cmn_window and cmn_variance say -> (T, F) float32.

    `sre.features.batches: normalise_batch` does the same to (B, T, F) on a device. A training chunk that was cut out of
    features read so is normalised by itself with `renormalise`.
    """
    cmn, window, form = config.get("cmn", "none"), config.get("cmn_window", 300), config.get("cmn_variance", "none")
    if cmn == "none":
        return feats
    if form == "none":
        return subtract_sliding_mean(feats, window) if cmn == "sliding" else subtract_utterance_mean(feats)
    if cmn == "utterance":
        mean, scale = _utterance_statistics(feats, form)
        return ((feats - mean) / scale).astype(np.float32)
    begin, end = window_bounds(len(feats), window)
    count = (end - begin)[:, None]
    wide = feats - feats.mean(axis=0, dtype=np.float64)  # no change of the result: sums of small numbers cancel less
    mean = _window_sums(wide, begin, end) / count
    variance = (_window_sums(np.square(wide), begin, end) / count - np.square(mean)).clip(min=0)
    return ((wide - mean) / deviation(variance, count, form, KALDI_FLOORS[cmn])).astype(np.float32)


def renormalise(chunk: np.ndarray, config: Mapping[str, Any]) -> np.ndarray:
    """Normalise a (T, F) chunk of features with `cmn: utterance` by its own mean, and variance where they have it.

    Delta columns are of normalised features: they have no mean taken off, and are divided by what their column is.
    """
    form, columns = config.get("cmn_variance", "none"), chunk.shape[1] // (1 + config.get("delta_order", 0))
    if columns == chunk.shape[1]:
        return normalise(chunk, {"cmn": "utterance", "cmn_variance": form})
    mean, scale = _utterance_statistics(chunk[:, :columns], form)
    changed = chunk / np.tile(scale, chunk.shape[1] // columns)
    changed[:, :columns] = (chunk[:, :columns] - mean) / scale
    return changed.astype(np.float32)


def _utterance_statistics(feats: np.ndarray, form: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and the deviation (1 without variance normalisation) of each column, (F,) float64."""
    mean = feats.mean(axis=0, dtype=np.float64)
    if form == "none":
        return mean, np.ones(feats.shape[1])
    variance = np.square(feats - mean).mean(axis=0)
    return mean, deviation(variance, np.array(len(feats)), form, KALDI_FLOORS["utterance"])


def deviation(variance: Array, count: Array, form: str, floor: float) -> Array:
    """Return what centred features are divided by.

    variance : biased, 1/n; count : n, the frames that it is of
    form : kaldi, its root, the variance not below `floor`; instance_norm, root of variance + 1e-5; nemo, root of the
        unbiased variance, 1/(n - 1), + 1e-5. All centred features of one frame are 0.
    """
    if form == "kaldi":
        return variance.clip(min=floor) ** 0.5
    if form == "instance_norm":
        return (variance + EPSILON) ** 0.5
    return (variance * (count / (count - 1).clip(min=1))) ** 0.5 + EPSILON


def subtract_utterance_mean(feats: np.ndarray) -> np.ndarray:
    """Subtract each column's mean, (T, F) -> (T, F)."""
    return feats - feats.mean(axis=0, dtype=np.float64).astype(np.float32)


def subtract_sliding_mean(feats: np.ndarray, window: int = 300) -> np.ndarray:
    """Subtract the mean of a centred window of at most `window` frames; at the ends the window is shifted in.

    feat/feature-functions.cc: SlidingWindowCmn with center=true. (T, F) float32 -> (T, F) float32.
    """
    begin, end = window_bounds(len(feats), window)
    mean = _window_sums(feats, begin, end) / (end - begin)[:, None]
    return (feats - mean).astype(np.float32)


def window_bounds(frames: int, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first frame of each frame's window, and the one behind its last: (T,), (T,)."""
    begin = np.arange(frames) - window // 2
    end = begin + window
    over = np.maximum(-begin, 0)
    begin, end = begin + over, end + over
    over = np.maximum(end - frames, 0)
    return np.maximum(begin - over, 0), end - over


def _window_sums(feats: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return (T, F) float64 sums over each frame's window."""
    total = np.concatenate([np.zeros((1, feats.shape[1])), feats.cumsum(axis=0, dtype=np.float64)])
    return total[end] - total[begin]


def energy_vad(
    log_energy: np.ndarray,
    energy_threshold: float = 5.5,
    energy_mean_scale: float = 0.5,
    frames_context: int = 2,
    proportion_threshold: float = 0.12,
) -> np.ndarray:
    """Decide which frames are voiced, (T,) log energies -> (T,) bool (ivector/voice-activity-detection.cc).

    The log energies are column 0 of MFCCs. Defaults are those of Kaldi's VoxCeleb recipe. A frame is voiced if at least
    the given proportion of the frames in its context lie above threshold + scale x mean.
    """
    T = len(log_energy)
    cutoff = energy_threshold + energy_mean_scale * float(log_energy.sum(dtype=np.float32)) / T
    above = np.concatenate([[0], (log_energy > cutoff).cumsum()])
    begin = np.maximum(np.arange(T) - frames_context, 0)
    end = np.minimum(np.arange(T) + frames_context + 1, T)
    return (above[end] - above[begin]) >= proportion_threshold * (end - begin)
