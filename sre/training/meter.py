"""What a training measures of itself: its epochs' means and rates, memory, and the time of all its runs."""

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

from sre import SreError
from sre.io.atomic import write_json
from sre.io.forms import NONE, NUMBER
from sre.io.text import read_object
from sre.machine.log import clock
from sre.machine.nvml import Cards
from sre.training.summary import Epoch

# of an epoch so far; `norm` is the sum of the gradient's norms over `good` steps, those that were not skipped
NO_SUMS = {"loss": 0.0, "right": 0, "chunks": 0, "bad": 0, "norm": 0.0, "good": 0, "overflows": 0}
NO_SUMS |= {"seconds": 0.0, "waited": 0.0}
TIME_FILE = "time.json"  # beside the checkpoints
TIME_FORM = {"runs_s": [NUMBER], "devices?": [int], "energy_j?": [(NONE, NUMBER)]}
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


class RunCost(NamedTuple):
    """What a run of a training took; the energy is that of its cards, None where nobody knows."""

    seconds: float
    devices: int = 1
    energy_j: float | None = None


@dataclass
class Spent:
    """What all runs of a training took, kept beside its checkpoints.

    It has the start of each run, validation, and what was done after the last checkpoint and lost by a kill. Of a
    killed run up to WRITE_EVERY_S are not known.

    begun : time.monotonic() at the begin of this run
    earlier : the runs before it
    devices : of this run; cards : those of them that tell their energy, which are watched
    """

    folder: Path
    begun: float
    earlier: list[RunCost] = field(default_factory=list)
    written: float = 0.0
    devices: int = 1
    cards: Cards | None = None

    @classmethod
    def of(cls, folder: Path, begun: float) -> "Spent":
        """Return the cost of a training whose checkpoints are in `folder`, at the begin of a further run."""
        path = folder / TIME_FILE
        told: dict[str, list] = {"runs_s": []}
        with suppress(SreError):  # damaged: the time of what is in the checkpoint is known still
            told = read_object(path, TIME_FORM) if path.is_file() else told
        runs = zip_longest(told["runs_s"], told.get("devices", []), told.get("energy_j", []))
        return cls(folder, begun, [RunCost(run[0], run[1] or 1, run[2]) for run in runs if run[0] is not None])

    @property
    def this_run(self) -> float:
        """The seconds of this run so far."""
        return time.monotonic() - self.begun

    @property
    def all_runs(self) -> list[RunCost]:
        """All runs so far, this one included."""
        energy = self.cards.energy_j if self.cards else None
        return [*self.earlier, RunCost(self.this_run, self.devices, energy)]

    @property
    def total(self) -> float:
        """The seconds of all runs so far."""
        return sum(run.seconds for run in self.all_runs)

    @property
    def device_s(self) -> float:
        """The seconds of all runs so far, each times its devices."""
        return sum(run.seconds * run.devices for run in self.all_runs)

    @property
    def energy_j(self) -> float | None:
        """The energy of the cards of all runs so far; None where it is not known of one of them."""
        told = [run.energy_j for run in self.all_runs if run.energy_j is not None]
        return sum(told) if len(told) == len(self.all_runs) else None

    @property
    def runs(self) -> int:
        """The number of runs, this one included."""
        return len(self.all_runs)

    def of_epoch(self) -> Epoch:
        """Return the columns of history.jsonl that the cards tell of the time since the last epoch; {} without any."""
        busy = self.cards.busy() if self.cards else None
        return {} if busy is None else {"gpu_busy": busy}

    def of_summary(self) -> dict[str, Any]:
        """Return the fields of a TrainSummary that tell the cost of all runs."""
        seconds = {"training_s": self.total, "this_run_s": self.this_run, "device_s": self.device_s}
        told = {name: round(value, 1) for name, value in seconds.items()}
        return {**told, "runs": self.runs, "num_devices": self.devices, "energy_j": self.energy_j}

    def resumed(self, seconds: float) -> None:
        """Take the seconds of the steps in a checkpoint for the earlier runs, where no time of them is kept."""
        self.earlier = self.earlier or [RunCost(seconds)]

    def keep(self, now: bool = False) -> None:
        """Write the time, if it was not written for a while; now: in any case."""
        if now or self.this_run - self.written > WRITE_EVERY_S:
            self.written = self.this_run
            with suppress(SreError):  # a full disk ends the training where it must, at a checkpoint
                write_json(self.folder / TIME_FILE, self._told())

    def _told(self) -> dict[str, list]:
        """Return the content of TIME_FILE, without what is 1 or unknown of all runs."""
        runs = self.all_runs
        told: dict[str, list] = {"runs_s": [round(run.seconds, 1) for run in runs]}
        told |= {"devices": [run.devices for run in runs]} if any(run.devices > 1 for run in runs) else {}
        joules = [run.energy_j if run.energy_j is None else round(run.energy_j) for run in runs]
        return told | ({"energy_j": joules} if any(joules) else {})


def peak(history: Sequence[Epoch], column: str) -> float | None:
    """Return the largest of a column of memory over the epochs, in whole MiB; None where no epoch tells it."""
    told = [value for row in history if (value := row.get(column)) is not None]
    return round(max(told)) if told else None


def mean_over_time(history: Sequence[Epoch], column: str) -> float | None:
    """Return the mean of a column, each epoch weighted by its seconds; None where no epoch tells it."""
    told = [(value, seconds_of([row])) for row in history if (value := row.get(column)) is not None]
    seconds = sum(weight for _, weight in told)
    return round(sum(value * weight for value, weight in told) / seconds, 3) if seconds else None
