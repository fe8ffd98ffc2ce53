"""Kaldi archives through kaldiio, with what a long pipeline needs on top: checks, atomic writing, named errors."""

import os
import struct
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import IO

import numpy as np
from kaldiio.matio import read_matrix_or_vector, write_array

from sre import SreError
from sre.io.atomic import atomic_output
from sre.io.tables import read_table

READ_BYTES = 1 << 20  # of an archive of vectors at a time; more is slower, as fresh pages are
MAX_KEY = 1024  # bytes
VECTOR_HEADER = struct.Struct("<6sI")  # kind, size of the size, and it, after the blank behind the key
VECTOR_KINDS = {b"\0BFV \4": np.dtype("<f4"), b"\0BDV \4": np.dtype("<f8")}


def write_ark(ark: str | Path, scp: str | Path, records: Iterable[tuple[str, np.ndarray]], compression: int = 0) -> int:
    """Write records to `ark`, then their `key path:offset` lines to `scp`; return how many.

    Records are float32, finite, of unique keys without white space; compression is Kaldi's method (0 none, 2, 3 …).
    The scp comes last, so that it never points at nothing; its paths are as `ark` was given.
    """
    lines: dict[str, str] = {}
    with atomic_output(ark, "wb") as file:
        for key, value in records:
            if key in lines or not key or key.split() != [key]:
                raise SreError(f"{ark}: record key '{key}' is empty, has white space or stands twice; rename it")
            if not np.isfinite(value).all():
                raise SreError(f"{ark}: record '{key}' has NaN or infinite values; look at its audio")
            file.write(key.encode() + b" ")
            lines[key] = f"{ark}:{file.tell()}"
            method = compression if compression and np.ndim(value) == 2 else None
            write_array(file, np.ascontiguousarray(value, np.float32), compression_method=method)
    with atomic_output(scp) as file:
        file.writelines(f"{key} {place}\n" for key, place in sorted(lines.items()))
    return len(lines)


def read_scp(scp: str | Path) -> dict[str, str]:
    """Key -> `path:offset`. Paths are tried as written, then relative to the scp's folder."""
    scp = Path(scp)
    table = read_table(scp)
    place: dict[str, str] = {}
    for key, location in table.items():
        ark, colon, offset = location.rpartition(":")
        if not colon or not offset.isdigit():
            raise SreError(f"{scp}: '{key} {location}' is not `key path:offset`; make the archive again")
        if ark not in place:
            beside = scp.parent / ark
            place[ark] = ark if Path(ark).exists() or not beside.exists() else str(beside)
        if place[ark] != ark:
            table[key] = f"{place[ark]}:{offset}"
    return table


def read_record(key: str, location: str) -> np.ndarray:
    """One matrix or vector, float32. Raises SreError naming file and key where it is missing, cut or corrupt."""
    ark, _, offset = location.rpartition(":")
    try:
        with open(ark, "rb") as file:
            file.seek(int(offset))
            value = read_matrix_or_vector(file)  # never kaldiio.load_mat, which also unpickles and runs commands
            if value.ndim == 1:  # kaldiio gives what is there of a cut vector: compare with the promised size
                file.seek(int(offset) + len(b"\0BFV \4"))
                (size,) = struct.unpack("<i", file.read(4))
                if len(value) != size:
                    raise ValueError(f"{len(value)} of {size} values are there")
    except Exception as error:  # kaldiio raises whatever numpy, struct or its assertions raise on a broken record
        raise SreError(
            f"{ark}: record '{key}' cannot be read ({type(error).__name__}: {error});"
            " the archive is missing, cut short or corrupt: make it again"
        ) from None
    if not np.issubdtype(value.dtype, np.floating) or not np.isfinite(value).all():
        raise SreError(f"{ark}: record '{key}' has NaN, infinite or integer values; make the archive again")
    return value.astype(np.float32)  # a copy: kaldiio's is read-only, of which torch warns


