"""A data directory of the same utterances, each cut to a length from its middle; no sound is copied."""

import math
from collections.abc import Mapping
from pathlib import Path

from sre import SreError
from sre.datadir.datadir import check_other, movable, read_data_dir, write_data_dir
from sre.datadir.durations import durations
from sre.datadir.layout import Segment
from sre.datadir.ops import claim
from sre.io.atomic import atomic_output
from sre.io.audio import AudioRules
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
    lengths = durations(data, audio_rules)
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
