"""What each process of a training is doing, and what becomes of a training in which nothing is done any more."""

import faulthandler
import mmap
import os
import struct
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from sre import BrokenOff
from sre.machine.log import fail, say

FORM = struct.Struct("<dqqqqq")  # of a State
SLOW_TIMES = 6  # so much longer may take what is slow
LOOK_EVERY_S = 1.0


class Doing(IntEnum):
    """What a process is at, in the order of a step: of two at one step the lower one is behind."""

    OUTSIDE = 0
    JUDGES = 1
    SAVES = 2
    READS = 3
    COMPUTES = 4
    EXCHANGES = 5
    WAITS = 6


WORDS = (
    "outside its steps",
    "validating",
    "saving",
    "reading a batch",
    "computing",
    "exchanging gradients",
    "waiting for the others",
)
SLOW = (Doing.JUDGES, Doing.SAVES)


class State(NamedTuple):
    """What a process has done at `at`, on the clock of time.monotonic, which all processes of a machine share.

    step, updates : the steps that are done, and all of the training
    saved : the step of the newest checkpoint
    begun : the steps that this run has done
    """

    at: float
    step: int
    updates: int
    saved: int
    begun: int
    doing: Doing

    @property
    def is_slow(self) -> bool:
        """Whether it may take long: for the first step code is compiled, and what later ones find in memory is read."""
        return self.doing in SLOW or not self.begun

    def __str__(self) -> str:
        return f"at step {self.step}, {WORDS[self.doing]}"


class Notes:
    """The state of this process, in its memory or in a file, which another process can read while this one hangs."""

    def __init__(self) -> None:
        self.room: bytearray | mmap.mmap = bytearray(FORM.size)
        self.begin(0, 0)

    def lie_in(self, path: Path) -> None:
        """Keep the state in a file from now on."""
        begun = path.with_name(f"new.{path.name}")
        begun.write_bytes(self.room)
        with open(begun, "r+b") as file:
            self.room = mmap.mmap(file.fileno(), FORM.size)
        begun.rename(path)

    def begin(self, step: int, updates: int) -> None:
        """Note that the steps begin, at one of so many; of 0 that they do not yet."""
        self.step, self.updates, self.saved, self.begun = step, updates, step, 0
        self.note(Doing.READS if updates else Doing.OUTSIDE)

    def note(self, doing: Doing) -> None:
        """Note what this process is doing from now on."""
        self.doing = doing
        FORM.pack_into(self.room, 0, time.monotonic(), self.step, self.updates, self.saved, self.begun, doing)

    def ended(self, step: int) -> None:
        """Note that so many steps are done."""
        self.step, self.begun = step, self.begun + 1
        self.note(Doing.READS)

    @property
    def state(self) -> State:
        """What is noted."""
        return read(self.room)

    @contextmanager
    def during(self, doing: Doing) -> Iterator[None]:
        """Note what this process is doing in this block."""
        before = self.doing
        self.note(doing)
        yield
        self.note(before)


OWN = Notes()


def read(room: bytes | bytearray | mmap.mmap) -> State:
    """Return the state of its bytes."""
    at, step, updates, saved, begun, doing = FORM.unpack_from(room)
    return State(at, step, updates, saved, begun, Doing(doing))


def is_stalled(states: Mapping[int, State], seconds: float) -> bool:
    """Return whether no process has done anything for so many seconds; 0: never.

    What is slow may take longer; what is outside the steps, as reading data before them, as long as it takes.
    """
    if not seconds or any(state.doing == Doing.OUTSIDE for state in states.values()):
        return False
    limit = seconds * (SLOW_TIMES if any(state.is_slow for state in states.values()) else 1)
    return time.monotonic() - max(state.at for state in states.values()) > limit


def behind(states: Mapping[int, State], pids: Mapping[int, int]) -> list[int]:
    """Return the ranks that the others wait for: those that are stopped, else those that have come least far."""
    if stopped := [rank for rank in states if is_stopped(pids[rank])]:
        return stopped
    least = min((state.step, state.doing) for state in states.values())
    return [rank for rank, state in states.items() if (state.step, state.doing) == least]


def is_stopped(pid: int) -> bool:
    """Return whether a process is stopped, as by SIGSTOP; False where the system does not tell."""
    with suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    return False


def goes_on(states: Mapping[int, State]) -> str:
    """Return that the same command goes on, and where, if the steps have begun."""
    begun = [state.saved for state in states.values() if state.updates]
    return f"the same command goes on{f' at step {max(begun)}' if begun else ''}"


def stopped(states: Mapping[int, State]) -> str:
    """Return the words for a training that was interrupted."""
    if not states:
        return "stopped; the same command goes on"
    last = max(states.values(), key=lambda state: state.step)
    saved = max(state.saved for state in states.values())
    return f"stopped at step {last.step}; the same command goes on from step {saved} of {last.updates}"


def nothing_ended(seconds: float) -> str:
    return f"nothing was done for {seconds:g} s (training.watchdog_s)"


@contextmanager
def watched(seconds: float, step: int, updates: int) -> Iterator[None]:
    """Watch the training in this block, which begins at a step.

    If nothing is done for so many seconds, the stacks of all threads are printed, and the process ends. The parent does
    so for the ranks that it has started.
    """
    OWN.begin(step, updates)
    ended = threading.Event()
    if seconds and isinstance(OWN.room, bytearray):
        threading.Thread(target=_watch, args=(seconds, ended), daemon=True).start()
    try:
        yield
    finally:
        ended.set()
    OWN.note(Doing.OUTSIDE)


def _watch(seconds: float, ended: threading.Event) -> None:
    while not ended.wait(min(LOOK_EVERY_S, seconds / 4)):
        states = {0: OWN.state}
        if is_stalled(states, seconds):
            say("the stacks of all threads:")
            faulthandler.dump_traceback(sys.stderr, all_threads=True)
            with suppress(SystemExit):
                fail(BrokenOff(f"{nothing_ended(seconds)}: the training is {states[0]}; {goes_on(states)}"))
            os._exit(1)
