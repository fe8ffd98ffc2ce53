"""Seeded draws that are the same on every machine: from raw bits of PCG64, whose stream numpy guarantees."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from sre.io.atomic import sha256_text

T = TypeVar("T")


class Draw:
    """A generator of one purpose, which its words name: what one draws does not depend on what others do."""

    def __init__(self, *words: object) -> None:
        self._bits = np.random.PCG64(int(sha256_text(" ".join(map(str, words)))[:32], 16))

    def order(self, size: int) -> np.ndarray:
        """Return (size,) int64 places 0 to size - 1 in a random order."""
        return np.argsort(self._bits.random_raw(size), kind="stable")

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return the items in a random order."""
        return [items[place] for place in self.order(len(items))]

    def below(self, sizes: np.ndarray) -> np.ndarray:
        """Return (n,) int64 numbers, each from 0 to its size of (n,) minus 1."""
        return (self._bits.random_raw(len(sizes)) % sizes.astype(np.uint64)).astype(np.int64)

    def distinct(self, count: int, size: int) -> np.ndarray:
        """Return (count,) int64 sorted distinct numbers from 0 to size - 1."""
        if 2 * count >= size:
            return np.sort(self.order(size)[:count])
        found = np.empty(0, np.int64)
        while len(found) < count:
            found = np.union1d(found, self.below(np.full(count - len(found), size)))
        return found
