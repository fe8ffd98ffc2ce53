"""Tables of many names in a few arrays: no Python object for a name, so that forked processes share all of it.

A dict of a million utterances takes some 200 MB, and each process that looks at its strings copies their pages, since
Python counts references in them. These take the bytes of the names, 13 bytes more a name, and those of the values.
"""

from bisect import bisect_left
from collections.abc import Collection, ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from typing import Any, Generic, TypeVar, overload

import numpy as np

V = TypeVar("V", int, str)
PRIME = 4294967291  # 2^32 - 5
PIECE = 1 << 14  # names that are strings at one time


class Names(Sequence[str]):
    """N distinct names without line ends, in an order; `find` is the place of one.

    A name's hash is the number that its bytes are, the first being the least, modulo PRIME. Hashes are made when a name
    is first looked for, or by `prepare`, for the time before processes are forked.

    data : the names in UTF-8, each with a line end
    starts : (N + 1,) places of their first bytes
    order, hashes : (N,) the rows in the order of their hashes, and these
    """

    order: np.ndarray
    hashes: np.ndarray

    def __init__(self, data: bytes, starts: np.ndarray | None = None) -> None:
        self.data = data
        if starts is None:
            starts = np.flatnonzero(_bytes(data) == ord("\n")) + 1
            starts = np.concatenate([[0], starts])
        self.starts = starts.astype(np.uint32 if len(data) <= 1 << 31 else np.int64)
        self._starts = self.starts.data
        self._hashes: memoryview | None = None

    @classmethod
    def of(cls, names: Iterable[str]) -> "Names":
        """Return these names, which are distinct."""
        return cls("".join(f"{name}\n" for name in names).encode())

    def __reduce__(self) -> tuple[Any, ...]:
        return Names, (self.data, self.starts)

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

    def take(self, rows: np.ndarray) -> "Names":
        """Return the names of some rows, in the order of these."""
        if len(rows) == len(self) and (rows == np.arange(len(self))).all():
            return self
        first = self.starts[:-1].astype(np.int64)[rows]
        length = self.starts[1:].astype(np.int64)[rows] - first
        starts = np.concatenate([[0], np.cumsum(length)])
        places = np.repeat(first - starts[:-1], length)
        places += np.arange(starts[-1])
        return Names(_bytes(self.data)[places].tobytes(), starts)


def _bytes(data: bytes) -> np.ndarray:
    return np.frombuffer(data, np.uint8) if data else np.empty(0, np.uint8)


class NameTable(Mapping[str, V], Generic[V]):
    """A mapping of Names; a subclass has the values in arrays, and `value` makes that of a row."""

    names: Names

    def value(self, row: int) -> V:
        """Return the value of the row."""
        raise NotImplementedError

    def take(self, rows: np.ndarray) -> "NameTable[V]":
        """Return the table of some rows, in the order of these."""
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.names)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __contains__(self, name: object) -> bool:
        return self.names.find(name) >= 0

    def __getitem__(self, name: str) -> V:
        row = self.names.find(name)
        if row < 0:
            raise KeyError(name)
        return self.value(row)

    def items(self) -> ItemsView[str, V]:
        """Return what a dict does; the rows are passed in their order, without a search for each."""
        return _Items(self)

    def values(self) -> ValuesView[V]:
        """Return what a dict does."""
        return _Values(self)

    def share(self, names: Names) -> None:
        """Take these names in place of the table's own, where they are the same."""
        if self.names.data == names.data:
            self.names = names

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)}>"


class _Items(ItemsView[str, V]):
    _mapping: NameTable[V]

    def __iter__(self) -> Iterator[tuple[str, V]]:
        return zip(self._mapping.names, map(self._mapping.value, range(len(self._mapping))), strict=True)


class _Values(ValuesView[V]):
    _mapping: NameTable[V]

    def __iter__(self) -> Iterator[V]:
        return map(self._mapping.value, range(len(self._mapping)))


class Counts(NameTable[int]):
    """Name -> number, of (N,) int32 `counts`."""

    def __init__(self, names: Names, counts: np.ndarray) -> None:
        self.names, self.counts = names, counts

    @classmethod
    def of(cls, table: Mapping[str, int]) -> "Counts":
        """Return the same table."""
        return cls(Names.of(table), np.fromiter(table.values(), np.int32, len(table)))

    def value(self, row: int) -> int:
        """Return the number of the row."""
        return int(self.counts[row])

    def take(self, rows: np.ndarray) -> "Counts":
        """Return the table of some rows, in the order of these."""
        return Counts(self.names.take(rows), self.counts[rows])


class Labels(NameTable[str]):
    """Name -> one of few strings, `labels`, as of utt2spk: (N,) int32 `codes` are places among these."""

    def __init__(self, names: Names, labels: Sequence[str], codes: np.ndarray) -> None:
        self.names, self.labels, self.codes = names, labels, codes

    @classmethod
    def of(cls, table: Mapping[str, str]) -> "Labels":
        """Return the same table."""
        places: dict[str, int] = {}
        codes = np.fromiter((places.setdefault(value, len(places)) for value in table.values()), np.int32, len(table))
        return cls(Names.of(table), list(places), codes)

    def value(self, row: int) -> str:
        """Return the string of the row."""
        return self.labels[self.codes[row]]

    def take(self, rows: np.ndarray) -> "Labels":
        """Return the table of some rows, in the order of these; `labels` that no row has stay."""
        return Labels(self.names.take(rows), self.labels, self.codes[rows])


class Places(NameTable[str]):
    """Name -> `path:offset` in one of few archives: (N,) int32 `codes` are places among `paths`, (N,) int64 offsets."""

    def __init__(self, names: Names, paths: Sequence[str], codes: np.ndarray, offsets: np.ndarray) -> None:
        self.names, self.paths, self.codes, self.offsets = names, paths, codes, offsets

    def value(self, row: int) -> str:
        """Return the place of the row."""
        return f"{self.paths[self.codes[row]]}:{self.offsets[row]}"

    def take(self, rows: np.ndarray) -> "Places":
        """Return the table of some rows, in the order of these."""
        return Places(self.names.take(rows), self.paths, self.codes[rows], self.offsets[rows])


def present(names: Collection[str], table: Collection[str]) -> np.ndarray:
    """Return (N,) bool, which of N names a table has."""
    if isinstance(names, NameTable) and isinstance(table, NameTable):
        return table.names.rows_of(names.names) >= 0
    return np.fromiter((name in table for name in names), bool, len(names))


def absent(names: Collection[str], table: Collection[str]) -> list[str]:
    """Return the names that a table has not, in their order."""
    missing = np.flatnonzero(~present(names, table))
    if isinstance(names, NameTable):
        return [names.names[row] for row in missing.tolist()]
    wanted = set(missing.tolist())
    return [name for row, name in enumerate(names) if row in wanted] if wanted else []


def kept_in(table: Mapping[str, V], other: Collection[str]) -> Mapping[str, V]:
    """Return the rows of a table whose names the other has."""
    there = present(table, other)
    if there.all():
        return table
    if isinstance(table, NameTable):
        return table.take(np.flatnonzero(there))
    return {name: value for (name, value), kept in zip(table.items(), there.tolist(), strict=True) if kept}


def share_names(first: object, *others: object) -> None:
    """Have tables use the names of the first where they have the same, and make its hashes now."""
    if isinstance(first, NameTable):
        first.names.prepare()
        for other in others:
            if isinstance(other, NameTable):
                other.share(first.names)
                other.names.prepare()
