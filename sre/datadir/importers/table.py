"""Tables of utterances: CSV, TSV and their like, with or without a header, in any order of columns.

A column is known by its name (NAMES), or named by --columns. Without a header the file is the column whose cells end
like audio, and the speaker the other of two.
"""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from sre import SreError
from sre.datadir.importers.layout import layout_of
from sre.datadir.importers.row import AUDIO, NOTHING, Asked, Row, plus, seconds, table_name
from sre.io.atomic import atomic_output
from sre.io.text import lines_of, read_text

KNOWN = """
file       file path wav audio audio_filepath audio_path filename file_name filepath file_path wav_path
speaker    speaker spk spk_id speaker_id spkid speakerid spkr label client_id subject subjectid
session    session session_id sessionid chapter chapter_id video video_id
utterance  utterance utt utt_id utterance_id uttid segment_id
start      start start_time start_s begin offset
end        end end_time end_s stop
duration   duration dur length duration_s
recording  recording recording_id reco
gender     gender sex spk2gender
text       text transcript transcription sentence
channel    channel side
"""
# what a column is -> the names that it may have, in lower case
NAMES = {role: names for role, *names in map(str.split, lines_of(KNOWN.strip()))}
TABLES = {"gender": "spk2gender", "text": "text", "duration": "utt2dur"}
DELIMITERS = "\t,;|"
GENDERS = {"male": "m", "female": "f", "m": "m", "f": "f", "man": "m", "woman": "f"}
SIDES = {"a": 0, "b": 1}


def delimiter_of(text: str) -> str | None:
    """Return what parts the cells of the first line, None where nothing does; quoted cells may have it too."""
    line = next((line for line in lines_of(text) if line.strip()), "")
    counts = {mark: len(next(csv.reader([line], delimiter=mark))) for mark in DELIMITERS}
    best = max(DELIMITERS, key=lambda mark: counts[mark])
    return best if counts[best] > 1 else None


