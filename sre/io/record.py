"""One record of a Kaldi archive, binary or text; what is of another kind is told by its first bytes, and never run."""

import os
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO

import numpy as np

from sre import SreError
from sre.io.kaldi_matrix import HEAD_BYTES, all_finite, parse_header, read_rows_at
from sre.io.kaldi_plda import text_array
from sre.io.scp import BadRange, Place, bounds, parse_place

MAX_KEY = 1024  # bytes
OTHER = {
    b"\0B\4": "of integers (as alignments are)",
    b"\0BSM ": "a sparse matrix",
    b"\0B<": "a Kaldi model",
    b"\0B": "of an unknown binary kind",
    b"RIFF": "audio",
    b"RF64": "audio",
    b"fLaC": "audio",
    b"OggS": "audio",
    b"AUDIO": "audio",
    b"NPY": "an array as kaldiio alone writes it",
    b"PKL": "a pickle, which could run code when it is read",
    b"\x93NUMPY": "an array of numpy",
    b"PK\3\4": "a zip file (as npz and PyTorch's are)",
    b"\x1f\x8b": "a gzip file",
}
SHAPES = {"matrix": 2, "vector": 1}
MEANT = {
    "matrix": "features are matrices of (frames, columns); give the scp of features",
    "vector": "a vector is needed here; give the scp of embeddings, or of a VAD",
}


@dataclass(frozen=True)
class Part:
    """The rows of a record that are wanted; `total` is how many it must have, None: as many as it has."""

    first: int
    count: int
    total: int | None = None


class OtherKind(ValueError):
    """The kind of a record that is not of floats."""


def open_archive(path: str) -> BufferedReader:
    """Open an archive. Raises ValueError saying why it cannot be opened; a pipe cannot, since reading it would wait."""
    return os.fdopen(_open(path), "rb")


