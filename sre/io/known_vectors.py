"""The vectors of an archive whose keys and offsets an scp gives: read in pieces, without a Python step for each.

This is for the archive that the scp names wholly, each byte of which is then looked at. Any other is read key by key.
"""

import struct
from collections.abc import Iterator
from io import BufferedReader

import numpy as np

from sre.io.name_tables import Places
from sre.io.names import Names
from sre.io.record import open_archive

HEADERS = {b"\0BFV \4": 10, b"\0BFM \4": 15}  # bytes before the values of a vector, and of a matrix of one row


def read_named(places: Places, piece: int) -> np.ndarray | None:
    """Read (N, D) float32 vectors of archives that an scp names wholly, `piece` bytes at a time.

    Returns None if one has anything else, or cannot be read.
    """
    matrix = None
    for number, ark in enumerate(places.paths):
        rows = np.flatnonzero(places.codes == number)
        rows = rows[np.argsort(places.offsets[rows], kind="stable")]
        whole = matrix is None and len(places.paths) == 1 and (rows[1:] > rows[:-1]).all()
        try:
            with open_archive(ark) as file:
                found = _read_known(file, places.names.take(rows), places.offsets[rows], piece)
        except (OSError, ValueError):  # said by who reads it key by key
            return None
        if found is None or matrix is not None and matrix.shape[1] != found.shape[1]:
            return None
        if whole:
            return found
        if matrix is None:
            matrix = np.empty((len(places), found.shape[1]), np.float32)
        matrix[rows] = found
    return matrix


def _read_known(file: BufferedReader, names: Names, offsets: np.ndarray, piece: int) -> np.ndarray | None:
    """Read (N, D) float32 vectors of N names that ascend with their (N,) offsets, `piece` bytes at a time.

    Returns None where a byte of the file is no part of these records, or one is no vector of the first's dimension.
    """
    first = int(offsets[0])
    file.seek(first)
    head = file.read(15)
    length = HEADERS.get(head[:6], 0)
    if len(head) < length or not length:
        return None
    head = head[:length]
    (size,) = struct.unpack_from("<I", head, length - 4)
    if length == 15 and head[6:11] != struct.pack("<IB", 1, 4):
        return None
    ends = offsets + (length + 4 * size)
    begins = offsets - np.diff(names.starts.astype(np.int64))  # of the keys; a blank takes the line end's place
    if begins[0] != 0 or (begins[1:] != ends[:-1]).any() or ends[-1] != file.seek(0, 2) or not size:
        return None
    out = np.empty((len(names), size), np.float32)
    values = out.view(np.uint8)
    for rows, data in _pieces(file, begins, ends, piece):
        at = begins[rows] - begins[rows.start]
        if not _are(data, at, names, rows, head):
            return None
        heads = offsets[rows] - begins[rows.start] + length
        step = int(ends[rows.start] - begins[rows.start])
        if (heads == heads[0] + step * np.arange(len(heads))).all():  # keys of one length
            view = np.ndarray((len(heads), 4 * size), np.uint8, data, int(heads[0]), (step, 1))
            values[rows] = view
        else:
            values[rows] = _windows(data, 4 * size)[heads]
    return out


def _pieces(
    file: BufferedReader, begins: np.ndarray, ends: np.ndarray, piece: int
) -> Iterator[tuple[slice, bytearray]]:
    """Yield rows, and the bytes of their records."""
    buffer = bytearray(piece)
    row = 0
    file.seek(0)
    while row < len(begins):
        last = max(row + 1, int(np.searchsorted(ends, begins[row] + piece, "right")))
        count = int(ends[last - 1] - begins[row])
        if count > len(buffer):
            buffer = bytearray(count)
        if file.readinto(memoryview(buffer)[:count]) < count:
            raise ValueError("the file became shorter")
        yield slice(row, last), buffer
        row = last


def _windows(data: bytes | bytearray, width: int) -> np.ndarray:
    """Return (len(data) - width + 1, width) bytes: those from each place on, without a copy."""
    return np.ndarray((len(data) - width + 1, width), np.uint8, data, strides=(1, 1))


def _are(data: bytearray, at: np.ndarray, names: Names, rows: slice, head: bytes) -> bool:
    """Return whether the records that begin `at` have their names, a blank and the header."""
    starts = names.starts[rows.start : rows.stop + 1].astype(np.int64)
    lengths = np.diff(starts)
    begin, end = int(starts[0]), int(starts[-1])
    expected = names.data[begin:end]
    wanted = np.frombuffer(b" " + head, np.uint8)
    for length in np.unique(lengths).tolist():
        which = np.flatnonzero(lengths == length)
        found = _windows(data, length + len(head))[at[which]]
        keys = _windows(expected, length)[starts[which] - begin]
        if (found[:, : length - 1] != keys[:, :-1]).any() or (found[:, length - 1 :] != wanted).any():
            return False
    return True
