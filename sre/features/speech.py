"""Stretches of speech: of scores that come at equal distances, with hysteresis, shortest lengths and padding.

The rule is that of silero-vad's get_speech_timestamps without a longest length.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Span = tuple[int, int]  # first sample and end
HYSTERESIS, LEAST_OFF = 0.15, 0.01  # how far below the threshold speech ends, and the least that this can be


@dataclass(frozen=True)
class SpanRule:
    """When speech begins and ends.

    Attributes
    ----------
    threshold, off : a score that begins speech; below `off` it ends
    min_speech, min_silence : samples; what is not longer is no speech; what is shorter does not end speech
    pad : samples that are added on both sides, where the next stretch leaves room
    """

    threshold: float
    off: float
    min_speech: int
    min_silence: int
    pad: int


def speech_spans(scores: np.ndarray, hop: int, samples: int, rule: SpanRule) -> list[Span]:
    """Return the stretches of speech in a signal of `samples`, of which score i is that of samples from i x hop on."""
    found: list[Span] = []
    start, stop = -1, -1  # -1: no speech has begun; none of it may have ended
    speech = scores >= rule.threshold
    for number in np.flatnonzero(speech | (scores < rule.off)):
        at = int(number) * hop
        if speech[number]:
            start, stop = (at if start < 0 else start), -1
        elif start >= 0:
            stop = at if stop < 0 else stop
            if at - stop >= rule.min_silence:
                found.append((start, stop))
                start, stop = -1, -1
    if start >= 0:
        found.append((start, samples))
    return _padded([(a, b) for a, b in found if b - a > rule.min_speech], samples, rule.pad)


def _padded(spans: Sequence[Span], samples: int, pad: int) -> list[Span]:
    """Widen each by `pad`; where two would meet, each takes half of the gap."""
    gaps = [b - a for (_, a), (b, _) in zip(spans, spans[1:], strict=False)]
    halves = [gap // 2 if gap < 2 * pad else pad for gap in gaps]
    before, after = [pad, *halves], [*halves, pad]
    return [(max(0, a - x), min(samples, b + y)) for (a, b), x, y in zip(spans, before, after, strict=False)]


def voiced_frames(spans: Sequence[Span], centres: np.ndarray) -> np.ndarray:
    """Return which of the (T,) rising centres of frames lie within a stretch, (T,) bool."""
    voiced = np.zeros(len(centres), bool)
    for start, end in spans:
        voiced[np.searchsorted(centres, start) : np.searchsorted(centres, end)] = True
    return voiced
