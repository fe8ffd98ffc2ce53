"""The bytes of Kaldi's float vectors and matrices, plain and compressed (matrix/kaldi-matrix.cc, compressed-matrix.cc).

A compressed matrix is `CM ` (8 bits; each column has four quantiles in 16 bits, its codes stand together), `CM2 ` (16
bits) or `CM3 ` (8 bits), both row by row. kaldiio writes the header of one, and the codes that stand row by row. Its
reading and its codes by column are done here, many times faster: the same bytes and floats, since each step of the
arithmetic is in float32 and in the same order. Where two quantiles of a column are one number, the codes are Kaldi's
(kaldiio divides by zero there).

Legend: T rows, F columns.
"""

import io
import os
import struct
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
from kaldiio.compression_header import GlobalHeader

HEAD_BYTES = 32  # of a record, at least as many as its header has
PLAIN: dict[bytes, np.dtype[Any]] = {
    b"FM ": np.dtype("<f4"),
    b"DM ": np.dtype("<f8"),
    b"FV ": np.dtype("<f4"),
    b"DV ": np.dtype("<f8"),
}
CODES: dict[bytes, np.dtype[Any]] = {b"CM ": np.dtype("u1"), b"CM2 ": np.dtype("<u2"), b"CM3 ": np.dtype("u1")}
TYPES = PLAIN | CODES
FORMS = {kind: "<ffii" if kind in CODES else "<BiBi" if kind[1:2] == b"M" else "<Bi" for kind in TYPES}  # of headers
LEVELS = {b"CM ": 65535.0, b"CM2 ": 65535.0, b"CM3 ": 255.0}
MEASURED = {1, 2, 3, 5}  # methods for which the least and the largest value are looked for
QUANTILE_BYTES = 8  # of a column
MOST_AT_ONCE = 1 << 20  # bytes of a `CM ` that are read in one piece for a few of its rows
BLOCK = 1 << 16  # values that are encoded at once, so that they stay in the cache
NOT_FINITE = "NaN or infinite values"
CODE = np.arange(256, dtype=np.float32)


class Header(NamedTuple):
    """What the first bytes of a record say of it.

    kind : of TYPES
    rows, columns : T and F; `columns` of a vector is None
    size : bytes of the header
    minimum, extent : least value, and largest less least, of a compressed matrix
    """

    kind: bytes
    rows: int
    columns: int | None
    size: int
    minimum: float = 0.0
    extent: float = 0.0

    @property
    def row_values(self) -> int:
        """The number of values in a row."""
        return 1 if self.columns is None else self.columns

    @property
    def total(self) -> int:
        """The number of bytes that follow the header."""
        quantiles = QUANTILE_BYTES * self.row_values * (self.kind == b"CM ")
        return quantiles + self.rows * self.row_values * TYPES[self.kind].itemsize


def parse_header(head: bytes) -> Header | None:
    """Return the header that begins with `\\0B`; None if no floats begin so. Raises ValueError if it is broken."""
    if not head.startswith(b"\0B"):
        if head == b"\0":
            raise ValueError("1 byte of it is there")
        return None
    at = head.find(b" ", 2) + 1
    kind = head[2:at]
    if kind not in FORMS:
        if len(head) < HEAD_BYTES and any((b"\0B" + kind).startswith(head) for kind in FORMS):
            raise ValueError(f"{len(head)} bytes of it are there")
        return None
    size = at + struct.calcsize(FORMS[kind])
    if len(head) < size:
        raise ValueError(f"{len(head)} bytes of it are there")
    fields = struct.unpack_from(FORMS[kind], head, at)
    if kind in CODES:
        header = Header(kind, fields[2], fields[3], size, *fields[:2])
    else:
        if fields[0] != 4 or fields[-2] != 4:
            raise ValueError("its sizes do not follow its kind")
        header = Header(kind, fields[1], fields[3] if len(fields) > 2 else None, size)
    if header.rows < 0 or header.row_values < 0:
        raise ValueError(f"its sizes are {header.rows} and {header.row_values}")
    return header


