"""Speed and rate changed by polyphase resampling.

A changed speed changes tempo and pitch together, as sox's `speed`: the voice of another speaker. Recordings of another
rate are converted by torchaudio (`sre/features/waves.py`), so that their features keep their bytes.
Legend: S samples.
"""

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
from scipy.signal import firwin, resample_poly

LARGEST_DENOMINATOR = 100  # of a speed: 0.9 is 9/10, 1.05 is 21/20
ZERO_CROSSINGS = 10  # of the filter, on each side; scipy.signal.resample_poly's own
BETA = 5.0  # of its Kaiser window


def ratio_of(factor: float) -> Fraction:
    """Return a speed as a ratio of small whole numbers, which it is within 1e-4."""
    return Fraction(factor).limit_denominator(LARGEST_DENOMINATOR)


def samples_needed(samples: int, factor: float) -> int:
    """Return the least number of samples of which `change_speed` makes at least `samples`."""
    return math.floor((samples - 1) * ratio_of(factor)) + 1


def change_speed(wave: np.ndarray, factor: float) -> np.ndarray:
    """Return (S,) float32 at `factor` times the speed: (ceil(S / factor),) float32. A factor of 1 changes nothing."""
    ratio = ratio_of(factor)
    return resampled(wave, ratio.denominator, ratio.numerator)


def resampled(wave: np.ndarray, up: int, down: int) -> np.ndarray:
    """Return (S,) float32 resampled by up/down: (ceil(S up / down),) float32, without delay.

    The filter is a Kaiser window of 10 zero crossings, cut off at the lower of the two Nyquist frequencies.
    """
    common = math.gcd(up, down)
    up, down = up // common, down // common
    if up == down:
        return wave
    return resample_poly(wave, up, down, window=_filter(max(up, down)))


@lru_cache(maxsize=32)
def _filter(factor: int) -> np.ndarray:
    return firwin(2 * ZERO_CROSSINGS * factor + 1, 1 / factor, window=("kaiser", BETA)).astype(np.float32)
