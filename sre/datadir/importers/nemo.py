"""NeMo manifests: a JSON object a line, with audio_filepath, and of offset, duration, label what is known.

A line with `offset` means a part of the file, one without all of it. Other keys become tables, as utt2lang of `lang`;
session, utterance, recording and gender are ours, which NeMo passes over.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sre import SreError
from sre.datadir.importers.layout import layout_of
from sre.datadir.importers.row import NOTHING, Asked, Row, minus, plus, seconds, table_name, tell
from sre.datadir.importers.table import channel_of
from sre.io.atomic import atomic_output
from sre.io.text import lines_of, read_text

FILE, SPEAKERS = "audio_filepath", ("label", "speaker")
OURS = ("session", "utterance", "recording", "channel")
OWN = (FILE, "offset", "duration")
TABLES = {"gender": "spk2gender", "text": "text"}


def read(source: Path, asked: Asked) -> Iterator[Row]:
    """Yield a row a line. Raises SreError naming the line that is no such object."""
    layout = layout_of(asked) if asked.pattern or asked.speaker_part is not None else None
    for number, line in enumerate(lines_of(read_text(source)), 1):
        if not line.strip():
            continue
        where = f"{source}:{number}"
        content = _object(where, line)
        place = layout(content[FILE]) if layout else None
        told = {name: _word(where, name, content.pop(name, None)) for name in (*OURS, *SPEAKERS)}
        start, end, length = _times(where, content)
        rest = {key: value for key, value in content.items() if key not in OWN and value not in (None, "")}
        tables = {TABLES.get(key) or table_name(key): tell(value) for key, value in rest.items()}
        if length is not None and end is None:
            tables["utt2dur"] = f"{length:.3f}"
        yield Row(
            content[FILE],
            told["label"] or told["speaker"] or (place.speaker if place else ""),
            told["session"] or (place.session if place else ""),
            told["utterance"],
            start,
            end,
            told["recording"],
            channel_of(where, told["channel"]),
            {**(place.tables if place else {}), **tables} or NOTHING,
        )


def _object(where: str, line: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SreError(f"{where}: not JSON ({error}); write one object a line, as a NeMo manifest has them") from None
    if not isinstance(content, dict) or not isinstance(content.get(FILE), str) or not content[FILE]:
        raise SreError(f"{where}: no object with a text '{FILE}'; write it, or delete the line")
    return content


def _key_of(table: str) -> str:
    """Return the key of a table, as the manifest had it: lang of utt2lang."""
    key = table.removeprefix("utt2")
    return table if key in (*OWN, *OURS, *SPEAKERS, *TABLES) else key


def _word(where: str, name: str, value: Any) -> str:
    if isinstance(value, dict | list | bool):
        raise SreError(f"{where}: {name} is {json.dumps(value)[:40]}, which is no text; mend it")
    return "" if value is None else str(value).strip()


def _times(where: str, content: dict[str, Any]) -> tuple[float, float | None, float | None]:
    """Return start, end (None: of the file) and length in seconds; without `offset` all of the file is meant."""
    start, length = (seconds(where, name, content.get(name)) for name in ("offset", "duration"))
    if length == 0:
        raise SreError(f"{where}: its duration is 0; mend it, or delete the line")
    return start or 0.0, None if start is None or length is None else plus(start, length), length


def annotate(source: Path, out: Path, key: str, values: Mapping[str, str]) -> None:
    """Write the lines of a manifest, all their keys as they are, with one more: what `values` has of their file.

    A file that it does not have gets null. Raises SreError naming the line that is no such object.
    """
    with atomic_output(out) as file:
        for number, line in enumerate(lines_of(read_text(source)), 1):
            if line.strip():
                content = _object(f"{source}:{number}", line)
                content[key] = values.get(content[FILE])
                file.write(json.dumps(content, ensure_ascii=False) + "\n")


def write(out: Path, rows: Iterable[Row]) -> int:
    """Write a manifest; return the number of lines."""
    count, names = 0, {table: key for key, table in TABLES.items()}
    with atomic_output(out) as file:
        for row in rows:
            line: dict[str, Any] = {FILE: row.file}
            if row.part or row.recording:
                line["offset"] = row.start
            tables = dict(row.tables)
            told = tables.pop("utt2dur", None)
            if row.end is not None:
                line["duration"] = minus(row.end, row.start)
            elif told is not None:
                line["duration"] = float(told)
            line["label"] = row.speaker
            line |= {name: value for name in ("utterance", "session", "recording") if (value := getattr(row, name))}
            line |= {} if row.channel is None else {"channel": row.channel}
            line |= {names.get(table) or _key_of(table): value for table, value in tables.items()}
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            count += 1
    return count
