"""The tables of a Kaldi data directory: which there are, which of them names the utterances, a line of segments."""

import math
import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from sre import SreError
from sre.io.text import fields, key_and_rest, number

Table = Mapping[str, str]  # id -> value: a dict, or of a large data directory arrays (sre.io.name_tables.Texts)

# the tables that belong to the utterances of a data directory; other files (trials, notes) are not looked at
UTT_TABLES = re.compile(r"wav\.scp|segments|feats\.scp|vad\.scp|text|utt2\w+|spk2\w+|reco2\w+")
MAIN = ("segments", "wav.scp", "feats.scp")  # the first that is there names the utterances
COMPLETE = (*MAIN, "utt2spk", "utt2num_frames", "vad.scp")  # have all utterances; other maps may be partial
FREE = ("wav.scp", "feats.scp", "vad.scp", "text")  # of paths and sentences, in which any character may stand


class Segment(NamedTuple):
    """A part of a recording, in seconds; an `end` of inf is the recording's end."""

    recording: str
    start: float
    end: float

    def __str__(self) -> str:
        """Return the value of a segments line; -1 is the recording's end, as in Kaldi."""
        return f"{self.recording} {self.start!r} {'-1' if self.end == math.inf else repr(self.end)}"


def sentence(where: Path, count: int, what: str, example: str, remedy: str) -> str:
    """Return `where: 3 what, e.g. example; remedy`."""
    return f"{where}: {count} {what}, e.g. {example}; {remedy}"


def fix_command(path: Path) -> str:
    """Return the command that mends a data directory, to be pasted."""
    return f"sre data fix {shlex.quote(str(path))}"


def check_folder(path: Path) -> None:
    """Raise SreError where there is no such data directory."""
    if not path.is_dir():
        raise SreError(f"{path}: no such data directory; check the path, or run the stage that makes it")


def table_files(path: Path) -> list[Path]:
    """Return the files of a data directory that are tables of its utterances, in order of their names."""
    return [file for file in sorted(path.iterdir()) if UTT_TABLES.fullmatch(file.name) and not file.is_dir()]


def main_table(path: Path, tables: Mapping[str, Table]) -> str:
    """Return the name of the table that names the utterances. Raises SreError where there is none."""
    for name in MAIN:
        if name in tables:
            return name
    raise SreError(f"{path}: neither wav.scp nor feats.scp in it; a data directory needs one of them")


def parse_segment(path: Path, utt: str, value: str) -> Segment:
    """Parse `recording start end` (seconds) of one segments line; -1 is the recording's end, as in Kaldi.

    Raises SreError for anything else.
    """
    try:
        recording, begin, stop = fields(value)
        start, end = number(begin), math.inf if stop in ("-1", "-1.0") else number(stop)
        if end == math.inf and not stop.startswith("-1"):
            raise ValueError
    except ValueError:
        raise SreError(f"{path}/segments: '{utt} {value}' is not `utterance recording start end`; mend it") from None
    if not 0 <= start < end:
        raise SreError(f"{path}/segments: '{utt} {value}' does not end after it starts; mend it or delete it")
    return Segment(recording, start, end)


def recording_of(value: str) -> str:
    """Return the recording that the value of a segments line begins with."""
    return key_and_rest(value)[0]


def lost_segments(path: Path, segments: Iterable[tuple[str, str]], wav: Collection[str] | None) -> list[str]:
    """Return a sentence on the segments whose recording is not in wav.scp; nothing where there is none.

    segments : (utterance, value of its line)
    """
    if wav is None:
        return []
    known = set(wav)
    lost = [(utt, recording_of(value)) for utt, value in segments if recording_of(value) not in known]
    if not lost:
        return []
    example = f"{lost[0][1]} of {lost[0][0]}"
    remedy = f"add them, or run `{fix_command(path)}` to drop them"
    return [sentence(path / "segments", len(lost), "segments are of recordings not in wav.scp", example, remedy)]
