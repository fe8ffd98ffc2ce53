"""Kaldi archives with what a long pipeline needs: checks, atomic writing, named errors."""

import os
import struct
from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from sre import SreError
from sre.io.atomic import atomic_output
from sre.io.bulk import read_places
from sre.io.ids import check_ids, is_plain
from sre.io.kaldi_matrix import encode
from sre.io.known_vectors import read_named
from sre.io.name_tables import Places
from sre.io.record import (
    MAX_KEY,
    MEANT,
    OtherKind,
    as_float32,
    as_vector,
    open_archive,
    other_kind,
    read_object,
    read_record,
)
from sre.io.scp import place_in, read_scp, split_offset
from sre.io.tables import write_table

__all__ = ["read_record", "read_scp", "read_vectors", "write_ark"]

NO_KEY = (b"PK\3\4", b"\x93NUMPY", b"\x1f\x8b", b"\0B")  # what no archive begins with
READ_BYTES = 1 << 20  # of an archive of vectors at a time; more is slower, as fresh pages are
ROWS = 1 << 12  # of a matrix that are looked at at once
AT_ONCE = 1 << 13  # bytes of a record that goes past the buffer of its file
HEADER_BYTES = 15  # of a matrix: kind, and twice the byte 4 and a size; a vector has one size
VECTOR_KINDS: dict[bytes, np.dtype] = {b"\0BFV \4": np.dtype("<f4"), b"\0BDV \4": np.dtype("<f8")}
ROW_KINDS: dict[bytes, np.dtype] = {b"\0BFM \4": np.dtype("<f4"), b"\0BDM \4": np.dtype("<f8")}

Vectors = tuple[list[str], list[int], np.ndarray]  # keys, offsets of the records, (N, D) float32


def write_ark(ark: str | Path, scp: str | Path, records: Iterable[tuple[str, np.ndarray]], compression: int = 0) -> int:
    """Write records to `ark`, then their `key path:offset` lines to `scp`; return how many.

    Records are float32, finite, of unique keys without white space; compression is Kaldi's method (0 none, 2, 3 …).
    The scp comes last, so that it never points at nothing; its paths are relative to its folder.
    """
    lines: dict[str, str] = {}
    place, at = place_in(ark, scp), 0
    with atomic_output(ark, "wb") as file:
        for key, value in records:
            if key in lines or not key or key.split() != [key]:
                raise SreError(f"{ark}: record key '{key}' is empty, has white space or stands twice; rename it")
            name = key.encode() + b" "
            try:
                header, rest = encode(np.ascontiguousarray(as_float32(value)), compression)
            except ValueError as error:
                raise SreError(f"{ark}: record '{key}' has {error}; look at its audio") from None
            lines[key] = f"{place}:{at + len(name)}"
            at += len(name) + len(header) + rest.nbytes
            if rest.nbytes < AT_ONCE:
                file.write(name + header + rest.tobytes())
            else:
                file.flush()
                _write(file.fileno(), name + header, rest.reshape(-1).view(np.uint8).data)
    write_table(scp, lines)
    return len(lines)


def _write(descriptor: int, head: bytes, rest: memoryview) -> None:
    """Write both with one call, or as many as the system needs."""
    done = os.writev(descriptor, [head, rest])
    left = memoryview(head)[done:], rest[max(0, done - len(head)) :]
    for part in left:
        while part:
            part = part[os.write(descriptor, part) :]


