"""Kaldi archives through kaldiio, with what a long pipeline needs on top: checks, atomic writing, named errors."""

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from kaldiio.matio import read_matrix_or_vector, write_array

from sre import SreError
from sre.io.atomic import atomic_output
from sre.io.tables import read_table


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
    return {key: f"{place[loc.rpartition(':')[0]]}:{loc.rpartition(':')[2]}" for key, loc in table.items()}


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

    Reads each archive once and parses headers only; of other kinds only text is read: kaldiio.load_ark would unpickle.
    Raises SreError for a cut record, unequal dimensions, NaN (naming the key) or a key that stands twice.
    """
    path = Path(path)
    if path.suffix == ".scp":
        table = read_scp(path)
        vectors: dict[str, np.ndarray] = {}
        for ark in dict.fromkeys(place.rpartition(":")[0] for place in table.values()):
            vectors.update(_read_vector_ark(Path(ark)))
        missing = [key for key in table if key not in vectors]
        if missing:
            raise SreError(f"{path}: record '{missing[0]}' is not in its archive; extract the embeddings again")
        vectors = {key: vectors[key] for key in table}
    else:
        vectors = _read_vector_ark(path)
    if not vectors:
        raise SreError(f"{path}: no vectors in it; extract the embeddings again")
    keys = sorted(vectors)
    if len({vector.shape for vector in vectors.values()}) > 1:
        raise SreError(f"{path}: vectors of unequal dimensions; these are embeddings of several models")
    matrix = np.stack([vectors[key] for key in keys])
    bad = ~np.isfinite(matrix).all(axis=1)
    if bad.any():
        raise SreError(f"{path}: embedding '{keys[int(np.argmax(bad))]}' has NaN or infinite values; extract it again")
    return np.array(keys, dtype=object), matrix


def _read_vector_ark(path: Path) -> Mapping[str, np.ndarray]:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SreError(f"{path}: no such file; extract the embeddings again") from None
    vectors: dict[str, np.ndarray] = {}
    at, key = 0, "(first)"
    try:
        while at < len(data):
            space = data.index(b" ", at, at + 1024)
            key = data[at:space].decode().strip()
            kind = data[space + 1 : space + 6]
            if kind not in (b"\0BFV ", b"\0BDV "):
                if at == 0 and kind.lstrip().startswith(b"["):
                    return _read_vector_lines(path, data.decode())
                raise ValueError("not a vector of floats")
            (size,) = struct.unpack_from("<I", data, space + 7)
            dtype = np.dtype("<f4" if kind == b"\0BFV " else "<f8")
            if key in vectors:
                raise SreError(f"{path}: embedding '{key}' stands twice; extract the embeddings again")
            vectors[key] = np.frombuffer(data, dtype, size, space + 11).astype(np.float32, copy=False)
            at = space + 11 + size * dtype.itemsize
    except (ValueError, struct.error, UnicodeDecodeError) as error:
        raise SreError(
            f"{path}: record '{key}' is cut short or corrupt ({error}); extract the embeddings again"
        ) from None
    return vectors


def _read_vector_lines(path: Path, text: str) -> dict[str, np.ndarray]:
    """Kaldi's text archive: `key  [ 1 2 3 ]` lines."""
    vectors: dict[str, np.ndarray] = {}
    for line in text.splitlines():
        key, *values = line.split()
        if values[:1] != ["["] or values[-1] != "]":
            raise ValueError(f"line '{line[:40]}' is not `key [ values ]`")
        if key in vectors:
            raise SreError(f"{path}: embedding '{key}' stands twice; extract the embeddings again")
        vectors[key] = np.array([float(value) for value in values[1:-1]], np.float32)
    return vectors
