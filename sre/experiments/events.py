"""Histories of trainings as TensorBoard's event files, which are made anew where a history is no longer theirs."""

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sre import SreError
from sre.training.meter import seconds_of
from sre.training.summary import HISTORY_FILE, Epoch, read_history

POLL_S = 5.0
TAGS = {  # of columns of history.jsonl: TensorBoard draws those with one beginning together
    "loss": "loss/training",
    "valid_loss": "loss/validation",
    "accuracy": "accuracy/training",
    "valid_accuracy": "accuracy/validation",
    "valid_eer": "eer/validation",
    "lr": "schedule/lr",
    "margin": "schedule/margin",
    "grad_norm": "gradient/norm",
    "skipped_steps": "gradient/skipped_steps",
    "utt_per_s": "speed/utt_per_s",
    "data_wait": "speed/data_wait",
    "seconds": "speed/seconds",
    "validation_s": "speed/validation_s",
    "memory_mib": "memory/training_mib",
    "workers_mib": "memory/workers_mib",
    "gpu_mib": "memory/gpu_mib",
}
NOT_DRAWN = ("epoch", "step", "chunks")


def histories(folder: Path) -> dict[str, Path]:
    """Map each run of exp/<name> to its history; of exp/<name>/<run> that one. Raises SreError where there is none."""
    files = [folder / HISTORY_FILE] if (folder / HISTORY_FILE).is_file() else sorted(folder.glob(f"*/{HISTORY_FILE}"))
    if not files:
        raise SreError(f"{folder}: no RUN/{HISTORY_FILE} in it; a training writes it at the end of its first epoch")
    return {path.parent.name: path for path in files}


def follow(folder: Path, out: Path) -> None:
    """Write what there is of the runs of a folder, and then each further epoch, until Ctrl-C."""
    _tensorboard()
    written: dict[str, EventFile] = {}
    while True:
        found: dict[str, Path] = {}
        with suppress(SreError):  # none yet
            found = histories(folder)
        write(found, out, written)
        time.sleep(POLL_S)


def write(found: dict[str, Path], out: Path, written: "dict[str, EventFile]") -> int:
    """Write the epochs that `written` does not have; return how many there are of all runs."""
    for run, path in found.items():
        written.setdefault(run, EventFile(out / run)).update(read_history(path), path.stat().st_mtime)
    return sum(len(written[run].rows) for run in found)


@dataclass
class EventFile:
    """The event file of one run, in a folder of its own."""

    folder: Path
    rows: list[Epoch] = field(default_factory=list)
    writer: Any = None

    def update(self, rows: Sequence[Epoch], now: float) -> None:
        """Append the rows that are new, the last of which is of the time `now`; begin anew if others have changed."""
        if self.writer is None or str(list(rows[: len(self.rows)])) != str(self.rows):  # a NaN is as it was
            self._begin(rows)
        for place in range(len(self.rows), len(rows)):
            self._add(rows[place], now - seconds_of(rows[place + 1 :]))
        self.rows = list(rows)
        self.writer.flush()

    def _begin(self, rows: Sequence[Epoch]) -> None:
        """Delete what an earlier process or another training has written, and open a file."""
        writer, _, _ = _tensorboard()
        self.close()
        for old in self.folder.glob("events.out.tfevents.*"):
            old.unlink()
        self.rows, self.writer = [], writer(str(self.folder))

    def _add(self, row: Epoch, at: float) -> None:
        _, event, summary = _tensorboard()
        told = ((TAGS.get(name, name), value) for name, value in row.items() if name not in NOT_DRAWN)
        values = [summary.Value(tag=tag, simple_value=value) for tag, value in told if value is not None]
        self.writer.add_event(event(wall_time=at, step=step_of(row), summary=summary(value=values)))

    def close(self) -> None:
        """Close the file, if one is open."""
        if self.writer is not None:
            self.writer.close()


def step_of(row: Epoch) -> int:
    """Return the updates until the end of an epoch; its number where a history of before tells no updates."""
    return int(row.get("step") or row["epoch"] or 0)


def close(written: Iterable[EventFile]) -> None:
    """Close event files."""
    for file in written:
        file.close()


def _tensorboard() -> tuple[Any, Any, Any]:
    """Return TensorBoard's writer of event files, and its forms of an event and of a summary."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError:
        raise SreError("tensorboard is not installed; run pip install 'sre[tensorboard]'") from None
    return EventFileWriter, Event, Summary
