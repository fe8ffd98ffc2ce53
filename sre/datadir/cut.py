"""A data directory of the same utterances, each cut to a length from its middle; no sound is copied."""

import math
from collections.abc import Mapping
from pathlib import Path

from sre import SreError
from sre.datadir.audio_check import check_audio
from sre.datadir.datadir import DataDir, check_other, movable, read_data_dir, write_data_dir
from sre.datadir.layout import Segment
from sre.datadir.ops import claim
from sre.io.atomic import atomic_output
from sre.io.audio import AudioError, AudioRules, load
from sre.io.tables import read_numbers
from sre.machine.log import say

OF_THE_WHOLE = ("feats.scp", "vad.scp", "text", "utt2dur", "utt2num_frames", "utt2num_samples")  # not of a part


def cut_utterances(source: str | Path, out: str | Path, seconds: float, audio_rules: AudioRules) -> int:
    """Write a data directory whose utterances are segments of `seconds` from the middle; return how many are shorter.

    Pieces begin at a hundredth of a second. So one of 2 s lies within that of 4 s, to 10 ms. A shorter utterance stays
    whole, as one whose recording cannot be read, which the making of features rejects. OUT/notes counts the shorter
    ones for the report. Raises SreError where the source has no sound, and as `claim`.
    """
    data = read_data_dir(source, every_table=True)
    if data.wav is None:
        raise SreError(f"{source}: no wav.scp in it; only a data directory with sound can be cut")
    check_other(source, out)
    segments = data.segments or {utt: Segment(utt, 0.0, math.inf) for utt in data.utts}
    lengths = _lengths(data, segments, audio_rules)
    cut, shorter = dict[str, Segment](), 0
    for utt, segment in segments.items():
        whole = lengths.get(utt, 0.0)
        shorter += whole < seconds
        start = round(segment.start + (whole - seconds) / 2, 2)
        cut[utt] = Segment(segment.recording, start, round(start + seconds, 6)) if whole >= seconds else segment
    extra: dict[str, Mapping[str, object]] = {
        "utt2dur": {utt: f"{min(lengths[utt], seconds):.3f}" for utt in cut if utt in lengths}
    }
    kept = data.tables.keys() - {*OF_THE_WHOLE, "wav.scp", "segments", "utt2spk", "spk2utt"}
    extra |= {name: data.tables[name] for name in kept}
    out = Path(out)
    claim(out, "cut_utterances")
    write_data_dir(out, wav=movable(data.wav, out), segments=cut, utt2spk=data.utt2spk or {}, extra=extra)
    note = f"{out.name}: {shorter} of {len(cut)} utterances are shorter than {seconds:g} s and stay whole."
    with atomic_output(out / "notes") as file:
        file.write(f"{note}\n" if shorter else "")
    say(note)
    return shorter


def _lengths(data: DataDir, segments: Mapping[str, Segment], audio_rules: AudioRules) -> dict[str, float]:
    """Return the seconds of each utterance: of its segment, by utt2dur or reco2dur, by the header, or by decoding."""
    assert data.wav is not None
    told = {name: read_numbers(data.path / name) for name in ("utt2dur", "reco2dur") if name in data.tables}
    recordings = dict(told.get("reco2dur", {})) | ({} if data.segments else dict(told.get("utt2dur", {})))
    open_ended = {segment.recording for segment in segments.values() if segment.end == math.inf}
    unknown = {name: data.wav[name] for name in open_ended - recordings.keys()}
    found, rejected = check_audio(unknown, audio_rules) if unknown else ({}, [])
    recordings |= found
    for name in sorted(unknown.keys() - found.keys() - {name for name, _, _ in rejected}):
        try:
            recordings[name] = load(data.wav[name], audio_rules).duration
        except AudioError:
            continue  # the making of features rejects it, with the reason
    ends = {utt: min(segment.end, recordings.get(segment.recording, math.inf)) for utt, segment in segments.items()}
    return {utt: end - segments[utt].start for utt, end in ends.items() if end < math.inf}
