r"""Kaldi's plda files, and its files of one vector or matrix: binary and text, in the bytes that Kaldi writes.

A plda file is `<Plda> mean transform psi </Plda> ` (ivector/plda.cc: Plda::Write), binary after `\0B`. kaldiio reads no
such file, and of single ones its text reader gives float32 or int32 and its binary reader takes what a cut file has.
Legend: D dimension.
"""

import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from sre import SreError
from sre.io.atomic import atomic_output

BINARY = b"\0B"
KINDS = {b"FV ": ("<f4", 1), b"DV ": ("<f8", 1), b"FM ": ("<f4", 2), b"DM ": ("<f8", 2)}


def read_kaldi_plda(path: str | Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Read mean (D,), transform (D, D) and psi (D,), float64, of a binary or text plda file.

    Raises SreError for a file that is missing, cut, garbled, of dimensions that do not fit, or has NaN.
    """
    data = _bytes_of(path)
    with _named(path, "plda file"):
        at = _token(data, _start(data), b"<Plda>")
        mean, at = _array(data, at, 1)
        transform, at = _array(data, at, 2)
        psi, at = _array(data, at, 1)
        _end(data, _token(data, at, b"</Plda>"))
        _check_plda(mean, transform, psi)
    return mean, transform, psi


def read_kaldi_vector(path: str | Path) -> np.ndarray:
    """Read (D,) float64 of a file like mean.vec: one vector, no key. Raises SreError as `read_kaldi_plda`."""
    return _read_one(path, 1, "vector")


def read_kaldi_matrix(path: str | Path) -> np.ndarray:
    """Read (rows, columns) float64 of a file like lda.mat: one matrix, no key. Raises SreError as `read_kaldi_plda`."""
    return _read_one(path, 2, "matrix")


def write_kaldi_plda(
    path: str | Path, mean: np.ndarray, transform: np.ndarray, psi: np.ndarray, text: bool = False
) -> None:
    """Write (D,), (D, D) and (D,) as Kaldi's Plda; text has seven significant digits, binary all of float64.

    Raises SreError where `read_kaldi_plda` would refuse the file.
    """
    try:
        _check_plda(mean, transform, psi)
    except ValueError as error:
        raise SreError(f"{path}: not written, for there is {error}; train the back-end again") from None
    form = _text if text else _binary
    with atomic_output(path, "wb") as file:
        file.write((b"" if text else BINARY) + b"<Plda> ")
        file.writelines(form(part) for part in (mean, transform, psi))
        file.write(b"</Plda> ")


def write_kaldi_matrix(path: str | Path, matrix: np.ndarray) -> None:
    """Write (rows, columns) as text, with seven significant digits."""
    with atomic_output(path, "wb") as file:
        file.write(_text(matrix))


def _binary(array: np.ndarray) -> bytes:
    sizes = b"".join(struct.pack("<bi", 4, size) for size in array.shape)
    return (b"DV ", b"DM ")[array.ndim - 1] + sizes + array.astype("<f8").tobytes()


def _text(array: np.ndarray) -> bytes:
    start = "\n  " if array.ndim == 2 else " "
    rows = ("".join(map("%.7g ".__mod__, row)) for row in np.atleast_2d(array).tolist())
    return (" [" + "".join(start + row for row in rows) + "]\n").encode()


def _bytes_of(path: str | Path) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SreError(f"{path}: cannot be read ({error.strerror}); check the path") from None


@contextmanager
def _named(path: str | Path, what: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, struct.error) as error:
        raise SreError(
            f"{path}: not a Kaldi {what}, or cut short or corrupt ({error}); check the path, or make the file again"
        ) from None


def _read_one(path: str | Path, ndim: int, what: str) -> np.ndarray:
    data = _bytes_of(path)
    with _named(path, what):
        array, at = _array(data, _start(data), ndim)
        _end(data, at)
        _check_finite(array)
    return array


def _start(data: bytes) -> int:
    return len(BINARY) if data.startswith(BINARY) else 0


def _token(data: bytes, at: int, token: bytes) -> int:
    """Return the place after a token and the blank that ends it. Raises ValueError if it is not at `at`."""
    found = re.compile(rb"\s*" + token + rb"(\s|\Z)").match(data, at)
    if not found:
        raise ValueError(f"no {token.decode()} at byte {at}")
    return found.end()


def _end(data: bytes, at: int) -> None:
    if data[at:].strip():
        raise ValueError(f"more than is expected, from byte {at} on")


def _array(data: bytes, at: int, ndim: int) -> tuple[np.ndarray, int]:
    """Read the vector (ndim 1) or matrix (2) that begins at byte `at`, float64; also return the place after it."""
    array, end = (_binary_array if _start(data) else text_array)(data, at)
    if array.ndim != ndim and not (ndim == 1 and len(array) == 1):
        raise ValueError(f"no {('vector', 'matrix')[ndim - 1]} at byte {at}")
    if not array.size:
        raise ValueError(f"an empty {('vector', 'matrix')[ndim - 1]} at byte {at}")
    return (array[0] if array.ndim > ndim else array), end


def _binary_array(data: bytes, at: int) -> tuple[np.ndarray, int]:
    """Read `FV `, `DV `, `FM ` or `DM `, then each size as the byte 4 and an int32, then the values."""
    if data[at : at + 3] not in KINDS:
        raise ValueError(f"none of FV, DV, FM, DM at byte {at}")
    dtype, ndim = KINDS[data[at : at + 3]]
    marks_and_sizes = struct.unpack_from("<" + ndim * "bi", data, at + 3)
    shape = marks_and_sizes[1::2]
    begin = at + 3 + 5 * ndim
    end = begin + int(np.dtype(dtype).itemsize) * int(np.prod(np.array(shape, dtype=object)))
    if set(marks_and_sizes[::2]) != {4} or min(shape) < 0 or end > len(data):
        raise ValueError(f"no room for an array of {shape} values at byte {at}")
    return np.frombuffer(data[begin:end], dtype).reshape(shape).astype(np.float64), end


def text_array(data: bytes, at: int) -> tuple[np.ndarray, int]:
    r"""Read `[ 1 2 ]`, with the rows of a matrix on lines of their own: (rows, columns), of a vector (1, D)."""
    found = re.compile(rb"\s*\[([^\[\]]*)\]").match(data, at)
    if not found:
        raise ValueError(f"no [ values ] at byte {at}")
    rows = [[float(value) for value in line.split()] for line in found[1].splitlines() if line.strip()]
    if len({len(row) for row in rows}) > 1:
        raise ValueError(f"rows of unequal lengths from byte {at} on")
    return np.array(rows, dtype=np.float64, ndmin=2), found.end()


def _check_finite(*arrays: np.ndarray) -> None:
    if not all(np.isfinite(array).all() for array in arrays):
        raise ValueError("a NaN or infinite value")


def _check_plda(mean: np.ndarray, transform: np.ndarray, psi: np.ndarray) -> None:
    D = len(mean)
    if (mean.shape, transform.shape, psi.shape) != ((D,), (D, D), (D,)):
        raise ValueError(f"a mean of {mean.shape}, transform of {transform.shape} and psi of {psi.shape}")
    _check_finite(mean, transform, psi)
    if (psi < 0).any():
        raise ValueError("a negative psi")
