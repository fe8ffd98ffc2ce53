"""How long the utterances of a data directory are: by its tables, by headers, or by decoding."""

import math

from sre.datadir.audio_check import check_audio
from sre.datadir.datadir import DataDir
from sre.datadir.layout import Table, parse_segment
from sre.io.audio import AudioError, AudioRules, load
from sre.io.tables import numbers_in


def told_durations(data: DataDir) -> dict[str, float]:
    """Return the seconds of the utterances where tables tell them: segments, utt2dur, reco2dur."""
    recordings = _told(data, "reco2dur")
    lines = data.tables.get("segments")
    if lines is None:
        return recordings | _told(data, "utt2dur")
    found: dict[str, float] = {}
    for utt, value in lines.items():
        recording, start, end = parse_segment(data.path, utt, value)
        end = min(end, recordings.get(recording, math.inf))
        if end < math.inf:
            found[utt] = end - start
    return found


def durations(data: DataDir, audio_rules: AudioRules) -> dict[str, float]:
    """Return the seconds of the utterances by tables, headers or decoding; what cannot be read is not there."""
    found = told_durations(data)
    wav: Table = data.wav or {}
    segments = data.segments
    recording_of = {utt: segments[utt].recording if segments else utt for utt in data.utts if utt not in found}
    unknown = {name: wav[name] for name in set(recording_of.values()) if name in wav}
    seconds, rejected = check_audio(unknown, audio_rules) if unknown else ({}, [])
    for name in sorted(unknown.keys() - seconds.keys() - {name for name, _, _ in rejected}):
        try:
            seconds[name] = load(unknown[name], audio_rules).duration
        except AudioError:
            continue  # the making of features rejects it, with the reason
    for utt, name in recording_of.items():
        if name in seconds:
            found[utt] = seconds[name] - (segments[utt].start if segments else 0)
    return found


def _told(data: DataDir, name: str) -> dict[str, float]:
    return numbers_in(data.path / name, data.tables[name]) if name in data.tables else {}