def read_vectors(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """All vectors of an scp or a binary ark: (N,) keys in bytewise order and (N, D) float32.

    Reads each archive once, in pieces; of other kinds only text is read: kaldiio.load_ark would unpickle.
    Raises SreError for a cut record, unequal dimensions, NaN (naming the key) or a key that stands twice.
    """
    path = Path(path)
    keys, matrix = (_read_scp_vectors if path.suffix == ".scp" else _read_vector_ark)(path)
    if not keys:
        raise SreError(f"{path}: no vectors in it; extract the embeddings again")
    names = np.array(keys, dtype=object)
    if not (names[1:] > names[:-1]).all():
        order = sorted(range(len(keys)), key=keys.__getitem__)
        names, matrix = names[order], matrix[order]
    for start in range(0, len(matrix), 1 << 14):
        bad = ~np.isfinite(matrix[start : start + (1 << 14)]).all(axis=1)
        if bad.any():
            key = names[start + int(np.argmax(bad))]
            raise SreError(f"{path}: embedding '{key}' has NaN or infinite values; extract it again")
    return names, matrix


def _read_scp_vectors(scp: Path) -> tuple[list[str], np.ndarray]:
    of_ark: dict[str, list[str]] = {}
    for key, place in read_scp(scp).items():
        of_ark.setdefault(place.rpartition(":")[0], []).append(key)
    keys, parts = [], []
    for ark, wanted in of_ark.items():
        there, matrix = _read_vector_ark(Path(ark))
        if wanted != there:
            row = {key: number for number, key in enumerate(there)}
            missing = [key for key in wanted if key not in row]
            if missing:
                raise SreError(f"{scp}: record '{missing[0]}' is not in its archive; extract the embeddings again")
            matrix = matrix[[row[key] for key in wanted]]
        keys += wanted
        parts.append(matrix)
    if len({part.shape[1] for part in parts}) > 1:
        raise _unequal(scp)
    return keys, parts[0] if len(parts) == 1 else np.concatenate(parts or [np.empty((0, 0), np.float32)])


def _unequal(path: Path) -> SreError:
    return SreError(f"{path}: vectors of unequal dimensions; these are embeddings of several models")


def _read_vector_ark(path: Path) -> tuple[list[str], np.ndarray]:
    """Keys and (N, D) float32, in the order of the archive."""
    try:
        with open(path, "rb") as file:
            begin = file.read(MAX_KEY)
            file.seek(0)
            text = begin[begin.find(b" ") + 1 :].lstrip(b" ").startswith(b"[")
            keys, matrix = (_read_vector_lines if text else _read_vector_records)(path, file)
    except FileNotFoundError:
        raise SreError(f"{path}: no such file; extract the embeddings again") from None
    if len(set(keys)) < len(keys):
        key = next(key for key, count in Counter(keys).items() if count > 1)
        raise SreError(f"{path}: embedding '{key}' stands twice; extract the embeddings again")
    return keys, matrix


def _read_vector_records(path: Path, file: IO[bytes]) -> tuple[list[str], np.ndarray]:
    """Into rows that are there beforehand; what a record takes besides is a few calls."""
    keys: list[str] = []
    matrix, rows, header, length = np.empty((0, 0), np.float32), None, None, 0
    data, at, key = b"", 0, "(first)"
    try:
        while True:
            if len(data) - at < MAX_KEY + VECTOR_HEADER.size + length:
                data, at = data[at:] + file.read(READ_BYTES + length), 0
                if not data:
                    break
            blank = data.find(b" ", at, at + MAX_KEY)
            if blank < 0:
                raise ValueError("what follows it is not a key")
            key = data[at:blank].decode().strip()
            found = VECTOR_HEADER.unpack_from(data, blank + 1)
            if found != header:  # the first, or of the other precision
                header = kind, size = found
                if kind not in VECTOR_KINDS:
                    raise ValueError("not a vector of floats")
                if rows is None:
                    matrix = _room(file, size)
                    rows = memoryview(matrix).cast("B")
                elif size != matrix.shape[1]:
                    raise _unequal(path)
                length = size * VECTOR_KINDS[kind].itemsize
                continue
            begin = blank + 1 + VECTOR_HEADER.size
            at = begin + length
            if at > len(data):
                raise ValueError(f"{len(data) - begin} of {length} bytes are there")
            if kind == b"\0BFV \4":
                rows[len(keys) * length : (len(keys) + 1) * length] = data[begin:at]
            else:
                matrix[len(keys)] = np.frombuffer(data, "<f8", size, begin)
            keys.append(key)
    except (ValueError, struct.error) as error:
        raise SreError(
            f"{path}: record '{key}' is cut short or corrupt ({error}); extract the embeddings again"
        ) from None
    return keys, matrix[: len(keys)]


def _room(file: IO[bytes], size: int) -> np.ndarray:
    """Uninitialised rows for all vectors of `size` floats that the file can hold; untouched pages take no memory."""
    length = VECTOR_HEADER.size + 4 * size
    total = os.fstat(file.fileno()).st_size
    if not size or length > total:
        raise ValueError(f"a vector of {size} values in a file of {total} bytes")
    return np.empty((total // length, size), "<f4")


def _read_vector_lines(path: Path, file: IO[bytes]) -> tuple[list[str], np.ndarray]:
    """Kaldi's text archive: `key  [ 1 2 3 ]` lines."""
    keys, vectors = [], []
    for line in file:
        key = line[:40].decode(errors="replace")
        try:
            key, *values = line.decode().split()
            if values[:1] != ["["] or values[-1] != "]":
                raise ValueError("its line is not `key [ values ]`")
            vectors.append(np.array([float(value) for value in values[1:-1]], np.float32))
        except ValueError as error:
            raise SreError(
                f"{path}: record '{key}' is cut short or corrupt ({error}); extract the embeddings again"
            ) from None
        keys.append(key)
    if len({len(vector) for vector in vectors}) > 1:
        raise _unequal(path)
    return keys, np.stack(vectors)
