"""Tables of many lines read into arrays (names.py) by pyarrow, at some 0.2 µs a line.

What is not in the one form that programs write, `key value` in visible ASCII with one blank between, goes through the
readers of tables.py and scp.py line by line, which say what is wrong with it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from sre import SreError
from sre.io.name_tables import Counts, Labels, Places
from sre.io.names import Names
from sre.io.scp import REFUSED, find, read_scp, split_offset
from sre.io.tables import read_table, read_utt2spk
from sre.io.text_tables import whole_lines

READ_BYTES = 1 << 22  # of a table at a time
VISIBLE = bytes(range(ord(" "), 127)) + b"\n"
FORM = csv.ParseOptions(delimiter=" ", quote_char=False, ignore_empty_lines=False)
FIELDS = csv.ConvertOptions(column_types={"key": pa.string(), "value": pa.string()}, strings_can_be_null=False)
Take = Callable[[pa.StringArray], bool]  # takes the values of some lines; false: they are of another form


def read_places(scp: str | Path) -> Mapping[str, str]:
    """Read an scp as `read_scp` does; into arrays where all its places are `path:offset`."""
    scp = Path(scp)
    codes, offsets = _Codes(), _Numbers(18)

    def take(values: pa.StringArray) -> bool:
        pairs = pc.split_pattern(values, ":", max_splits=1, reverse=True)
        if not pc.all(pc.equal(pc.list_value_length(pairs), 2)).as_py():
            return False
        parts = pairs.flatten()
        codes.take(parts[::2])
        return offsets.take(parts[1::2])

    names = _read(scp, take)
    paths = list(codes.places)
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
    return Labels(names, list(codes.places), codes.array())


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
        self.places: dict[str, int] = {}
        self.parts: list[np.ndarray] = [np.empty(0, np.int32)]

    def take(self, values: pa.StringArray) -> bool:
        """Take the values of some lines."""
        places, found = self.places, values.dictionary_encode()
        codes = [places.setdefault(value, len(places)) for value in found.dictionary.to_pylist()]
        self.parts.append(np.array(codes, np.int32)[found.indices.to_numpy()])
        return True

    def array(self) -> np.ndarray:
        """Return (N,) int32 places among the values."""
        return np.concatenate(self.parts)


class _Numbers:
    """Whole numbers of at most so many digits."""

    def __init__(self, digits: int) -> None:
        self.digits = digits
        self.parts: list[np.ndarray] = [np.empty(0, np.int64)]

    def take(self, values: pa.StringArray) -> bool:
        """Take the values of some lines; false if one is no such number, or has a sign or a zero before it."""
        if pc.max(pc.binary_length(values)).as_py() > self.digits:
            return False
        numbers = pc.cast(values, pa.int64())  # raises ArrowInvalid, a ValueError
        self.parts.append(numbers.to_numpy())
        return pc.min(numbers).as_py() >= 0 and pc.all(pc.equal(pc.cast(numbers, pa.string()), values)).as_py()

    def array(self, dtype: type) -> np.ndarray:
        """Return (N,) numbers."""
        return np.concatenate(self.parts).astype(dtype)


def _read(path: Path, take: Take) -> Names | None:
    """Read a table's names, and give its values to `take`; None where it must be read line by line."""
    keys: list[bytes] = []
    last, ascending = "", True
    if not path.is_file():  # a pipe can be read only once
        return None
    try:
        for lines in whole_lines(path, READ_BYTES):
            if lines.translate(None, VISIBLE):
                return None
            whole = csv.ReadOptions(column_names=list(FIELDS.column_types), block_size=len(lines) + 1)
            table = csv.read_csv(pa.BufferReader(lines), whole, FORM, FIELDS).combine_chunks()
            found, values = (column.chunk(0) for column in table.columns)
            if pc.min(pc.binary_length(found)).as_py() == 0 or pc.min(pc.binary_length(values)).as_py() == 0:
                return None
            if not take(values):
                return None
            ascending = ascending and last < found[0].as_py() and pc.all(pc.less(found[:-1], found[1:])).as_py()
            last = found[-1].as_py()
            keys.append(_joined(found))
    except (OSError, ValueError):  # said by who reads it line by line
        return None
    names = Names(b"".join(keys))
    pa.default_memory_pool().release_unused()
    return None if not ascending and names.twice() else names


def _joined(keys: pa.StringArray) -> bytes:
    """Return the keys, with a line end after each."""
    ended = pc.binary_join_element_wise(keys, "", "\n")
    return ended.buffers()[2].to_pybytes()[: pc.sum(pc.binary_length(ended)).as_py()]
