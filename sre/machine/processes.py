"""Work that several processes share, in an order that does not depend on how many there are."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

from sre import SreError

Piece = TypeVar("Piece")
Result = TypeVar("Result")


def in_processes(function: Callable[[Piece], Result], pieces: Iterable[Piece], workers: int) -> Iterator[Result]:
    """Yield what a function returns of each piece, in their order; with one worker in this process.

    Raises SreError where a process is killed.
    """
    if workers == 1:
        yield from map(function, pieces)
        return
    try:
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            yield from pool.map(function, pieces)
    except BrokenProcessPool:
        raise SreError(f"one of {workers} processes was killed, for lack of memory? Lower --num-workers") from None
