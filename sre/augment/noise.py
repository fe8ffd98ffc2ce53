"""Noise added at a signal-to-noise ratio. Legend: S samples, on int16's scale."""

from collections.abc import Iterable

import numpy as np

SILENT = 0.01  # power, on int16's scale squared: a tenth of the least step


def power(wave: np.ndarray) -> float:
    """Return the mean square of (S,)."""
    return float(np.square(wave).mean(dtype=np.float64)) if len(wave) else 0.0


def babble(pieces: Iterable[np.ndarray]) -> np.ndarray | None:
    """Return the sum of pieces (S,), each at the same power; None where one of them is silent."""
    total: np.ndarray | None = None
    for piece in pieces:
        if (of_piece := power(piece)) < SILENT:
            return None
        scaled = piece * np.float32(1000 / np.sqrt(of_piece))
        total = scaled if total is None else total + scaled
    return total


def mix(wave: np.ndarray, noise: np.ndarray, snr: float) -> np.ndarray | None:
    """Return wave + a noise, where the power of (S,) is `snr` dB over that of the (S,) added.

    None where the wave or the noise is silent, so that there is no such mixture.
    """
    of_wave, of_noise = power(wave), power(noise)
    if min(of_wave, of_noise) < SILENT:
        return None
    return wave + noise * np.float32(np.sqrt(of_wave / of_noise) * 10 ** (-snr / 20))
