"""Work that several processes share, in an order that does not depend on how many there are."""

import ctypes
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

from sre import SreError

Piece = TypeVar("Piece")
Result = TypeVar("Result")
Tool = TypeVar("Tool")
_tools: list[Any] = []  # of a worker: what its `begin` returned


def in_processes(
    function: Callable[[Tool, Piece], Result],
    pieces: Iterable[Piece],
    workers: int,
    begin: Callable[..., Tool],
    arguments: tuple[object, ...],
) -> Iterator[Result]:
    """Yield what function(tool, piece) returns of each piece, in their order; with one worker in this process.

    begin, arguments : what makes the tool in each process, before its first piece; what is large is sent to it once so
    Raises SreError where a process is killed.
    """
    if workers == 1:
        yield from map(partial(function, begin(*arguments)), pieces)
        return
    try:
        with ProcessPoolExecutor(workers, get_context("spawn"), _begin, (begin, arguments)) as pool:
            yield from pool.map(partial(_do, function), pieces)
    except BrokenProcessPool:
        raise SreError(f"one of {workers} processes was killed, for lack of memory? Lower --num-workers") from None


def _begin(begin: Callable[..., object], arguments: tuple[object, ...]) -> None:
    end_with_parent()
    _tools[:] = [begin(*arguments)]


def _do(function: Callable[[Tool, Piece], Result], piece: Piece) -> Result:
    return function(_tools[0], piece)


def end_with_parent() -> None:
    """End this process as soon as the one that started it has ended, however that was.

    A worker of a pool waits for work for ever where its parent was killed by kill -9.
    """
    threading.Thread(target=_wait_and_end, daemon=True).start()


def end_with(parent: int) -> None:
    """End this process as soon as `parent`, which has started it, has ended, however that was, also if it is stopped.

    Where the system is not Linux a thread looks for the parent each second.
    """
    PR_SET_PDEATHSIG = 1
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_end_without, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it ended before
        os._exit(1)


def _end_without(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _wait_and_end() -> None:
    if (parent := parent_process()) is not None:
        parent.join()
        os._exit(1)
