"""A data directory of some utterances of another, whole or cut to a length from their middle; no sound is copied."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from sre import SreError
from sre.datadir.datadir import check_other, movable, read_data_dir, write_data_dir
from sre.datadir.durations import durations
from sre.datadir.layout import Segment
from sre.datadir.ops import claim
from sre.io.atomic import atomic_output
from sre.io.audio import AudioRules
from sre.io.ids import check_known
from sre.io.record import read_record
from sre.io.scp import rows_of
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
    _note(out, shorter, len(cut), seconds)
    return shorter


def _note(out: Path, shorter: int, count: int, seconds: float, moved: int = 0) -> None:
    note = f"{out.name}: {shorter} of {count} utterances are shorter than {seconds:g} s and stay whole."
    note += f" {moved} have silence in their middle, and are cut beside it." if moved else ""
    with atomic_output(out / "notes") as file:
        file.write(f"{note}\n" if shorter or moved else "")
    say(note)


def cut_features(source: str | Path, out: str | Path, seconds: float, frame_shift: float = 10.0) -> int:
    """Write a data directory whose features are so many `seconds` from the middle; return how many are shorter.

    frame_shift : ms from one frame to the next. The archives stay where they are: an entry of feats.scp has a range of
    rows. A shorter utterance stays whole. Where most frames of the middle repeat the one before, which is digital
    silence, the nearest piece with speech is taken. OUT/notes counts both for the report. Raises SreError where the
    source has no feats.scp, where a record cannot be read, and as `claim`.
    """
    data = read_data_dir(source, every_table=True)
    if data.feats is None:
        raise SreError(f"{source}: no feats.scp in it; only a data directory with features can be cut so")
    check_other(source, out)
    frames, shorter, moved, cut = max(round(1000 * seconds / frame_shift), 1), 0, 0, dict[str, str]()
    for utt, place in data.feats.items():
        matrix = read_record(utt, place, "matrix", data.path / "feats.scp")
        if len(matrix) < frames:
            shorter, cut[utt] = shorter + 1, place
            continue
        start = _start(matrix, frames)
        moved += start != (len(matrix) - frames) // 2
        cut[utt] = rows_of(place, start, frames)
    kept = data.tables.keys() - {*OF_THE_WHOLE, "wav.scp", "segments", "utt2spk", "spk2utt"}
    out = Path(out)
    claim(out, "cut_features")
    extra = {name: data.tables[name] for name in kept}
    write_data_dir(out, feats=cut, utt2spk=data.utt2spk or {}, extra=extra)
    _note(out, shorter, len(cut), seconds, moved)
    return shorter


def _start(matrix: np.ndarray, frames: int) -> int:
    """Return the first row of the piece of so many frames of (T, F): the middle, or the nearest with speech."""
    middle = (len(matrix) - frames) // 2
    changes = np.append(0, np.cumsum(np.append(False, (matrix[1:] != matrix[:-1]).any(axis=1))))
    sounding = changes[frames:] - changes[:-frames]  # of the piece from each row on
    if sounding[middle] >= frames / 2:
        return middle
    enough = np.flatnonzero(sounding >= min(frames / 2, sounding.max()))
    return int(enough[np.argmin(np.abs(enough - middle))])


def copy_listed(source: str | Path, out: str | Path, utts: Iterable[str]) -> int:
    """Write the part of a data directory that has these utterances, and return their number.

    Raises SreError for one that is not there, and as `claim`.
    """
    data = read_data_dir(source, every_table=True)
    check_other(source, out)
    wanted = set(utts)
    check_known("the utterances of the list", wanted, data.utt2spk or {}, source)
    out = Path(out)
    claim(out, "copy_listed")
    part = data.keep(wanted)
    wav = None if part.wav is None else movable(part.wav, out)
    apart = ("wav.scp", "utt2spk", "spk2utt", "feats.scp")
    extra = {name: table for name, table in part.tables.items() if name not in apart and table}
    write_data_dir(out, wav=wav, feats=part.feats, utt2spk=part.utt2spk or {}, extra=extra)
    say(f"{out}: {len(wanted)} utterances")
    return len(wanted)
