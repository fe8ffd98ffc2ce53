"""One record of a Kaldi archive, binary or text; what is of another kind is told by its first bytes, and never run."""

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from kaldiio.matio import read_matrix_or_vector

from sre import SreError
from sre.io.kaldi_plda import text_array
from sre.io.scp import BadRange, parse_place

MAX_KEY = 1024  # bytes
FLOATS = (b"FM ", b"DM ", b"CM ", b"CM2 ", b"CM3 ", b"FV ", b"DV ")
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


class OtherKind(ValueError):
    """The kind of a record that is not of floats."""


def open_archive(path: str) -> IO[bytes]:
    """Open an archive. Raises ValueError saying why it cannot be opened; a pipe cannot, since reading it would wait."""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise ValueError(f"{path} is {'a folder' if os.path.isdir(path) else 'no file'}")
        return open(path, "rb")
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}") from None


def read_object(file: IO[bytes]) -> np.ndarray:
    """Read the vector or matrix that begins here. Raises OtherKind, and of what is broken whatever kaldiio does."""
    at = file.tell()
    head = file.read(16)
    file.seek(at)
    if head.startswith(b"\0B") and head[2:].startswith(FLOATS):
        value = read_matrix_or_vector(file)  # never kaldiio.load_mat, which also unpickles and runs commands
        if value.ndim == 1:  # kaldiio gives what is there of a cut vector: compare with the promised size
            size = int.from_bytes(head[6:10], "little")
            if len(value) != size:
                raise ValueError(f"{len(value)} of {size} values are there")
        return value
    if head and any((b"\0B" + kind).startswith(head) for kind in FLOATS):
        raise ValueError(f"{len(head)} bytes of it are there")
    if kind := other_kind(head):
        raise OtherKind(kind)
    return _read_text(file)


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
    place = parse_place(location)
    where = f"{scp}: record '{key}' of {place.path}" if scp else f"{place.path}: record '{key}'"
    try:
        file = open_archive(place.path)
    except ValueError as error:
        raise SreError(f"{where} cannot be opened ({error}); mend the place, or make the archive again") from None
    try:
        with file:
            file.seek(place.offset)
            value = place.part_of(read_object(file))
    except OtherKind as error:
        raise SreError(f"{where} is {error}; {MEANT[kind or 'matrix']}") from None
    except BadRange as error:
        raise SreError(f"{where}: {error}") from None
    except Exception as error:  # kaldiio raises whatever numpy, struct or its assertions raise on a broken record
        raise SreError(
            f"{where} cannot be read ({_reason(error)}); the archive is cut short or corrupt: make it again"
        ) from None
    if kind == "vector":
        value = as_vector(value)
    if kind and value.ndim != SHAPES[kind]:
        what = f"a vector of {len(value)} values" if value.ndim == 1 else f"a matrix of {value.shape}"
        raise SreError(f"{where} is {what}; {MEANT[kind]}")
    value = as_float32(value)  # a copy: kaldiio's is read-only, of which torch warns
    if not np.isfinite(value).all():
        raise SreError(f"{where} has NaN or infinite values; make it again, or take '{key}' out")
    return value


def check_usable(scp: str | Path, unusable: Sequence[SreError], total: int) -> None:
    """Raise the one error, or one sentence for several of `total` records."""
    if len(unusable) == 1:
        raise unusable[0]
    if unusable:
        raise SreError(f"{scp}: {len(unusable)} of {total} records cannot be used; the first: {unusable[0]}")


def as_float32(value: np.ndarray) -> np.ndarray:
    """Return the values in float32; what is too large for it becomes infinite."""
    with np.errstate(over="ignore", invalid="ignore"):  # what is too large is infinite then, and is refused
        return np.array(value, np.float32)


def _reason(error: Exception) -> str:
    return str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
