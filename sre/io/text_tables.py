"""Tables of any values read into arrays (Texts), at some 0.1 µs a line.

What is not in the one form that programs write, `key value` with one blank between, keys of visible ASCII, a line end
after each line and no key twice, goes through the readers of tables.py and scp.py, which say what is wrong with it.
"""

from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from sre.io.name_tables import NameTable, Texts
from sre.io.names import Lines, Names
from sre.io.scp import resolved
from sre.io.tables import read_table, read_utt2spk

READ_BYTES = 1 << 22  # of a table at a time
END, BLANK = b"\n "
VISIBLE = bytes(range(ord("!"), 127)) + b"\n"


def read_texts(path: str | Path) -> Mapping[str, str]:
    """Read a table as `read_table` does; into arrays where it has the one form."""
    table = read_tidy(path)
    return read_table(path) if table is None else table


def read_speakers(path: str | Path) -> Mapping[str, str]:
    """Read utterance -> its speaker as `read_utt2spk` does, into arrays where it has the one form."""
    table = read_tidy(path)
    if table is None or table.texts.data.translate(None, VISIBLE):
        return read_utt2spk(path)
    return table


def read_scp_texts(path: str | Path) -> Mapping[str, str]:
    """Read key -> place as `read_scp` does, into arrays where it has the one form."""
    table = read_texts(path)
    return _same_kind(table, resolved(path, table))


def changed(table: Mapping[str, str], change: Callable[[str], str]) -> Mapping[str, str]:
    """Return a table with changed values, in arrays if it is in arrays."""
    return _same_kind(table, ((key, change(value)) for key, value in table.items()))


def _same_kind(table: Mapping[str, str], rows: Iterator[tuple[str, str]]) -> Mapping[str, str]:
    """Return the rows, which have the names of a table in their order, in arrays if that is in arrays."""
    if not isinstance(table, NameTable):
        return dict(rows)
    return Texts(table.names, Lines.of(value for _, value in rows))


def as_texts(table: Mapping[str, str]) -> Texts:
    """Return a table in arrays."""
    return table if isinstance(table, Texts) else Texts.of(table.items())


def is_visible(table: Texts) -> bool:
    """Return whether all characters of the values of a table that `read_tidy` gave are visible ASCII or blanks."""
    return not table.texts.data.translate(None, VISIBLE + b" ")


def read_tidy(path: str | Path) -> Texts | None:
    """Read a table into arrays; None where it is not in the one form, or cannot be read."""
    path = Path(path)
    if not path.is_file():  # a pipe can be read only once
        return None
    keys, values = bytearray(), bytearray()
    try:
        for lines in whole_lines(path, READ_BYTES):
            parts = _parted(lines)
            if parts is None:
                return None
            keys += parts[0]
            values += parts[1]
    except (OSError, ValueError):  # said by who reads it line by line
        return None
    names = Names(bytes(keys))
    if not len(names) or not names.ascend() and names.twice():
        return None
    return Texts(names, Lines(bytes(values)))


def _parted(lines: bytes) -> tuple[bytes, bytes] | None:
    """Return the keys of some lines and their values, each with a line end; None for lines of another form."""
    if any(char in lines for char in b"\t\r\0") or lines.startswith(BOM_UTF8):
        return None
    array = np.frombuffer(lines, np.uint8).copy()
    ends, blanks = np.flatnonzero(array == END), np.flatnonzero(array == BLANK)
    starts = np.concatenate([[0], ends[:-1] + 1])
    at = np.searchsorted(blanks, starts)
    if at[-1] == len(blanks):
        return None
    first = blanks[at]
    if (first >= ends).any() or (first == starts).any() or (array[first + 1] == BLANK).any():
        return None
    if (array[ends - 1] == BLANK).any():
        return None
    edges = np.zeros(len(array) + 1, np.int8)
    edges[starts] = 1
    edges[first + 1] -= 1
    in_key = np.cumsum(edges[:-1], dtype=np.int8).view(bool)
    array[first] = END
    keys, values = array[in_key].tobytes(), array[~in_key].tobytes()
    values.decode()  # a UnicodeDecodeError is a ValueError
    return None if keys.translate(None, VISIBLE) else (keys, values)


def whole_lines(path: Path, size: int) -> Iterator[bytes]:
    """Yield whole lines of a file, of about `size` bytes at a time. Raises ValueError if the last has no end."""
    with open(path, "rb") as file:
        left = b""
        while piece := file.read(size):
            end = piece.rfind(b"\n") + 1
            if end:
                yield left + piece[:end]
                left = piece[end:]
            else:
                left += piece
        if left:
            raise ValueError("the last line has no end")
