"""What every importer yields: a row an utterance, as its source names it; and what a person says of the source."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from sre import SreError
from sre.io.commands import FFMPEG_SUFFIXES
from sre.io.ids import shown
from sre.io.text import number

NOTHING: Mapping[str, str] = {}
SOUNDFILE = {  # what libsndfile reads; ffmpeg reads others
    *(".wav", ".wave", ".flac", ".ogg", ".oga", ".mp3", ".aif", ".aiff", ".aifc"),
    *(".au", ".snd", ".w64", ".rf64", ".caf", ".sph", ".nist"),
}
AUDIO = frozenset(SOUNDFILE | FFMPEG_SUFFIXES)
ARRAYS = frozenset([".npy"])
PICKLES = frozenset([".p", ".pkl", ".pickle"])


class Row(NamedTuple):
    """An utterance of a source. What the source does not say is "", `end` and `channel` then are None.

    file : as the source has it, relative or absolute
    start, end : seconds of the part that is meant; `part` tells whether one is, or all of the file
    recording : id of the file, for sources that name it
    channel : that is meant, from 0
    tables : name of a table -> its value, as {"spk2gender": "f", "text": "hello"}
    """

    file: str
    speaker: str = ""
    session: str = ""
    utterance: str = ""
    start: float = 0.0
    end: float | None = None
    recording: str = ""
    channel: int | None = None
    tables: Mapping[str, str] = NOTHING

    @property
    def part(self) -> bool:
        """Whether the utterance is named as a part of the file."""
        return self.end is not None or self.start > 0


@dataclass(frozen=True)
class Asked:
    """What a person says of a source.

    Attributes
    ----------
    pattern : of the last parts of a path without suffix, as "{speaker}/{session}/*" (see layout.py)
    speaker_part : place of the path's part that is the speaker, from 0, or from -1 at its end, which is the file
    columns : what a column is -> its name, or its number from 1
    delimiter : of a table; None: looked for
    folder : where relative paths start; None: the source's own folder
    unlabelled : utterances without a speaker are taken, each as a speaker of its own
    sample_rate : Hz, of sources that count samples
    trials : a list of trials of the source's files, or of NIST's models
    segment_key : NIST's key of the segments' speakers
    """

    pattern: str | None = None
    speaker_part: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    delimiter: str | None = None
    folder: Path | None = None
    unlabelled: bool = False
    sample_rate: int = 16000
    trials: Path | None = None
    segment_key: Path | None = None


Reader = Callable[[Path, Asked], Iterator[Row]]


def first_of(rows: Iterable[Row], source: Path, what: str) -> list[Row]:
    """Return the rows as a list. Raises SreError where there is none."""
    found = list(rows)
    if not found:
        raise SreError(f"{source}: no {what} in it; give another, or look at its first lines")
    return found


def seconds(where: str, what: str, text: str | int | float | None, scale: int = 1) -> float | None:
    """Return a time in seconds of a cell, None for an empty one or -1 (to the end); `scale` is units a second.

    Raises SreError for what is no number, or below 0.
    """
    if text is None or text == "":
        return None
    try:
        value = number(str(text))
    except ValueError:
        value = float("nan")
    if value == -1:
        return None
    if not 0 <= value < float("inf"):
        raise SreError(f"{where}: {what} '{shown(str(text))}' is no number of 0 or more; mend it")
    return value if scale == 1 else value / scale


def plus(start: float, length: float) -> float:
    """Return the sum as people do it by hand: 1.1 + 2.2 is 3.3."""
    return float(Decimal(repr(start)) + Decimal(repr(length)))


def minus(end: float, start: float) -> float:
    """Return the difference as people do it by hand."""
    return float(Decimal(repr(end)) - Decimal(repr(start)))


def table_name(column: str) -> str:
    """Return the table of a column that means nothing else to us: utt2 and its name; spk2…, reco2… as they are."""
    name = re.sub(r"\W+", "_", column.strip().lower(), flags=re.ASCII).strip("_")
    return name if name.startswith(("spk2", "utt2", "reco2")) or name == "text" else f"utt2{name or 'column'}"


def tell(value: Any) -> str:
    """Return a value of JSON or a cell as a table holds it."""
    return value.strip() if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else str(value)
