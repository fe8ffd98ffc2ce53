"""Many names in a few arrays: no Python object for a name, so that forked processes share all of it.

A dict of a million utterances takes some 200 MB, and each process that looks at its strings copies their pages, since
Python counts references in them. These take the bytes of the names, and 13 bytes more a name.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, Self, overload

import numpy as np

PRIME = 4294967291  # 2^32 - 5
PIECE = 1 << 14  # names that are strings at one time
TAKEN = 1 << 16  # names whose bytes have places at one time


class Lines(Sequence[str]):
    """N strings without line ends, in an order.

    data : the strings in UTF-8, each with a line end
    starts : (N + 1,) places of their first bytes
    """

    def __init__(self, data: bytes, starts: np.ndarray | None = None) -> None:
        self.data = data
        if starts is None:
            starts = np.flatnonzero(_bytes(data) == ord("\n")) + 1
            starts = np.concatenate([[0], starts])
        self.starts = starts.astype(np.uint32 if len(data) <= 1 << 31 else np.int64)
        self._starts = self.starts.data

    @classmethod
    def of(cls, strings: Iterable[str]) -> Self:
        """Return these strings."""
        return cls("".join(f"{string}\n" for string in strings).encode())

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.data, self.starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @overload
    def __getitem__(self, row: int) -> str: ...
    @overload
    def __getitem__(self, row: slice) -> list[str]: ...
    def __getitem__(self, row: int | slice) -> str | list[str]:
        if isinstance(row, slice):
            return [self[i] for i in range(*row.indices(len(self)))]
        row = range(len(self))[row]
        return self.data[self._starts[row] : self._starts[row + 1] - 1].decode()

    def __iter__(self) -> Iterator[str]:
        for row in range(0, len(self), PIECE):
            end = min(row + PIECE, len(self))
            yield from self.data[self._starts[row] : self._starts[end] - 1].decode().split("\n")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Lines):
            return self.data == other.data
        return list(self) == other

    __hash__ = None  # type: ignore[assignment]  # as lists have none

    def __add__(self, others: Sequence[str]) -> list[str]:
        return [*self, *others]

    def ascend(self) -> bool:
        """Return whether each string is, bytewise, after the one before it."""
        return all(string < after for string, after in pairwise(self))

    def sorted_rows(self) -> np.ndarray:
        """Return (N,) int32 rows in bytewise order of their strings."""
        if self.ascend():
            return np.arange(len(self), dtype=np.int32)
        return np.array(sorted(range(len(self)), key=list(self).__getitem__), np.int32)

    def take(self, rows: np.ndarray) -> Self:
        """Return the strings of some rows, in the order of these."""
        if len(rows) == len(self) and (rows == np.arange(len(self))).all():
            return self
        first = self.starts[:-1].astype(np.int64)[rows]
        length = self.starts[1:].astype(np.int64)[rows] - first
        starts = np.concatenate([[0], np.cumsum(length)])
        pieces = [
            _gathered(self.data, first[at : at + TAKEN], length[at : at + TAKEN]) for at in range(0, len(rows), TAKEN)
        ]
        return type(self)(b"".join(pieces), starts)


class Names(Lines):
    """N distinct names without line ends, in an order; `find` is the place of one.

    A name's hash is the number that its bytes are, the first being the least, modulo PRIME. Hashes are made when a name
    is first looked for, or by `prepare`, for the time before processes are forked.

    order, hashes : (N,) the rows in the order of their hashes, and these
    """

    order: np.ndarray
    hashes: np.ndarray

    def __init__(self, data: bytes, starts: np.ndarray | None = None) -> None:
        super().__init__(data, starts)
        self._hashes: memoryview | None = None

    def prepare(self) -> memoryview:
        """Return the hashes in their order."""
        if self._hashes is None:
            hashes = self._hash_all()
            self.order = np.argsort(hashes).astype(np.int32)
            self.hashes = hashes[self.order]
            self._order, self._hashes = self.order.data, self.hashes.data
        return self._hashes

    def _hash_all(self) -> np.ndarray:
        ended = np.frombuffer(self.data + bytes(4), np.uint8)
        words: np.ndarray = np.ndarray((len(self.data) + 1,), "<u4", ended, strides=(1,))  # four bytes from each place
        first = self.starts[:-1].astype(np.int64)
        length = self.starts[1:].astype(np.int64) - first - 1
        hashes = np.zeros(len(first), np.uint64)
        for at in range((int(length.max(initial=0)) - 1) // 4 * 4, -1, -4):
            rows = np.flatnonzero(length > at)
            word = words[first[rows] + at].astype(np.uint64)
            word &= (np.uint64(1) << (8 * np.minimum(length[rows] - at, 4)).astype(np.uint64)) - np.uint64(1)
            hashes[rows] = ((hashes[rows] << np.uint64(32)) | word) % np.uint64(PRIME)
        return hashes.astype(np.uint32)

    def find(self, name: object) -> int:
        """Return the place of a name; -1 if it is not among them."""
        if not isinstance(name, str):
            return -1
        wanted = name.encode("utf-8", "surrogatepass")
        hashed = int.from_bytes(wanted, "little") % PRIME
        hashes = self._hashes or self.prepare()
        at = bisect_left(hashes, hashed)
        while at < len(hashes) and hashes[at] == hashed:
            row = self._order[at]
            if self.data[self._starts[row] : self._starts[row + 1] - 1] == wanted:
                return row
            at += 1
        return -1

    def __contains__(self, name: object) -> bool:
        return self.find(name) >= 0

    def twice(self) -> bool:
        """Return whether a name stands twice, against what is said of them."""
        self.prepare()
        same = np.flatnonzero(self.hashes[1:] == self.hashes[:-1])
        return any(self.find(self[row]) != row for at in same for row in self.order[at : at + 2].tolist())

    def rows_of(self, others: "Names") -> np.ndarray:
        """Return (len(others),) int32 places of other names among these, -1 where they are not."""
        if others is self or others.data == self.data:
            return np.arange(len(self), dtype=np.int32)
        rows = np.full(len(others), -1, np.int32)
        if not len(self):
            return rows
        self.prepare(), others.prepare()
        at = np.minimum(np.searchsorted(self.hashes, others.hashes), len(self) - 1)
        found = np.flatnonzero(self.hashes[at] == others.hashes)
        at, found_of = at[found], others.order[found]
        several = np.concatenate([self.hashes[1:] == self.hashes[:-1], [False]])[at]
        rows[found_of] = self.order[at]
        sure = np.sort(found_of[~several])
        if self.take(rows[sure]).data == others.take(sure).data:
            unsure: Iterable[int] = found_of[several].tolist()
        else:  # a name that is not here has the hash of one that is
            unsure = found_of.tolist()
        for row in unsure:
            rows[row] = self.find(others[row])
        return rows


def _gathered(data: bytes, first: np.ndarray, length: np.ndarray) -> bytes:
    """Return the bytes of some strings, one after the other."""
    ends = np.cumsum(length)
    places = np.repeat(first - ends + length, length)
    places += np.arange(len(places))
    return _bytes(data)[places].tobytes()


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)
