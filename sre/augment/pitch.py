"""Pitch shifted with the duration kept: a phase vocoder makes the wave longer, resampling makes it as long as before.

Legend: S samples, T frames, F frequencies of the short-time spectrum.
"""

from fractions import Fraction

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import irfft, rfft
from scipy.signal.windows import hann

from sre.augment.speed import resampled

WINDOW_S = 0.032
HOPS = 4  # of a window
LARGEST_DENOMINATOR = 50  # of the ratio of frequencies, which is then right within a hundredth of a semitone


def shift_pitch(wave: np.ndarray, semitones: float, sample_rate: int) -> np.ndarray:
    """Return (S,) float32 with all frequencies times 2^(semitones / 12): (S,) float32.

    The formants move with the pitch, as they do with another length of the vocal tract. sample_rate : Hz
    """
    ratio = Fraction(2 ** (semitones / 12)).limit_denominator(LARGEST_DENOMINATOR)
    if ratio == 1:
        return wave
    longer = _stretched(wave, float(ratio), 1 << round(np.log2(WINDOW_S * sample_rate)))
    shifted = resampled(longer, ratio.denominator, ratio.numerator)
    return np.pad(shifted, (0, max(len(wave) - len(shifted), 0)))[: len(wave)]


def _stretched(wave: np.ndarray, factor: float, size: int) -> np.ndarray:
    """Return (S,) `factor` times as long, its frequencies kept. J. Flanagan, R. Golden, Phase Vocoder, 1966.

    size : samples of a window. Magnitudes are interpolated between two frames, phases go on from frame to frame.
    """
    hop = size // HOPS
    window = hann(size, sym=False).astype(np.float32)
    padded = np.pad(wave, (size // 2, size // 2 + 2 * hop))
    frames = sliding_window_view(padded, size)[::hop] * window
    spectrum = rfft(frames, axis=1)  # (T, F)
    at = np.arange(0, len(spectrum) - 1, 1 / factor)
    before, share = at.astype(int), (at % 1).astype(np.float32)[:, None]
    magnitude, phase = np.abs(spectrum), np.angle(spectrum)
    expected = (2 * np.pi * hop / size * np.arange(spectrum.shape[1])).astype(np.float32)
    advance = np.diff(phase, axis=0) - expected
    advance += expected - 2 * np.pi * np.round(advance / (2 * np.pi))
    turned = phase[0] + np.vstack([np.zeros_like(expected), np.cumsum(advance[before[:-1]], axis=0)])
    mixed = (1 - share) * magnitude[before] + share * magnitude[before + 1]
    pieces = irfft(mixed * np.exp(1j * turned.astype(np.float32)), size, axis=1) * window
    longer = _overlapped(pieces, hop) / np.maximum(_overlapped(np.tile(window**2, (len(pieces), 1)), hop), 1e-3)
    return longer[size // 2 :][: round(len(wave) * factor)].astype(np.float32)


def _overlapped(pieces: np.ndarray, hop: int) -> np.ndarray:
    """Return the sum of pieces (T, size), each `hop` samples after the one before."""
    count, size = pieces.shape
    total = np.zeros((count + HOPS) * hop, pieces.dtype)
    for part in range(size // hop):
        total[part * hop : (part + count) * hop] += pieces[:, part * hop : (part + 1) * hop].reshape(-1)
    return total