def read_rows_at(descriptor: int, begin: int, header: Header, first: int, count: int) -> np.ndarray:
    """Read `count` rows from the row `first` of the record whose header stands at `begin`: (count, F), or (count,).

    Values are float32, of doubles float64. Rows must be there; of a row-major matrix no other bytes are read. Raises
    ValueError if the file ends within the record, with how many bytes of it are there.
    """
    at, kind, dtype = begin + header.size, header.kind, TYPES[header.kind]
    there, promised = os.fstat(descriptor).st_size - at, header.total
    if there < promised:
        unit = dtype.itemsize if kind in PLAIN else 1
        what = "values" if kind in PLAIN else "bytes"
        raise ValueError(f"{max(0, there) // unit} of {promised // unit} {what} are there")
    if kind == b"CM ":
        return _read_by_columns(descriptor, at, header, first, count)
    values: np.ndarray = np.empty((count,) if header.columns is None else (count, header.columns), dtype)
    _fill(descriptor, values, at + first * header.row_values * dtype.itemsize)
    return values if kind in PLAIN else _to_floats(values, header)


def _fill(descriptor: int, values: np.ndarray, at: int) -> None:
    """Read the values from the byte `at`. Raises ValueError if the file ends before they are full."""
    done = os.preadv(descriptor, [values.data], at)
    if done == values.nbytes:
        return
    left, at = memoryview(values.reshape(-1).view(np.uint8).data)[done:], at + done
    while left:
        done = os.preadv(descriptor, [left], at)
        if not done:
            raise ValueError(f"{len(left)} bytes are not there")
        left, at = left[done:], at + done


def _to_floats(codes: np.ndarray, header: Header) -> np.ndarray:
    """Return codes as values: minimum + code extent / levels."""
    values = codes.astype(np.float32)
    values *= header.extent
    values /= LEVELS[header.kind]
    values += header.minimum
    return values


def _read_by_columns(descriptor: int, at: int, header: Header, first: int, count: int) -> np.ndarray:
    """Read rows of a `CM `: (count, F), of which a column is contiguous."""
    T, F = header.rows, header.row_values
    quantiles = np.empty((F, 4), "<u2")
    codes = np.empty((F, count), np.uint8)
    if count == T:
        _fill(descriptor, codes, at + quantiles.nbytes)
    elif T * F <= MOST_AT_ONCE:
        whole = np.empty((F, T), np.uint8)
        _fill(descriptor, whole, at + quantiles.nbytes)
        codes = whole[:, first : first + count]
    else:
        for column in range(F):
            _fill(descriptor, codes[column], at + quantiles.nbytes + column * T + first)
    _fill(descriptor, quantiles, at)
    tables = value_tables(_to_floats(quantiles, header))
    places = codes + np.arange(0, 256 * F, 256, dtype=np.intp)[:, None]
    return tables.reshape(-1)[places].T


def value_tables(quantiles: np.ndarray) -> np.ndarray:
    """Return (F, 256) float32, the value of each code, of (F, 4) values of 0, 25, 75 and 100 % of each column."""
    p0, p25, p75, p100 = (quantiles[:, [i]] for i in range(4))
    tables = np.empty((len(quantiles), 256), np.float32)
    tables[:, :65] = p0 + (p25 - p0) * CODE[:65] * (1 / 64.0)
    tables[:, 65:193] = p25 + (p75 - p25) * (CODE[65:193] - 64.0) * (1 / 128.0)
    tables[:, 193:] = p75 + (p100 - p75) * (CODE[193:] - 192.0) * (1 / 63.0)
    return tables


def all_finite(value: np.ndarray) -> bool:
    """Return whether no value is NaN or infinite. The sum of squares tells it sooner; it may also be too large."""
    flat = value.ravel(order="K")
    with np.errstate(over="ignore", invalid="ignore"):
        return isfinite(np.dot(flat, flat)) or bool(np.isfinite(value).all())


