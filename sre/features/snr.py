"""An estimate of the signal-to-noise ratio of speech from its samples alone. Legend: S samples, T frames.

Speech pauses, noise seldom does: the quietest frames are taken for the noise. benchmarks/snr.md has the error on read
speech with noise at known ratios, beside that of WADA-SNR (C. Kim, R. Stern, Interspeech 2008).
"""

import numpy as np

LEAST, MOST = -10.0, 40.0  # dB: what lies beyond is not told apart
FRAME_S, SHIFT_S = 0.025, 0.010
QUIETEST = 0.1  # of the frames
LOUDER = 1.5  # the noise of all frames is so many times that of the quietest; measured at 0 to 10 dB


def estimate_snr(wave: np.ndarray, sample_rate: int) -> float:
    """Return the SNR in dB, from LEAST to MOST, of (S,) samples of any scale at a sample rate in Hz.

    It is the ratio of mean powers, pauses included, as noise is added by `sre.augment.noise.mix`. NaN for less than a
    frame of 25 ms, and for silence.
    """
    power = _powers(wave - wave.mean(dtype=np.float64) if len(wave) else wave, sample_rate)
    if not power.any():
        return float("nan")
    noise = LOUDER * np.sort(power)[: max(round(QUIETEST * len(power)), 1)].mean()
    signal = power.mean() - noise
    if signal <= 0:
        return LEAST
    return float(np.clip(10 * np.log10(signal / noise), LEAST, MOST)) if noise > 0 else MOST


def _powers(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    """Return the mean squares (T,) of frames."""
    size, shift = round(FRAME_S * sample_rate), round(SHIFT_S * sample_rate)
    squares = np.cumsum(np.square(wave, dtype=np.float64))
    starts = np.arange(0, len(wave) - size + 1, shift)
    return np.maximum(squares[starts + size - 1] - np.where(starts > 0, squares[starts - 1], 0), 0) / size
