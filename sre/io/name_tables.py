"""Tables of many names in arrays: mappings of Names (names.py), which behave as dicts do that nobody changes."""

from collections.abc import Collection, ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from typing import Generic, TypeVar

import numpy as np

from sre.io.names import Lines, Names

V = TypeVar("V", int, str)


class NameTable(Mapping[str, V], Generic[V]):
    """A mapping of Names; a subclass has the values in arrays, and `value` makes that of a row."""

    names: Names

    def value(self, row: int) -> V:
        """Return the value of the row."""
        raise NotImplementedError

    def take(self, rows: np.ndarray) -> "NameTable[V]":
        """Return the table of some rows, in the order of these."""
        raise NotImplementedError

    def each(self) -> Iterator[V]:
        """Yield the values in the order of their rows."""
        return map(self.value, range(len(self)))

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
        return zip(self._mapping.names, self._mapping.each(), strict=True)


class _Values(ValuesView[V]):
    _mapping: NameTable[V]

    def __iter__(self) -> Iterator[V]:
        return self._mapping.each()


class Counts(NameTable[int]):
    """Name -> number, of (N,) `counts`: int32, or int64 where one needs it."""

    def __init__(self, names: Names, counts: np.ndarray) -> None:
        self.names, self.counts = names, counts

    @classmethod
    def of(cls, table: Mapping[str, int]) -> "Counts":
        """Return the same table."""
        counts = np.fromiter(table.values(), np.int64, len(table))
        return cls(Names.of(table), counts.astype(np.int32) if counts.max(initial=0) < 1 << 31 else counts)

    def value(self, row: int) -> int:
        """Return the number of the row."""
        return int(self.counts[row])

    def take(self, rows: np.ndarray) -> "Counts":
        """Return the table of some rows, in the order of these."""
        return Counts(self.names.take(rows), self.counts[rows])


class Texts(NameTable[str]):
    """Name -> any string without a line end, of (N,) `texts`."""

    def __init__(self, names: Names, texts: Lines) -> None:
        self.names, self.texts = names, texts

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str]]) -> "Texts":
        """Return the table of these rows, whose names are distinct."""
        keys, values = bytearray(), bytearray()
        for key, value in rows:
            keys += f"{key}\n".encode()
            values += f"{value}\n".encode()
        return cls(Names(bytes(keys)), Lines(bytes(values)))

    @classmethod
    def joined(cls, tables: Sequence["Texts"]) -> "Texts":
        """Return the rows of all tables, which have no name in common."""
        names = Names(b"".join(table.names.data for table in tables))
        return cls(names, Lines(b"".join(table.texts.data for table in tables)))

    def value(self, row: int) -> str:
        """Return the string of the row."""
        return self.texts[row]

    def each(self) -> Iterator[str]:
        """Yield the strings in the order of their rows."""
        return iter(self.texts)

    def take(self, rows: np.ndarray) -> "Texts":
        """Return the table of some rows, in the order of these."""
        return Texts(self.names.take(rows), self.texts.take(rows))


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

    @classmethod
    def joined(cls, tables: Sequence["Labels"]) -> "Labels":
        """Return the rows of all tables, which have no name in common."""
        if len(tables) == 1:
            return tables[0]
        places: dict[str, int] = {}
        codes = [
            np.array([places.setdefault(label, len(places)) for label in table.labels], np.int32)[table.codes]
            for table in tables
        ]
        names = Names(b"".join(table.names.data for table in tables))
        return cls(names, list(places), np.concatenate([np.empty(0, np.int32), *codes]))

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
    first, second = (table.names if isinstance(table, NameTable) else table for table in (names, table))
    if isinstance(first, Names) and isinstance(second, Names):
        return second.rows_of(first) >= 0
    if not isinstance(table, Mapping | AbstractSet | Names):
        table = set(table)
    return np.fromiter((name in table for name in names), bool, len(names))


def numbers_of(names: Names, table: Mapping[str, int], missing: int = 0) -> np.ndarray:
    """Return (N,) int64, the numbers of names in a table; `missing` for those that it has not."""
    if isinstance(table, Counts):
        rows = table.names.rows_of(names)
        return np.append(table.counts, missing)[rows].astype(np.int64)
    return np.fromiter((table.get(name, missing) for name in names), np.int64, len(names))


def absent(names: Collection[str], table: Collection[str]) -> list[str]:
    """Return the names that a table has not, in their order."""
    missing = np.flatnonzero(~present(names, table))
    if isinstance(names, NameTable):
        names = names.names
    if isinstance(names, Names):
        return [names[row] for row in missing.tolist()]
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


def share_names(*tables: object) -> None:
    """Have tables use the names of the first where they have the same, and make its hashes now."""
    first, *others = tables or (None,)
    if isinstance(first, NameTable):
        first.names.prepare()
        for other in others:
            if isinstance(other, NameTable):
                other.share(first.names)
                other.names.prepare()