def _open(path: str) -> int:
    """Return a descriptor as `open_archive` opens it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None
    os.close(descriptor)
    raise ValueError(f"{path} is {'a folder' if os.path.isdir(path) else 'no file'}")


def read_object(file: IO[bytes]) -> np.ndarray:
    """Read the vector or matrix that begins here; the file then stands behind it.

    Raises OtherKind, and ValueError saying what is broken.
    """
    at = file.tell()
    head = file.read(HEAD_BYTES)
    if header := parse_header(head):
        value = read_rows_at(file.fileno(), at, header, 0, header.rows)
        file.seek(at + header.size + header.total)
        return value
    file.seek(at)
    if kind := other_kind(head):
        raise OtherKind(kind)
    return _read_text(file)


def _read_part(descriptor: int, place: Place, part: Part | None) -> np.ndarray:
    """Read what is meant of a record, or a part of that. Raises what `read_object` does, and BadRange."""
    header = parse_header(os.pread(descriptor, HEAD_BYTES, place.offset))
    if header is None:
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            file.seek(place.offset)
            value = place.part_of(read_object(file))
        first, end = _within(part, 0, len(value))
        return value[first:end]
    first, end = _within(part, *bounds(place.rows, header.rows, 0))
    value = read_rows_at(descriptor, place.offset, header, first, end - first)
    return value if place.columns is None else Place(place.path, columns=place.columns).part_of(value)


def _within(part: Part | None, begin: int, end: int) -> tuple[int, int]:
    """Return first and end of a part of the rows from `begin` to `end`. Raises BadRange if they do not hold it."""
    if part is None:
        return begin, end
    size = end - begin
    if part.total is not None and size != part.total:
        raise BadRange(f"it has {size} rows and not {part.total}; make it again")
    if part.first < 0 or part.count < 0 or part.first + part.count > size:
        raise BadRange(f"rows {part.first} to {part.first + part.count} are wanted of {size}; make it again")
    return begin + part.first, begin + part.first + part.count


def other_kind(head: bytes) -> str | None:
    """Return the kind of a record that begins so; None if it is of floats or text."""
    return next((kind for begin, kind in OTHER.items() if head.startswith(begin)), None)


def _read_text(file: IO[bytes]) -> np.ndarray:
    """Read text: `[ 1 2 ]` is a vector; a matrix has its rows on lines of their own, after one of the bracket alone."""
    lines = [file.readline(MAX_KEY)]
    first = lines[0].strip()
    if not first.startswith(b"["):
        raise OtherKind(_other_text(first)) if first else ValueError("nothing stands there")
    while b"]" not in lines[-1]:
        lines.append(file.readline())
        if not lines[-1]:
            raise ValueError("its ] is missing")
    if not lines[-1].endswith(b"\n"):
        file.readline()  # of a line longer than MAX_KEY
    rows, _ = text_array(b"".join(lines), 0)
    return rows if first == b"[" else rows[0]


def _other_text(line: bytes) -> str:
    words = line.split()
    if b"\0B" in line or words[1:2] == [b"["]:
        return "an archive of several; write `key path:offset`"
    if all(re.fullmatch(rb"-?[\d.]+", word) for word in words):
        return "text without brackets (as alignments are)"
    return "no vector or matrix of Kaldi's"


def as_vector(value: np.ndarray) -> np.ndarray:
    """Return (D,) of a vector, or of a matrix of one row; others as they are."""
    return value[0] if value.ndim == 2 and len(value) == 1 else value


def read_record(key: str, location: str, kind: str | None = None, scp: str | Path | None = None) -> np.ndarray:
    """Read one record, float32: a "matrix", a "vector" (or a matrix of one row), or with None either.

    Raises SreError naming scp, key and archive where it is missing, cut, corrupt, of another kind or not finite.
    """
    return _read(key, location, kind, scp, None)


def read_rows(
    key: str, location: str, start: int, count: int, scp: str | Path | None = None, total: int | None = None
) -> np.ndarray:
    """Read rows `start` to `start + count` of a matrix, (count, F) float32, and nothing else of a binary one.

    Of a place with a range they are rows of that range. Raises SreError as `read_record` does, for rows that the matrix
    does not have, and if it has not `total` rows. What is not finite is seen in the rows that are read.
    """
    return _read(key, location, "matrix", scp, Part(start, count, total))


def count_rows(key: str, location: str, scp: str | Path | None = None) -> int:
    """Return how many rows a matrix has; of a binary one only the header is read. Raises SreError as `read_record`."""
    place = parse_place(location)
    try:
        with open_archive(place.path) as file:
            header = parse_header(os.pread(file.fileno(), HEAD_BYTES, place.offset))
            if header and header.columns is not None and place.columns is None:
                first, end = bounds(place.rows, header.rows, 0)
                read_rows_at(file.fileno(), place.offset, header, first, 0)
                return end - first
    except ValueError:  # said below
        pass
    return len(_read(key, location, "matrix", scp, None))


def _read(key: str, location: str, kind: str | None, scp: str | Path | None, part: Part | None) -> np.ndarray:
    place = parse_place(location)
    where = f"{scp}: record '{key}' of {place.path}" if scp else f"{place.path}: record '{key}'"
    try:
        descriptor = _open(place.path)
    except ValueError as error:
        raise SreError(f"{where} cannot be opened ({error}); mend the place, or make the archive again") from None
    try:
        value = _read_part(descriptor, place, part)
    except OtherKind as error:
        raise SreError(f"{where} is {error}; {MEANT[kind or 'matrix']}") from None
    except BadRange as error:
        raise SreError(f"{where}: {error}") from None
    except (ValueError, OSError, MemoryError, OverflowError) as error:
        raise SreError(
            f"{where} cannot be read ({_reason(error)}); the archive is cut short or corrupt: make it again"
        ) from None
    finally:
        os.close(descriptor)
    if kind == "vector":
        value = as_vector(value)
    if kind and value.ndim != SHAPES[kind]:
        what = f"a vector of {len(value)} values" if value.ndim == 1 else f"a matrix of {value.shape}"
        raise SreError(f"{where} is {what}; {MEANT[kind]}")
    value = as_float32(value)
    if not all_finite(value):
        raise SreError(f"{where} has NaN or infinite values; make it again, or take '{key}' out")
    return value


def check_usable(scp: str | Path, unusable: Sequence[SreError], total: int) -> None:
    """Raise the one error, or one sentence for several of `total` records."""
    if len(unusable) == 1:
        raise unusable[0]
    if unusable:
        raise SreError(f"{scp}: {len(unusable)} of {total} records cannot be used; the first: {unusable[0]}")


def as_float32(value: np.ndarray) -> np.ndarray:
    """Return the values in float32, themselves if they are; what is too large for it becomes infinite."""
    if isinstance(value, np.ndarray) and value.dtype == np.float32:
        return value
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large is infinite then, and is refused
        return np.array(value, np.float32)


def _reason(error: Exception) -> str:
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