def read_vectors(path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Read all vectors of an scp or an ark: (N,) keys in bytewise order, (N, D) float32.

    A matrix of one row is a vector. Each archive is read once, binary vectors in pieces. Raises SreError for a record
    that is cut or of another kind, unequal dimensions, NaN (naming the key) or a key that stands twice.
    """
    path = Path(path)
    keys: Sequence[str]
    if path.suffix == ".scp":
        keys, matrix = _read_scp_vectors(path)
    else:
        keys, _, matrix = _read_ark(str(path), path)
    if not matrix.size:
        raise SreError(f"{path}: no vectors in it; extract the embeddings again")
    names = np.array(list(keys), dtype=object)
    if not (names[1:] > names[:-1]).all():
        order = sorted(range(len(keys)), key=keys.__getitem__)
        names, matrix = names[order], matrix[order]
    parts = ((start, matrix[start : start + ROWS]) for start in range(0, len(matrix), ROWS))
    bad = [
        start + np.flatnonzero(~np.isfinite(part).all(axis=1)) for start, part in parts if not np.isfinite(part).all()
    ]
    if count := sum(map(len, bad)):
        key = names[np.concatenate(bad)[0]]
        raise SreError(
            f"{path}: embedding '{key}' has NaN or infinite values ({count} of {len(names)} have); extract it again"
        )
    return names, matrix


def _read_scp_vectors(scp: Path) -> tuple[Sequence[str], np.ndarray]:
    places = read_places(scp)
    if isinstance(places, Places) and (matrix := read_named(places, READ_BYTES)) is not None:
        return places.names, matrix
    of_ark: dict[str, dict[str, int]] = {}
    keys: list[str] = []
    parts: list[np.ndarray] = []
    for key, text in places.items():
        path, offset = split_offset(text)
        if offset is None:  # a file of its own, or a range
            keys.append(key)
            parts.append(read_record(key, text, "vector", scp)[None])
        else:
            of_ark.setdefault(path, {})[key] = offset
    for ark, wanted in of_ark.items():
        keys += wanted
        parts += _chosen(scp, ark, wanted)
    _check_dimensions(scp, keys, parts)
    return keys, parts[0] if len(parts) == 1 else np.concatenate(parts or [np.empty((0, 0), np.float32)])


def _chosen(scp: Path, ark: str, wanted: Mapping[str, int]) -> Sequence[np.ndarray]:
    """Return the vectors at these offsets, whatever their keys there (as Kaldi); refuse a key that stands elsewhere."""
    keys, offsets, matrix = _read_ark(ark, scp, next(iter(wanted)))
    if list(wanted.values()) == offsets and list(wanted) == keys:
        return [matrix]
    row = {offset: number for number, offset in enumerate(offsets)}
    elsewhere = dict(zip(keys, offsets, strict=True))
    for key, offset in wanted.items():
        if elsewhere.get(key, offset) != offset:
            raise SreError(
                f"{scp}: record '{key}' stands at byte {elsewhere[key]} of {ark} and not at {offset}: the scp is of"
                " another archive; extract the embeddings again"
            )
    if all(offset in row for offset in wanted.values()):
        return [matrix[[row[offset] for offset in wanted.values()]]]
    return [read_record(key, f"{ark}:{offset}", "vector", scp)[None] for key, offset in wanted.items()]


def _check_dimensions(path: Path, keys: Sequence[str], parts: Sequence[np.ndarray]) -> None:
    """Raise SreError naming a vector that is not as long as most are."""
    sizes = [part.shape[1] for part in parts for _ in part]
    if len(counts := Counter(sizes)) > 1:
        usual, most = counts.most_common(1)[0]
        key, size = next((key, size) for key, size in zip(keys, sizes, strict=True) if size != usual)
        raise _unequal(path, key, size, usual, len(sizes) - most)


def _unequal(path: Path, key: str, size: int, usual: int, count: int = 0) -> SreError:
    many = f" ({count} are unlike the others)" if count > 1 else ""
    return SreError(
        f"{path}: vectors of unequal dimensions: '{key}' has {size} values, others {usual}{many}; these are embeddings"
        " of several models"
    )


def _read_ark(ark: str, source: Path, key: str | None = None) -> Vectors:
    """Read a whole archive, in its order; `source` is what the user gave: the archive, or the scp and a `key` of it."""
    where = f"{source}:" if str(source) == ark else f"{source}: {ark}:"
    try:
        file = open_archive(ark)
    except ValueError as error:
        what = f"record '{key}' of {ark}" if key else "the archive"
        raise SreError(f"{source}: {what} cannot be opened ({error}); mend the place, or extract again") from None
    with file:
        head = file.read(MAX_KEY + HEADER_BYTES)
        file.seek(len(BOM_UTF8) if head.startswith(BOM_UTF8) else 0)  # of text that an editor wrote
        if head.startswith(NO_KEY) and (kind := other_kind(head)):
            raise SreError(f"{where.removesuffix(':')} is {kind} and no archive; {MEANT['vector']}")
        begin = head.find(b" ") + 1
        plain = head[begin : begin + 6] in VECTOR_KINDS or head[begin : begin + 6] in ROW_KINDS
        keys, offsets, matrix = (_read_plain if plain else _read_any)(where, source, file)
    check_ids(where.removesuffix(":"), [key for key in keys if not is_plain(key)])
    if len(set(keys)) < len(keys):
        key = next(key for key, count in Counter(keys).items() if count > 1)
        raise SreError(f"{where} embedding '{key}' stands twice; extract the embeddings again")
    return keys, offsets, matrix


def _broken(where: str, key: str, error: Exception) -> SreError:
    if isinstance(error, OtherKind):
        return SreError(f"{where} record '{key}' is {error}; {MEANT['vector']}")
    return SreError(f"{where} record '{key}' is cut short or corrupt ({error}); extract the embeddings again")


def _read_plain(where: str, source: Path, file: IO[bytes]) -> Vectors:
    """Read binary vectors into rows that are there beforehand: a record takes a few calls."""
    keys: list[str] = []
    offsets: list[int] = []
    matrix, rows, header, length = np.empty((0, 0), np.float32), memoryview(b""), b"none yet", 0
    data, at, before, key = b"", 0, 0, "(first)"
    try:
        while True:
            if len(data) - at < MAX_KEY + HEADER_BYTES + length:
                before += at
                data, at = data[at:] + file.read(READ_BYTES + length), 0
                if not data:
                    break
            blank = data.find(b" ", at, at + MAX_KEY)
            if blank < 0:
                raise ValueError("what follows it is not a key")
            key = data[at:blank].decode().strip()
            begin = blank + 1 + len(header)
            if data[blank + 1 : begin] != header:  # of the first vector, or of the other precision
                header, dtype, size = _header(data, blank + 1)
                if not matrix.size:  # the first
                    matrix = _room(file, size)
                    rows = matrix.data.cast("B")
                elif size != matrix.shape[1]:
                    raise _unequal(source, key, size, matrix.shape[1])
                length = size * dtype.itemsize
                continue
            at = begin + length
            if at > len(data):
                raise ValueError(f"{len(data) - begin} of {length} bytes are there")
            if dtype.itemsize == 4:
                rows[len(keys) * length : (len(keys) + 1) * length] = data[begin:at]
            else:
                matrix[len(keys)] = as_float32(np.frombuffer(data, "<f8", size, begin))
            keys.append(key)
            offsets.append(before + blank + 1)
    except (ValueError, struct.error) as error:
        raise _broken(where, key, error) from None
    return keys, offsets, matrix[: len(keys)]


def _header(data: bytes, at: int) -> tuple[bytes, np.dtype, int]:
    """Return a record's header, and type and number of its values. Raises ValueError for matrices of several rows."""
    kind = data[at : at + 6]
    (size,) = struct.unpack_from("<I", data, at + 6)
    if kind in VECTOR_KINDS:
        return data[at : at + 10], VECTOR_KINDS[kind], size
    if kind not in ROW_KINDS:
        raise OtherKind(other_kind(data[at : at + 16]) or "no vector of floats like the first")
    mark, columns = struct.unpack_from("<BI", data, at + 10)
    if mark != 4:
        raise ValueError("not a matrix's sizes")
    if size != 1:
        raise OtherKind(f"a matrix of ({size}, {columns})")
    return data[at : at + 15], ROW_KINDS[kind], columns


def _room(file: IO[bytes], size: int) -> np.ndarray:
    """Return rows for all vectors of `size` floats that the file can hold, uninitialised: they take no memory yet."""
    length = 10 + 4 * size
    total = os.fstat(file.fileno()).st_size
    if not size or length > total:
        raise ValueError(f"a vector of {size} values in a file of {total} bytes")
    return np.empty((total // length, size), "<f4")


def _read_any(where: str, source: Path, file: IO[bytes]) -> Vectors:
    """Read text, and compressed matrices of one row, record by record."""
    keys: list[str] = []
    offsets: list[int] = []
    vectors: list[np.ndarray] = []
    key = "(first)"
    try:
        while (found := _read_key(file)) is not None:
            key = found
            offsets.append(file.tell())
            value = as_vector(read_object(file))
            if value.ndim != 1:
                raise OtherKind(f"a matrix of {value.shape}")
            keys.append(key)
            vectors.append(as_float32(value)[None])
    except (ValueError, OSError, MemoryError, OverflowError) as error:
        raise _broken(where, key, error) from None
    _check_dimensions(source, keys, vectors)
    return keys, offsets, np.concatenate(vectors or [np.empty((0, 0), np.float32)])


def _read_key(file: IO[bytes]) -> str | None:
    """Read a key up to its blank; None at the end of the file."""
    key = b""
    while (byte := file.read(1)) not in (b" ", b"\t", b""):
        key += byte
        if len(key) > MAX_KEY:
            raise ValueError("what follows it is not a key")
    if not byte and not key.strip():
        return None
    if not key.strip():
        raise ValueError("what follows it is not a key")
    return key.decode().strip()