def encode(value: np.ndarray, method: int = 0) -> tuple[bytes, np.ndarray]:
    """Return the header and the rest of a record: of (D,) or (T, F) float32; vectors are never compressed.

    method : Kaldi's CompressionMethod. 0: not compressed; 1: 2, or 3 of at most eight rows; 2: by quantiles of each
    column; 3, 5: from least to largest value, in 16 and 8 bits; 4, 6, 7: integers, and values in [0, 1].
    Raises ValueError for values that are not finite.
    """
    measured = value.ndim == 2 and method in MEASURED and value.size  # then least and largest show it
    if not measured and not all_finite(value):
        raise ValueError(NOT_FINITE)
    if value.ndim == 1:
        return b"\0BFV \4" + struct.pack("<i", len(value)), value
    T, F = value.shape
    if not method:
        return b"\0BFM \4" + struct.pack("<iBi", T, 4, F), value
    if not value.size:  # as Kaldi writes one
        form = GlobalHeader.compute(np.zeros((1, 1), np.float32), method).type
        return f"\0B{form} ".encode() + bytes(16), value
    kind = GlobalHeader.compute(value, method)
    if measured and not (isfinite(kind.min_value) and isfinite(kind.range)):
        raise ValueError(NOT_FINITE)
    head = io.BytesIO()
    head.write(b"\0B")
    kind.write(head)
    if kind.type == "CM":
        quantiles, codes = _encode_by_columns(value, kind)
        return head.getvalue() + quantiles.tobytes(), codes
    return head.getvalue(), kind.float_to_uint(value)


def _encode_by_columns(value: np.ndarray, kind: GlobalHeader) -> tuple[np.ndarray, np.ndarray]:
    """Return (F, 4) uint16 quantiles and (F, T) codes."""
    columns = np.ascontiguousarray(value.T)  # (T, F) -> (F, T)
    bounds = kind.uint_to_float(_quantiles(np.sort(columns, axis=1), kind))
    codes = np.empty(columns.shape, np.uint8)
    step = max(1, BLOCK // columns.shape[1])
    for begin in range(0, len(columns), step):
        part = slice(begin, begin + step)
        codes[part] = _codes_of(columns[part], bounds[part])
    return kind.float_to_uint(bounds), codes


def _quantiles(ordered: np.ndarray, kind: GlobalHeader) -> np.ndarray:
    """Return (F, 4) uint16, each above the one before, of (F, T) values that ascend; of few rows as Kaldi has it."""
    T = ordered.shape[1]
    if T >= 5:
        found = ordered[:, [0, T // 4, 3 * (T // 4), T - 1]]
    else:
        found = np.empty((len(ordered), 4), np.float32)
        for i in range(4):
            found[:, i] = ordered[:, i] if i < T else found[:, i - 1] + 1
    p0, p25, p75, p100 = kind.float_to_uint(found).T
    p0 = np.minimum(p0, 65532)
    p25 = np.minimum(np.maximum(p25, p0 + 1), 65533)
    p75 = np.minimum(np.maximum(p75, p25 + 1), 65534)
    return np.stack([p0, p25, p75, np.maximum(p100, p75 + 1)], axis=1)


def _codes_of(columns: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Return the codes of (F, T) columns: up to 64 below 25 %, from 192 above 75 %, 64 to 192 between them.

    Each part is that of all values held within its bounds, and so the three add up: a value of the first part is 64
    in the second and 192 in the third, which are 256, and 256 is none in eight bits.
    """
    p0, p25, p75, p100 = (quantiles[:, [i]] for i in range(4))
    scaled = np.empty_like(columns)
    codes = np.zeros(columns.shape, np.uint8)
    for low, high, factor, shift, least, most in (
        (p0, p25, 64.0, 0.5, 0, 64),
        (p25, p75, 128.0, 64.5, 64, 192),
        (p75, p100, 63.0, 192.5, 192, 255),
    ):
        width = high - low
        equal = width[:, 0] == 0  # two quantiles that are one number in float32
        width[equal] = 1
        np.subtract(columns, low, out=scaled)
        scaled /= width
        scaled *= factor
        scaled += shift
        np.clip(scaled, np.float32(least), np.float32(most), out=scaled)
        if equal.any():
            below = columns[equal] < high[equal] if most < 255 else columns[equal] <= low[equal]
            scaled[equal] = np.where(below, least, most)
        codes += scaled.astype(np.uint8)
    return codes
