"""Tables of many lines read into arrays (names.py), at some 0.5 µs a line.

What is not in the one form that programs write, `key value` in visible ASCII with one blank between, goes through the
readers of tables.py and scp.py line by line, which say what is wrong with it.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import repeat
from operator import contains, lt
from pathlib import Path

import numpy as np

from sre import SreError
from sre.io.name_tables import Counts, Labels, Places
from sre.io.names import Names
from sre.io.scp import REFUSED, find, read_scp, split_offset
from sre.io.tables import read_table, read_utt2spk

READ_BYTES = 1 << 22  # of a table at a time: its fields are Python objects meanwhile
VISIBLE = bytes(range(ord(" "), 127)) + b"\n"
Take = Callable[[list[bytes]], bool]  # takes the values of some lines; false: they are of another form


def read_places(scp: str | Path) -> Mapping[str, str]:
    """Read an scp as `read_scp` does; into arrays where all its places are `path:offset`."""
    scp = Path(scp)
    codes, offsets = _Codes(), _Numbers(18)

    def take(values: list[bytes]) -> bool:
        pairs = b"\n".join(values).replace(b":", b"\n").split(b"\n")
        if len(pairs) == 2 * len(values) and all(map(contains, values, repeat(b":"))):
            paths, numbers = pairs[::2], pairs[1::2]
        else:  # more than one colon in some, or none
            parts = [value.rpartition(b":") for value in values]
            paths, numbers = [part[0] for part in parts], [part[2] for part in parts]
        codes.take(paths)
        return offsets.take(numbers)

    names = _read(scp, take)
    paths = [path.decode() for path in codes.places]
    if names is None or any(not path or path.startswith(REFUSED) for path in paths):
        return _places_of(read_scp(scp))
    return Places(names, [find(scp.parent, path) for path in paths], codes.array(), offsets.array(np.int64))


def _places_of(table: dict[str, str]) -> Mapping[str, str]:
    """Return a table in arrays; itself if a place of it is another than `path:offset`."""
    pairs = [split_offset(place) for place in table.values()]
    offsets = [offset for _, offset in pairs if offset is not None]
    if len(offsets) < len(table) or any(str(offset) != place.rpartition(":")[2]
                                        for offset, place in zip(offsets, table.values(), strict=True)):  # fmt: skip
        return table
    paths: dict[str, int] = {}
    codes = np.fromiter((paths.setdefault(path, len(paths)) for path, _ in pairs), np.int32, len(table))
    return Places(Names.of(table), list(paths), codes, np.array(offsets, np.int64))


def read_labels(path: str | Path) -> Labels:
    """Read utterance -> its speaker as `read_utt2spk` does, into arrays."""
    codes = _Codes()
    names = _read(Path(path), codes.take)
    if names is None:
        return Labels.of(read_utt2spk(path))
    return Labels(names, [label.decode() for label in codes.places], codes.array())


def read_counts(path: str | Path) -> Counts:
    """Read utterance -> frames, into arrays. Raises SreError for what is no number of frames."""
    counts = _Numbers(9)
    names = _read(Path(path), counts.take)
    if names is not None:
        return Counts(names, counts.array(np.int32))
    table = read_table(path)
    for utt, count in table.items():
        if not (count.isascii() and count.isdigit() and len(count) < 10):
            raise SreError(f"{path}: '{utt} {count}' is not `utterance frames`; make the features again")
    return Counts.of({utt: int(count) for utt, count in table.items()})


class _Codes:
    """Few values as numbers, in the order in which they came."""

    def __init__(self) -> None:
        self.places: dict[bytes, int] = {}
        self.parts: list[np.ndarray] = [np.empty(0, np.int32)]

    def take(self, values: list[bytes]) -> bool:
        """Take the values of some lines."""
        places = self.places
        found = [places.setdefault(value, len(places)) for value in values]
        self.parts.append(np.array(found, np.int32))
        return True

    def array(self) -> np.ndarray:
        """Return (N,) int32 places among the values."""
        return np.concatenate(self.parts)


class _Numbers:
    """Whole numbers of at most so many digits."""

    def __init__(self, digits: int) -> None:
        self.digits = digits
        self.parts: list[np.ndarray] = [np.empty(0, np.int64)]

    def take(self, values: list[bytes]) -> bool:
        """Take the values of some lines; false if one is no such number, or has a zero before it."""
        joined = b" ".join(values)
        if not joined.replace(b" ", b"").isdigit() or max(map(len, values)) > self.digits or b" 0" in b" " + joined:
            if not all(value.isdigit() and str(int(value)).encode() == value for value in values):
                return False
            if max(map(len, values)) > self.digits:
                return False
        self.parts.append(np.fromstring(joined, np.int64, sep=" "))
        return True

    def array(self, dtype: type) -> np.ndarray:
        """Return (N,) numbers."""
        return np.concatenate(self.parts).astype(dtype)


def _read(path: Path, take: Take) -> Names | None:
    """Read a table's names, and give its values to `take`; None where it must be read line by line."""
    keys: list[bytes] = []
    last, ascending = b"", True
    if not path.is_file():  # a pipe can be read only once
        return None
    try:
        for lines in _pieces(path):
            if lines.translate(None, VISIBLE):
                return None
            found = lines.replace(b" ", b"\n").split(b"\n")
            separators = np.frombuffer(lines, np.uint8)
            separators = separators[separators <= ord(" ")]
            if (separators[::2] != ord(" ")).any() or (separators[1::2] != ord("\n")).any() or len(separators) % 2:
                return None
            found.pop()
            values = found[1::2]
            if b"" in found or not take(values):
                return None
            of_lines = found[::2]
            ascending = ascending and all(map(lt, [last, *of_lines], of_lines))
            last = of_lines[-1]
            keys.append(b"\n".join([*of_lines, b""]))
    except (OSError, ValueError):  # said by who reads it line by line
        return None
    names = Names(b"".join(keys))
    return None if not ascending and names.twice() else names


def _pieces(path: Path) -> Iterator[bytes]:
    """Yield whole lines of a file. Raises ValueError if the last has no end."""
    with open(path, "rb") as file:
        left = b""
        while piece := file.read(READ_BYTES):
            end = piece.rfind(b"\n") + 1
            if end:
                yield left + piece[:end]
                left = piece[end:]
            else:
                left += piece
        if left:
            raise ValueError("the last line has no end")
