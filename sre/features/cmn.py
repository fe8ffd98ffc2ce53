"""Cepstral mean normalisation and the energy VAD, as Kaldi's apply-cmvn-sliding and compute-vad."""

import numpy as np


def subtract_utterance_mean(feats: np.ndarray) -> np.ndarray:
    """Subtract each column's mean, (T, F) -> (T, F)."""
    return feats - feats.mean(axis=0, dtype=np.float64).astype(np.float32)


def subtract_sliding_mean(feats: np.ndarray, window: int = 300) -> np.ndarray:
    """Subtract the mean of a centred window of at most `window` frames; at the ends the window is shifted in.

    feat/feature-functions.cc: SlidingWindowCmn with center=true. (T, F) float32 -> (T, F) float32.
    """
    T = len(feats)
    begin = np.arange(T) - window // 2
    end = begin + window
    over = np.maximum(-begin, 0)
    begin, end = begin + over, end + over
    over = np.maximum(end - T, 0)
    begin, end = np.maximum(begin - over, 0), end - over
    total = np.concatenate([np.zeros((1, feats.shape[1])), feats.cumsum(axis=0, dtype=np.float64)])
    mean = (total[end] - total[begin]) / (end - begin)[:, None]
    return (feats - mean).astype(np.float32)


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
