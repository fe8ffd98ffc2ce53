"""The utterances of a data directory with audio, checked by headers: recordings, and the parts that are meant."""

from collections.abc import Mapping
from typing import NamedTuple

from sre.datadir.datadir import DataDir
from sre.datadir.rejected import Rejected
from sre.io.audio import MIN_DURATION_S, AudioError, check_end


class Checked(NamedTuple):
    """rejected : rows of utterances; durations, recordings : seconds, by utterance and by recording, where told."""

    rejected: Rejected
    durations: dict[str, float]
    recordings: dict[str, float]


def check_utterances(data: DataDir, durations: Mapping[str, float], bad: Rejected) -> Checked:
    """Return which utterances cannot be used, and the lengths of the others where headers or reco2dur tell.

    durations, bad : seconds of recordings, and the rejected ones, by their headers
    """
    if data.wav is None or data.segments is None:
        return Checked(bad, dict(durations), dict(durations))
    durations = {key: float(seconds) for key, seconds in data.tables.get("reco2dur", {}).items()} | dict(durations)
    reasons = {recording: reason for recording, _, reason in bad}
    rejected: Rejected = []
    lengths: dict[str, float] = {}
    for utt, (recording, start, end) in data.segments.items():
        duration = durations.get(recording)
        reason = reasons.get(recording) or _bad_segment(start, end, duration)
        if reason:
            rejected.append((utt, data.wav[recording], reason))
        elif duration is not None:
            lengths[utt] = min(end, duration) - start
    return Checked(rejected, lengths, durations)


def _bad_segment(start: float, end: float, duration: float | None) -> str | None:
    if duration is not None:
        try:
            check_end(end, duration)
        except AudioError as error:
            return str(error)
    if (end if duration is None else min(end, duration)) - start < MIN_DURATION_S:
        return f"too short: its segment needs at least {MIN_DURATION_S} s"
    return None
