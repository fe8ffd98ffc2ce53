"""What people see of a running stage: dated lines, progress with rate and ETA, one sentence for an error."""

import io
import os
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from sre import BrokenOff, SreError

LINE_EVERY_S = 30.0  # where there is no terminal to redraw
FIRST_LINES_S = (3.0, 10.0)  # before that
REDRAW_EVERY_S = 1.0
_is_silent = False


def silence() -> None:
    """Say nothing from now on but errors, in a process whose peer says the same."""
    global _is_silent
    _is_silent = True


def say(text: str) -> None:
    """Print a dated line on stderr."""
    if _is_silent:
        return
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def warn(text: str) -> None:
    """Say what a person should know of; a run repeats it at its end."""
    say(f"warning: {text}")


def run(main: Callable[[], object]) -> None:
    """Call a command's main; an SreError becomes its sentence on stderr and exit status 1."""
    if hasattr(sys.stdout, "reconfigure"):  # a name that the terminal's coding has not, or that is no text, is escaped
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # `… | head` has read enough
        sys.stdout = None
        sys.exit(141)
    except Exception as error:
        if sentence_of(error) is None:
            raise
        fail(error)


def sentence_of(error: Exception) -> str | None:
    """Return what to tell a person of an error; None where it is a fault of the program, for which a traceback is."""
    if isinstance(error, SreError):
        return str(error)
    if isinstance(error, OSError):  # what the system refuses: no room, a read-only or missing place, a quota
        where = "" if error.filename is None else f"{error.filename}: "
        return f"{where}{error.strerror or error}; mend that, then the same command goes on"
    if isinstance(error, UnicodeEncodeError):  # a path that is not UTF-8, on its way into a table
        words = re.split(r"\s", error.object[: error.start])[-1], error.object[error.start :].split()[0]
        return f"{''.join(words)!a}: not UTF-8 text, which files of ours are; rename it"
    if type(error).__name__ == "OutOfMemoryError":  # torch's, of a GPU; torch is not loaded for it
        reason = str(error).partition(". GPU")[0].replace(". ", ", ")
        return (
            f"the GPU has not enough memory ({reason[:160]}); for a training lower training.batch_size or raise"
            " training.accumulate, or end what else is on the card"
        )
    if isinstance(error, MemoryError):
        return f"not enough memory ({str(error) or 'of this machine'}); ask for less at once, or free some"
    return None


def run_at_least(main: Callable[[], object]) -> None:
    """Call a command's main as `run` does.

    The error goes to the terminal where the disk is so full that the log cannot take it.
    """
    terminal = os.dup(sys.stderr.fileno())
    try:
        run(main)
    except OSError as error:
        full = f"the log cannot be written ({error.strerror}); make room there, then the same command goes on"
        said: BaseException | None = error
        while said and not isinstance(said, SreError):
            said = said.__context__
        os.write(terminal, f"error: {said or full}\n".encode())
        os._exit(1)


def fail(error: Exception) -> NoReturn:
    """Print the sentence of an error and exit. A job that was broken off is tried again, one with an error is not."""
    kind = "broken off" if isinstance(error, BrokenOff) else "error"
    whose = f"rank {os.environ.get('RANK')}: " if _is_silent else ""  # of torchrun's processes, all but the first
    show(f"{kind}: {whose}{sentence_of(error)}")
    sys.exit(1)


def show(text: str) -> None:
    """Print a text of several lines on stderr, as it is."""
    print(text, file=sys.stderr, flush=True)


def print_to(log: Path) -> None:
    """Make the file what stdout and stderr are from now on, those of subprocesses and libraries too."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as file:
        for stream in (sys.stdout, sys.stderr):
            assert isinstance(stream, io.TextIOWrapper)  # as every process begins
            stream.flush()
            os.dup2(file.fileno(), stream.fileno())
            stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)


def clock(seconds: float) -> str:
    """Return seconds as '1:02:05' (3725 s) or '1:05' (65 s)."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Progress:
    """A count of what is done: it redraws one line on a terminal, and prints a line each half minute elsewhere.

    before : done in an earlier run, which is no part of the rate
    at_most : the total may not be reached
    """

    def __init__(self, what: str, total: float, unit: str, before: float = 0, at_most: bool = False) -> None:
        self.what, self.total, self.unit, self.at_most = what, total, unit, at_most
        self.done, self.before, self.begun = before, before, time.monotonic()
        self.terminal = sys.stderr.isatty() and not _is_silent
        self.shown = self.begun

    def add(self, done: float, note: str = "") -> None:
        self.done += done
        now = time.monotonic()
        if now - self.shown >= self._pause():
            self.shown = now
            self._show(now, note)

    def _pause(self) -> float:
        if self.terminal:
            return REDRAW_EVERY_S
        ran = self.shown - self.begun
        return next((first - ran for first in FIRST_LINES_S if first > ran), LINE_EVERY_S)

    def _show(self, now: float, note: str) -> None:
        rate = (self.done - self.before) / max(now - self.begun, 1e-9)
        eta = clock((self.total - self.done) / rate) if rate > 0 and self.total else "?"
        done = f"{self.done:.0f} of {self.total:.0f} {self.unit}"
        text = f"{self.what}: {done}, {rate:.4g} {self.unit}/s, ETA {'at most ' * self.at_most}{eta} {note}"
        if self.terminal:
            print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
        else:
            say(text.rstrip())

    def close(self, note: str = "") -> float:
        """Print the last line and return the seconds it took."""
        seconds = time.monotonic() - self.begun
        if self.terminal:
            print("\r\033[K", end="", file=sys.stderr)
        done = self.done - self.before
        rate = done / max(seconds, 1e-9)
        say(f"{self.what}: {done:.0f} {self.unit} in {clock(seconds)}, {rate:.4g} {self.unit}/s {note}".rstrip())
        return seconds


def aligned(table: Sequence[Sequence[str]]) -> str:
    """The rows of a table as lines, each column padded with spaces to its widest cell."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table)
    return "".join(line.rstrip() + "\n" for line in padded)
