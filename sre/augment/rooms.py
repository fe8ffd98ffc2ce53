"""Reverberation: a wave in a room, of which the impulse response is known. Legend: S samples, R of the response."""

from collections.abc import Callable

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from sre.augment.noise import SILENT, power


def reverberate(
    wave: np.ndarray, response: np.ndarray, direct: int, spectrum_of: Callable[[int], np.ndarray] | None = None
) -> np.ndarray:
    """Return (S,) float32 convolved with (R,) float32: (S,), of the same power.

    direct : sample of the response's direct path; what was at sample t of the wave is heard there directly
    spectrum_of : returns the response's `rfft` of a size, where that is kept
    The reverberation after the wave's end is cut off. So does Kaldi's wav-reverberate with --shift-output=true and
    --normalize-output=true, which takes the greatest sample for the direct path. One real FFT of a length of small
    factors was the fastest for 2 s and rooms of 0.1 to 1 s.
    """
    samples = len(wave)
    size = next_fast_len(samples + len(response) - 1, real=True)
    spectrum = rfft(wave, size)
    spectrum *= rfft(response, size) if spectrum_of is None else spectrum_of(size)
    wet = irfft(spectrum, size)[direct : direct + samples]
    if (of_wet := power(wet)) < SILENT:
        return wet
    return wet * np.float32(np.sqrt(power(wave) / of_wet))
