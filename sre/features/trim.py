"""What is cut off both ends of a signal before features are made of it: seconds, and what is quiet there.

Features from elsewhere tell neither the length nor the shift of their frames: 25 ms and 10 ms are assumed.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from sre.io.promise import AudioError

QUIETEST = 1e-5 * 32768  # of a window's level, as librosa's amplitude_to_db, on int16's scale
GIVEN_LENGTH_S, GIVEN_SHIFT_S = 0.025, 0.01  # of frames of features from elsewhere


def trimmed(wave: np.ndarray, trim: Mapping[str, Any] | None, sample_rate: int, shortest_s: float = 0.0) -> np.ndarray:
    """Return the part of (S,) samples on int16's scale that a feature config's `trim` leaves.

    Quiet ends go first, then the seconds. Raises AudioError where less than trim's least_s, or shortest_s, is left.
    """
    if not trim:
        return wave
    first, end = 0, len(wave)
    if trim["level_db"] is not None:
        first, end = loud_part(wave, trim["level_db"], trim["window"], trim["shift"])
    cut = fixed_samples(trim, sample_rate)
    first, end = first + cut, end - cut
    least_s, why = max((trim["least_s"], "least_s"), (shortest_s, "a frame"))
    if end - first < max(least_s * sample_rate, 1):
        left = max(end - first, 0) / sample_rate
        raise AudioError(f"too short: {left:.3f} s are left by trim, at least {least_s} s ({why}) are needed")
    return wave[first:end]


def fixed_samples(trim: Mapping[str, Any] | None, sample_rate: int) -> int:
    """Return the samples that are cut off each end, whatever they are."""
    return round(trim["seconds"] * sample_rate) if trim else 0


def frames_left(trim: Mapping[str, Any] | None, frames: int) -> tuple[int, int]:
    """Return the first frame that trim's seconds leave of features from elsewhere, and how many they leave.

    Raises AudioError where these last less than trim's least_s.
    """
    if not trim:
        return 0, frames
    cut = round(trim["seconds"] / GIVEN_SHIFT_S)
    least = 1 + max(0, math.ceil(round((trim["least_s"] - GIVEN_LENGTH_S) / GIVEN_SHIFT_S, 6)))
    if (left := frames - 2 * cut) < least:
        raise AudioError(f"too short: {max(left, 0)} of {frames} frames are left by trim, at least {least} are needed")
    return cut, left


def loud_part(wave: np.ndarray, level_db: float, window: int, shift: int) -> tuple[int, int]:
    """Return the first sample and the end of what librosa.effects.trim leaves; (0, 0) of a silent signal.

    Windows of `window` samples are centred on multiples of `shift`, with zeros beyond the ends. The part begins at the
    first centre whose window has a root mean square within level_db of the greatest, and ends a shift behind the last.
    """
    total = np.zeros(1 + len(wave))
    np.square(wave, out=total[1:], dtype=np.float64)
    np.cumsum(total[1:], out=total[1:])  # in place: of an hour this is 0.5 GB
    begin = np.arange(1 + (len(wave) + window // 2 * 2 - window) // shift) * shift - window // 2
    ends = (begin + window).clip(max=len(wave))
    rms = np.sqrt((total[ends] - total[begin.clip(0)]) / window).clip(QUIETEST)
    loud = np.flatnonzero(20 * np.log10(rms / rms.max()) > -level_db)
    if not wave.any():
        return 0, 0
    return int(loud[0] * shift), int(min(len(wave), (loud[-1] + 1) * shift))
