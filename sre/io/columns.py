"""Files of two to four columns and many lines, read and written by Arrow: no Python object a line.

Fields are parted by blanks and tabs, as `sre.io.text` has it. A file with single blanks is read as it stands, another
after its blanks were made single.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from pyarrow import csv

from sre import SreError
from sre.io.ids import check_ids, shown, unseen
from sre.io.tables import remark_cut
from sre.io.text import fields, lines_of, read_bytes, read_text

READ_BYTES = 4 << 20  # at a time, by each thread
PEEK_BYTES = 1 << 16  # in which the first line is looked for
STRINGS = pa.dictionary(pa.int32(), pa.string())
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass
class Column:
    """Distinct strings in any order, and (N,) int32 places in them."""

    strings: list[str]
    codes: np.ndarray

    def sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Return sorted unique strings, and (N,) int32 places in them; code points order as UTF-8's bytes do."""
        order = sorted(range(len(self.strings)), key=self.strings.__getitem__)
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        return np.array([self.strings[place] for place in order], dtype=object), rank[self.codes]


Columns = tuple[list[Column], np.ndarray]  # columns of strings, and (N,) float64 numbers


def read_columns(path: Path, names: list[str], least: int = 3) -> Columns:
    """Read a Column for each name but `score`, and the numbers of that. Empty lines are none.

    least : columns that there must be; the first line says how many of the further ones there are
    Raises SreError naming the first line that does not fit, or has characters that cannot be seen.
    """
    begin, last = _ends(path)
    names = names[: max(least, len(next(filter(None, map(fields, lines_of(begin))), [])))]
    columns = _parse(path, names)
    if columns is None:
        text = read_text(path)
        columns = _parse(pa.BufferReader(_single_blanks(text).encode()), names)
        if columns is None:
            raise fault(path, names)
        last = text[-1:]
    if any(unseen(name) for column in columns[0] for name in column.strings):
        raise fault(path, names)
    if last not in "\r\n":
        remark_cut(path, False, " ".join(fields(lines_of(read_text(path))[-1])))
    return columns


def _ends(path: Path) -> tuple[str, str]:
    """Return the file's first lines, and its last character. Raises SreError if it cannot be read."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise SreError(f"{path}: is a pipe or a device, which is read twice; give a file")
    if not path.is_file():
        read_bytes(path, "no such file; check the path")
    with open(path, "rb") as file:
        begin = file.read(PEEK_BYTES)
        file.seek(-min(1, len(begin)), 2)
        last = file.read().decode(errors="replace")
    begin = begin.removeprefix(BOM_UTF8).replace(b"\r", b"\n")
    return begin.decode(errors="replace"), last


def _parse(source: Path | pa.NativeFile, names: list[str]) -> Columns | None:
    """Read the columns; None where not all lines are these fields with single blanks between them."""
    types = {name: pa.float64() if name == "score" else STRINGS for name in names}
    try:
        table = csv.read_csv(
            source,
            csv.ReadOptions(column_names=names, block_size=READ_BYTES),
            csv.ParseOptions(delimiter=" ", quote_char=False, double_quote=False),
            csv.ConvertOptions(column_types=types, null_values=[]),
        ).unify_dictionaries()
    except pa.ArrowException:
        return None
    if not len(table):
        return None
    columns: list[Column] = []
    numbers = np.empty(0)
    for column in table.columns:  # np.from_dlpack, since Arrow's to_numpy imports pandas
        if column.type != STRINGS:
            numbers = np.concatenate([np.from_dlpack(chunk) for chunk in column.chunks])
            continue
        strings = column.chunk(0).dictionary.to_pylist()
        if not all(strings) or "\t" in "".join(strings):
            return None
        columns.append(Column(strings, np.concatenate([np.from_dlpack(chunk.indices) for chunk in column.chunks])))
    return columns, numbers


def _single_blanks(text: str) -> str:
    return re.sub("(?m)^ | $", "", re.sub("[ \t]+", " ", text))


def fault(path: Path, names: list[str]) -> SreError:
    """Return the error that says what is wrong with a list that could not be read."""
    rows = 0
    for number, line in enumerate(lines_of(read_text(path)), 1):
        found, where = fields(line), f"{path}:{number}"
        rows += bool(found)
        if found and len(found) != len(names):
            return SreError(f"{where}: {len(found)} columns found; each line needs {' '.join(names)}")
        try:
            check_ids(where, found)
        except SreError as error:
            return error
        if found and "score" in names and not (NUMBER.fullmatch(found[2]) and isfinite(float(found[2]))):
            swapped = (
                "this is a trial list, give the scores" if found[2] in ("target", "nontarget") else "score it again"
            )
            return SreError(f"{where}: score '{shown(found[2])}' is not a finite number; {swapped}")
    return SreError(f"{path}: {rows} lines, which cannot be read; each line needs {' '.join(names)}")


def line_of(path: Path, row: int) -> int:
    """Return the number of the line that a row, counted from 0, stands in."""
    filled = (number for number, line in enumerate(lines_of(read_text(path)), 1) if fields(line))
    return next(number for at, number in enumerate(filled) if at == row)


def arrow_codes(codes: np.ndarray, strings: pa.Array) -> pa.DictionaryArray:
    """Return a column of strings for Arrow, each a row of `strings`, without a copy."""
    return pa.DictionaryArray.from_buffers(STRINGS, len(codes), [None, pa.py_buffer(codes)], strings)


def arrow_numbers(values: np.ndarray) -> pa.Array:
    """Return an array's values for Arrow without a copy, and without pandas, which pa.array imports."""
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def arrow_strings(names: Sequence[str] | np.ndarray) -> pa.Array:
    """Return strings for Arrow."""
    encoded = [name.encode() for name in names]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(names), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def write_lines(batch: pa.RecordBatch, file: IO[bytes], quotes: bool) -> None:
    """Write columns with single blanks between them; `quotes`: whether a string has quotation marks."""
    if quotes:  # Arrow refuses them where it may not quote
        columns = (column.cast(pa.string()).to_pylist() for column in batch.columns)
        file.write("".join(f"{' '.join(row)}\n" for row in zip(*columns, strict=True)).encode())
    else:
        csv.write_csv(batch, file, csv.WriteOptions(include_header=False, delimiter=" ", quoting_style="none"))
