"""Speed and rate changed by polyphase resampling.

A changed speed changes tempo and pitch together, as sox's `speed`: the voice of another speaker. Recordings of another
rate are converted by torchaudio (`sre/features/resampling.py`), so that their features keep their bytes.
Legend: S samples, K taps of each of the `up` phases of a filter, N outputs of a phase.
"""

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
from scipy.signal import firwin, resample_poly

from sre.machine.buffers import unbuffered

LARGEST_DENOMINATOR = 100  # of a speed: 0.9 is 9/10, 1.05 is 21/20
ZERO_CROSSINGS = 10  # of the filter, on each side; scipy.signal.resample_poly's own
BETA = 5.0  # of its Kaiser window
FEWEST = 6000  # samples, from which on filtering by rows is faster than scipy's


@lru_cache(maxsize=32)
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
    if abs(up - down) == 1 and len(wave) >= FEWEST and wave.dtype == np.float32:
        return _by_phases(wave, up, down)
    return resample_poly(wave, up, down, window=filter_of(max(up, down)))


def _by_phases(wave: np.ndarray, up: int, down: int) -> np.ndarray:
    """Do what `resample_poly` does, with the same bytes, for |up - down| = 1, which most speeds are.

    Output c + up n is of phase c and is the sum of K samples that end with sample base + c + down n. So the samples at
    steps of `down` are rows, and a tap of all phases is `up` rows, one below the other, times a number each.
    """
    c, base, taps = _phases(up, down)
    K, wanted, late = len(taps), -(-len(wave) * up // down), int(c > 0)
    N, shifts = -(-wanted // up) + late, -(-(up + K - 1) // down)
    before = K - 1 - base + late * down  # samples of silence: the first row begins so far before the wave
    padded = np.zeros((N + shifts) * down, np.float32)
    there = wave[max(0, -before) :][: len(padded) - max(0, before)]
    padded[max(0, before) :][: len(there)] = there
    rows = np.empty((shifts, down, N + shifts), np.float32)
    rows[0] = padded.reshape(-1, down).T
    for shift in range(1, shifts):
        rows[shift, :, :-shift] = rows[0, :, shift:]
    stacked = rows.reshape(shifts * down, -1)[:, :N]
    out, product = np.zeros((up, N), np.float32), np.empty((up, N), np.float32)
    with unbuffered():
        for k in range(K):  # in this order resample_poly adds
            np.multiply(stacked[k : k + up], taps[k], product)
            np.add(out, product, out)
    return out.T.reshape(-1)[-c % up :][:wanted]


@lru_cache(maxsize=32)
def _phases(up: int, down: int) -> tuple[int, int, np.ndarray]:
    """Return the first phase, the sample with which its sum ends, and (K, up, 1) taps, the earliest sample's first.

    From the first phase on, the samples of each end one later than those of the phase before.
    """
    taps, delay = filter_of(max(up, down)) * np.float32(up), ZERO_CROSSINGS * max(up, down)
    c = (delay + 1) % up if down < up else -delay % up
    ends = (c + np.arange(up)) * down + delay
    places = ends % up + up * np.arange(-(-len(taps) // up))[::-1, None]
    of_phases = np.where(places < len(taps), taps[np.minimum(places, len(taps) - 1)], np.float32(0))
    return c, int(ends[0]) // up, of_phases[..., None]


@lru_cache(maxsize=32)
def filter_of(factor: int) -> np.ndarray:
    """Return the taps (20 factor + 1,) float32 of the filter whose cut-off is 1/factor of the Nyquist frequency."""
    return firwin(2 * ZERO_CROSSINGS * factor + 1, 1 / factor, window=("kaiser", BETA)).astype(np.float32)
