"""Kaldi's scp files: `key place`, a place being `path:offset`, or the path of a file that is one record.

A range may follow, `[0:99]` of rows or `[0:99,0:12]` of rows and columns, where the last index belongs to it. A
relative path is from the scp's folder; where nothing is there, from the working directory, as Kaldi reads it.
"""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sre import SreError
from sre.io.tables import read_table, write_table
from sre.io.text import BLANKS

RANGE = re.compile(r"\[(?:(\d{1,9}):(\d{1,9})|:)(?:,(?:(\d{1,9}):(\d{1,9})|:))?\]", re.ASCII)
ON_COMMAND_LINES = ("ark:", "scp:", "ark,")  # before a path there, and never in an scp
BEYOND = 3  # so many rows a range may end after its matrix, as in Kaldi: segments are rounded
REFUSED = (*ON_COMMAND_LINES, "|")  # what no place begins with
Span = tuple[int, int] | None  # first and last index, None: all


class BadRange(ValueError):
    """A range of rows or columns that a record does not have."""


class Place(NamedTuple):
    """The place of a record in an archive, and the part of it that is meant."""

    path: str
    offset: int = 0
    rows: Span = None
    columns: Span = None

    def part_of(self, value: np.ndarray) -> np.ndarray:
        """Return the rows and columns that are meant. Raises BadRange if the record does not have them."""
        for axis, span in enumerate((self.rows, self.columns)):
            if span is not None:
                size = value.shape[axis] if axis < value.ndim else 0
                value = value[(slice(None),) * axis + (slice(*bounds(span, size, axis)),)]
        return value


def bounds(span: Span, size: int, axis: int) -> tuple[int, int]:
    """Return the first index of a span, and one past its last. Raises BadRange if `size` does not hold it."""
    if span is None:
        return 0, size
    first, last = span
    if not first <= last < size + (BEYOND if axis == 0 else 0) or first >= size:
        raise BadRange(f"its range [{first}:{last}] is not within {size}, the last index belongs to it; mend it")
    return first, min(last + 1, size)


def parse_place(text: str) -> Place:
    """Parse the place that an scp gives. Raises ValueError saying what `text` is if it is no place."""
    if text.endswith("|") or text.startswith("|"):
        raise ValueError(
            "a command, which is never run from here; write its output out, e.g. copy-feats scp:IN.scp"
            " ark,scp:OUT.ark,OUT.scp, and give OUT.scp"
        )
    if not text:
        raise ValueError("no place at all; write `key path:offset`")
    if split_offset(text)[0].startswith(ON_COMMAND_LINES):  # but `ark:2` is byte 2 of a file of that name
        raise ValueError("written as on Kaldi's command lines; write `path:offset` without ark: or scp:")
    spans: list[Span] = []
    begin = text.rfind("[") if text.endswith("]") else -1
    if begin >= 0:
        found = RANGE.fullmatch(text, begin)
        if not found:
            raise ValueError(f"a place with the range {text[begin:]}; write [first:last] or [first:last,first:last]")
        pairs = found.groups()[:2], found.groups()[2:]
        spans = [(int(first), int(last)) if first else None for first, last in pairs]
        text = text[:begin].rstrip(BLANKS)
    path, offset = split_offset(text)
    return Place(path, offset or 0, *spans)


def rows_of(text: str, first: int, count: int) -> str:
    """Return the place of so many rows, from the row `first` on, of the matrix that the place `text` means.

    Raises ValueError as `parse_place`.
    """
    place = parse_place(text)
    begin = (place.rows[0] if place.rows else 0) + first
    columns = f",{place.columns[0]}:{place.columns[1]}" if place.columns else ""
    whole = text[: text.rindex("[")].rstrip(BLANKS) if text.endswith("]") else text
    return f"{whole}[{begin}:{begin + count - 1}{columns}]"


def split_offset(text: str) -> tuple[str, int | None]:
    """Split `path:offset` into path and offset; another text is all path, and its offset None."""
    path, _, offset = text.rpartition(":")
    if path and offset.isascii() and offset.isdigit() and len(offset) < 19:
        return path, int(offset)
    return text, None


def read_scp(scp: str | Path) -> dict[str, str]:
    """Read key -> place, with a path that opens from the working directory.

    Raises SreError naming the key where what follows it is no place.
    """
    return dict(resolved(scp, read_table(scp)))


def resolved(scp: str | Path, table: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield key and place of what was read from an scp. Raises SreError as `read_scp`."""
    scp = Path(scp)
    found: dict[str, str] = {}
    for key, text in table.items():
        path, offset = split_offset(text)
        if offset is None or path.startswith(REFUSED):
            try:
                path = parse_place(text).path
            except ValueError as error:
                raise SreError(f"{scp}: '{key} {text}' is {error}") from None
        if path not in found:
            found[path] = find(scp.parent, path)
        yield key, text if found[path] == path else found[path] + text[len(path) :]


def find(folder: Path, path: str) -> str:
    """Return a relative path as seen from the scp's folder, or from the working directory if only that has it."""
    beside = str(folder / path)
    return path if os.path.exists(path) and not os.path.exists(beside) else beside


def write_scp(scp: str | Path, places: Mapping[str, str]) -> None:
    """Write key -> place, sorted, each path relative to the scp's folder: what is moved together stays together."""
    folder = Path(scp).parent
    relative: dict[str, str] = {}
    lines: dict[str, str] = {}
    for key, text in places.items():
        path, offset = split_offset(text)
        if offset is None:
            path = parse_place(text).path
        if path not in relative:
            relative[path] = _relative(path, folder)
        lines[key] = relative[path] + text[len(path) :]
    write_table(scp, lines)


def place_in(ark: str | Path, scp: str | Path) -> str:
    """Return the path of an archive as an scp has it."""
    return _relative(str(ark), Path(scp).parent)


def _relative(path: str, folder: Path) -> str:
    below = os.path.relpath(path, folder)
    if not below.startswith(os.pardir):
        return below
    return os.path.relpath(os.path.realpath(path), os.path.realpath(folder))  # `..` leaves a linked folder elsewhere


def absolute(place: str) -> str:
    """Return a place with an absolute path: for archives that are not the project's, and stay where they are."""
    return place if os.path.isabs(place) else os.path.abspath(place)
