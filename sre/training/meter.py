"""What a training measures of itself: its epochs' means and rates, memory, and the time of all its runs."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sre import SreError
from sre.io.atomic import write_json
from sre.io.forms import NUMBER
from sre.io.text import read_object
from sre.machine.log import clock
from sre.training.summary import Epoch

# of an epoch so far; `norm` is the sum of the gradient's norms over `good` steps, those that were not skipped
NO_SUMS = {"loss": 0.0, "right": 0, "chunks": 0, "bad": 0, "norm": 0.0, "good": 0, "overflows": 0}
NO_SUMS |= {"seconds": 0.0, "waited": 0.0}
TIME_FILE = "time.json"  # beside the checkpoints
WRITE_EVERY_S = 15.0  # what a kill may take from the time that is known
COLUMNS = {  # of what a person sees of an epoch: heading, format; those after `validation` are of validation
    "loss": "loss {:.4g}",
    "accuracy": "accuracy {:.4g} %",
    "valid_loss": "loss {:.4g}",
    "valid_accuracy": "accuracy {:.4g} %",
    "valid_eer": "EER {:.4g} %",
    "lr": "lr {:.3g}",
    "margin": "margin {:.3g}",
    "skipped_steps": "{:.0f} steps skipped",
}


def means(sums: Mapping[str, float]) -> Epoch:
    """Return the columns of history.jsonl that the sums over an epoch's steps tell."""
    chunks, seconds = sums["chunks"], sums["seconds"]
    return {
        "loss": sums["loss"] / max(chunks, 1),
        "accuracy": 100 * sums["right"] / max(chunks, 1),
        "skipped_steps": sums["bad"],
        "grad_norm": sums["norm"] / sums["good"] if sums["good"] else None,
        "chunks": chunks,
        "utt_per_s": chunks / seconds,
        "data_wait": sums["waited"] / seconds,
        "seconds": seconds,
    }


def line_of(row: Epoch, epochs: int) -> str:
    """Return what is said of an epoch: training; validation; the schedule; the rate and the time.

    A margin of 0 and no skipped steps are not said.
    """
    told = {name: text.format(row[name]) for name, text in COLUMNS.items() if row.get(name) is not None}
    told = {name: text for name, text in told.items() if row[name] or name not in ("margin", "skipped_steps")}
    valid = [told.pop(name) for name in tuple(told) if name.startswith("valid_")]
    schedule = [told.pop(name) for name in ("lr", "margin") if name in told]
    seconds = seconds_of([row])
    parts = [told.values(), [f"validation {', '.join(valid)}"] if valid else [], schedule]
    said = "; ".join(", ".join(part) for part in parts if part)
    return f"epoch {row['epoch']} of {epochs}: {said}; {row['utt_per_s']:.4g} utt/s, {clock(seconds)}"


def seconds_of(history: Sequence[Epoch]) -> float:
    """Return the seconds of epochs, their validation included where it is told."""
    return sum((row.get(name) or 0.0) for row in history for name in ("seconds", "validation_s"))


@dataclass
class Spent:
    """The seconds of all runs of a training, kept beside its checkpoints.

    It has the start of each run, validation, and what was done after the last checkpoint and lost by a kill. Of a
    killed run up to WRITE_EVERY_S are not known.

    begun : time.monotonic() at the begin of this run
    earlier : seconds of each run before it
    """

    folder: Path
    begun: float
    earlier: list[float] = field(default_factory=list)
    written: float = 0.0

    @classmethod
    def of(cls, folder: Path, begun: float) -> "Spent":
        """Return the time of a training whose checkpoints are in `folder`, at the begin of a further run."""
        path = folder / TIME_FILE
        earlier: list[float] = []
        with suppress(SreError):  # damaged: the time of what is in the checkpoint is known still
            earlier = read_object(path, {"runs_s": [NUMBER]})["runs_s"] if path.is_file() else []
        return cls(folder, begun, earlier)

    @property
    def this_run(self) -> float:
        """The seconds of this run so far."""
        return time.monotonic() - self.begun

    @property
    def total(self) -> float:
        """The seconds of all runs so far."""
        return sum(self.earlier) + self.this_run

    @property
    def runs(self) -> int:
        """The number of runs, this one included."""
        return len(self.earlier) + 1

    def resumed(self, seconds: float) -> None:
        """Take the seconds of the steps in a checkpoint for the earlier runs, where no time of them is kept."""
        self.earlier = self.earlier or [seconds]

    def keep(self, now: bool = False) -> None:
        """Write the time, if it was not written for a while; now: in any case."""
        if now or self.this_run - self.written > WRITE_EVERY_S:
            self.written = self.this_run
            with suppress(SreError):  # a full disk ends the training where it must, at a checkpoint
                write_json(self.folder / TIME_FILE, {"runs_s": [*self.earlier, round(self.this_run, 1)]})


def peak(history: Sequence[Epoch], column: str) -> float | None:
    """Return the largest of a column of memory over the epochs, in whole MiB; None where no epoch tells it."""
    told = [value for row in history if (value := row.get(column)) is not None]
    return round(max(told)) if told else None