def rows_of(path: Path, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number of the line and the cells, without blanks around them, of each line that is not empty."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            cells = [cell.strip() for cell in cells]
            if any(cells):
                yield reader.line_num, cells
    except csv.Error as error:
        raise SreError(f"{path}:{reader.line_num}: not a table ({error}); mend its quotation marks") from None


def is_audio(cell: str) -> bool:
    """Return whether a cell ends like the name of an audio file."""
    return os.path.splitext(cell)[1].lower() in AUDIO


def roles_of(header: Sequence[str]) -> dict[str, int]:
    """Return what columns are -> their places, by name; `id` is the utterance, or if no other is, the speaker."""
    lower = [name.strip().lower() for name in header]
    roles = {
        role: next(lower.index(name) for name in names if name in lower)
        for role, names in NAMES.items()
        if set(names) & set(lower)
    }
    if "id" in lower and "utterance" not in roles:
        roles["utterance" if "speaker" in roles else "speaker"] = lower.index("id")
    return roles


def read(source: Path, asked: Asked) -> Iterator[Row]:
    """Yield a row a line. Raises SreError naming the line where a cell is not what its column is."""
    text = read_text(source)
    delimiter = asked.delimiter or delimiter_of(text) or ","
    lines = rows_of(source, text, delimiter)
    number, first = next(lines, (1, []))
    roles, names = _columns(source, first, asked)
    if names is None:
        yield from _rows(source, [(number, first)], roles, [], asked, len(first))
    yield from _rows(source, lines, roles, names or [], asked, len(first))


def _columns(source: Path, first: list[str], asked: Asked) -> tuple[dict[str, int], list[str] | None]:
    """Return what columns are -> their places, and the header's names; None where the first line is no header."""
    roles = roles_of(first)
    header: list[str] | None = None if any(map(is_audio, first)) else first
    if header is None:
        at = next(place for place, cell in enumerate(first) if is_audio(cell))
        roles = {"file": at} | ({"speaker": 1 - at} if len(first) == 2 else {})
    for role, name in asked.columns.items():
        if role not in NAMES:
            raise SreError(f"--columns {role}={name}: '{role}' is none of {', '.join(NAMES)}; write one of these")
        places = [place for place, cell in enumerate(first) if header and cell == name]
        places += [int(name) - 1] if name.isascii() and name.isdigit() and 0 < int(name) <= len(first) else []
        if not places:
            found = ", ".join(first) if header else f"1 to {len(first)}, for there is no header"
            raise SreError(f"{source}: no column '{name}' for {role}; its columns are {found}")
        roles = {other: at for other, at in roles.items() if at != places[0]} | {role: places[0]}
    if "file" not in roles:
        found = ", ".join(first)
        raise SreError(f"{source}: no column of files is known among {found}; name it: --columns file=NAME")
    return roles, header


def _rows(
    source: Path,
    lines: Iterable[tuple[int, list[str]]],
    roles: Mapping[str, int],
    header: Sequence[str],
    asked: Asked,
    width: int,
) -> Iterator[Row]:
    others = {place: table_name(name) for place, name in enumerate(header) if place not in roles.values()}
    others |= {roles[role]: table for role, table in TABLES.items() if role in roles}
    layout = layout_of(asked) if asked.pattern or asked.speaker_part is not None else None
    for number, cells in lines:
        where = f"{source}:{number}"
        if len(cells) != width:
            raise SreError(f"{where}: {len(cells)} cells, the first line has {width}; mend it, or give --delimiter")
        told = {role: cells[place] for role, place in roles.items()}
        if not told["file"]:
            raise SreError(f"{where}: no file in it; write one or delete the line")
        tables = {name: cells[place] for place, name in others.items() if cells[place]}
        place = layout(told["file"]) if layout else None
        start, end = times(where, told, tables)
        yield Row(
            told["file"],
            told.get("speaker") or (place.speaker if place else ""),
            told.get("session") or (place.session if place else ""),
            told.get("utterance", ""),
            start,
            end,
            told.get("recording", ""),
            channel_of(where, told.get("channel", "")),
            {**(place.tables if place else {}), **_neat(tables)} or NOTHING,
        )


def _neat(tables: dict[str, str]) -> dict[str, str]:
    if gender := tables.get("spk2gender"):
        tables["spk2gender"] = GENDERS.get(gender.lower(), gender)
    return tables


def times(where: str, told: Mapping[str, str], tables: dict[str, str]) -> tuple[float, float | None]:
    """Return start and end in seconds; a duration beside a start is the part's, and is then taken out of `tables`."""
    start = seconds(where, "start", told.get("start"))
    end = seconds(where, "end", told.get("end"))
    length = seconds(where, "duration", told.get("duration"))
    if start is not None and end is None and length is not None and "end" not in told:
        end = plus(start, length)
    if end is not None and end <= (start or 0):
        raise SreError(f"{where}: ends at {end:g} s, and starts at {start or 0:g} s; mend it")
    return start or 0.0, end


def channel_of(where: str, text: str) -> int | None:
    """Return a channel, from 0 on, of `a`, `b` or its number; None where none is meant."""
    if not text:
        return None
    if text.lower() in SIDES:
        return SIDES[text.lower()]
    if text.isascii() and text.isdigit() and len(text) < 3:
        return int(text)
    raise SreError(f"{where}: channel '{text}' is none; write a, b, or a number from 0 on")


def write(out: Path, rows: Iterable[Row]) -> int:
    """Write a CSV with a header and the columns that some row needs; return the number of lines."""
    rows = list(rows)
    names = {table: role for role, table in TABLES.items()}
    tables = sorted({name for row in rows for name in row.tables} - {"utt2session"})
    segments = any(row.part or row.recording for row in rows)
    fixed = ["utterance", "speaker", "file"] + ["session"] * any(row.session for row in rows)
    fixed += ["recording", "start", "end"] * segments + ["channel"] * any(row.channel is not None for row in rows)
    with atomic_output(out) as file:
        writer = csv.writer(file, lineterminator="\n", delimiter="\t" if out.suffix == ".tsv" else ",")
        writer.writerow(fixed + [names.get(name, name) for name in tables])
        for row in rows:
            told = {**row._asdict(), "start": repr(row.start), "end": "-1" if row.end is None else repr(row.end)}
            writer.writerow([told[name] for name in fixed] + [row.tables.get(name, "") for name in tables])
    return len(rows)
