"""Buffers of numpy's operations."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

LEAST = 16  # numbers, the smallest buffer that numpy takes


@contextmanager
def unbuffered() -> Iterator[None]:
    """Let numpy's operations, in this thread, go row by row over arrays that are not one long run.

    From version 2.3 on it copies rows to buffers of 8192 numbers otherwise, and so takes up to three times as long.
    Operations on each number have the same result. Sums of arrays that are converted do not, so none belong in here.
    """
    kept = np.setbufsize(LEAST)
    try:
        yield
    finally:
        np.setbufsize(kept)
