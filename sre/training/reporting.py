"""What a rank tells the process that has started it: what it does, where it stands, and its error.

A rank is a process of a training that `sre.training.launch` has started. It reports in files, which its parent reads
also when the rank hangs or is dead.
"""

import faulthandler
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sre import BrokenOff
from sre.machine.log import sentence_of
from sre.machine.processes import end_with
from sre.training import watch

NOTES = "SRE_RANK_NOTES"  # in the environment of a rank: the folder of its files
PARENT = "SRE_RANK_PARENT"  # the process that has started it
STATE, STACK, TOLD, LOST = "state.{}", "stack.{}", "told.{}", "lost.{}"  # the files, of each rank
SENTENCE, TRACEBACK = "sentence", "traceback"  # the first line of TOLD


@contextmanager
def as_rank() -> Iterator[None]:
    """Report what this process does in this block, and its error, if it is a rank; do nothing in other processes.

    An error ends the rank at once, as its peers may wait for it. A rank ends with its parent.
    """
    if NOTES not in os.environ:
        yield
        return
    end_with(int(os.environ[PARENT]))
    folder, rank = Path(os.environ[NOTES]), os.environ["RANK"]
    with open(folder / STACK.format(rank), "w") as stack:
        faulthandler.register(signal.SIGUSR1, stack, all_threads=True)
        watch.OWN.lie_in(folder / STATE.format(rank))
        try:
            yield
        except Exception as error:
            _report(folder, rank, error)
            sys.stdout.flush(), sys.stderr.flush()
            os._exit(1)


def _report(folder: Path, rank: str, error: Exception) -> None:
    if isinstance(error, BrokenOff):  # by a peer
        (folder / LOST.format(rank)).write_text(str(error))
        return
    sentence = sentence_of(error)
    text = f"{TRACEBACK}\n{traceback.format_exc()}" if sentence is None else f"{SENTENCE}\n{sentence}"
    (folder / TOLD.format(rank)).write_text(text)
