"""What a training leaves beside final.pt: train_summary.json, history.jsonl, and a plan beside its checkpoints."""

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from sre import SreError
from sre.io.atomic import atomic_output, sha256_text, write_json
from sre.io.forms import NONE, NUMBER, built, check_form, form_of
from sre.io.text import canonical, read_object, read_text, read_versioned
from sre.machine.cards import LEAST_MIB

VERSION = 1  # of train_summary.json; the form before it had none
SUMMARY_FILE, HISTORY_FILE, BUNDLE_FILE = "train_summary.json", "history.jsonl", "final.pt"
PLAN_FILE = "training.json"  # beside checkpoints
TRAIN_AGAIN = "delete it, and the stage train writes it again from its checkpoints"

EPOCH = {"epoch": int, "*": (NONE, NUMBER)}

Epoch = dict[str, float | None]  # a line of history.jsonl: column -> number


@dataclass(frozen=True)
class Counts:
    """How many utterances there were in the training data, and what the filters left out of them.

    rare_speakers : how many speakers they left out altogether
    dropped_of_other_parts : of speakers of another part; None: no part was asked for
    """

    utterances_found: int | None = None
    dropped_without_features: int = 0
    dropped_short: int = 0
    dropped_of_rare_speakers: int = 0
    rare_speakers: int | None = None
    dropped_of_other_parts: int | None = None


@dataclass(frozen=True)
class TrainSummary(Counts):
    """What a training was made of, and what it cost; None is what a summary of elsewhere does not tell.

    utterances, speakers, hours : trained on, once, as they are read; held_out_speakers are kept for validation
    fewer_held_out : why these are fewer than the config asks for
    macs_2s : multiply-adds of the network for 2 s; utterances_per_s_8s : of 8 s, embedded by one CPU core
    epochs : that were done; ended : why they are fewer than was asked for
    final_network : what it is, as training.final says; final_epochs : whose ends it is made of
    training_s : seconds of all its runs: their start, epochs, validation, and what was lost where one was killed
    runs, this_run_s : their number, and the seconds of the one that ended the training. A summary of before has no
        runs, and its training_s is of the epochs alone.
    peak_memory_mib, peak_workers_mib, peak_gpu_mib : of the training's process; of those that read beside it, together,
        where a page that n processes share counts 1/n in each; of tensors on the GPU
    device_s : seconds of all its runs, each times its devices; num_devices : of the run that ended the training
    gpu_busy : mean share of the epochs' time, 0 to 1, in which the cards were busy; energy_j : of the cards, over all
        runs. Both are what NVML tells.
    reading : of sre.training.advice.Reading
    config : the model's resolved config
    init : what the training started from, as of a Bundle; None: it started afresh
    others : names that are not ours, of a summary written elsewhere
    """

    speakers: int | None = None
    utterances: int | None = None
    hours: float | None = None
    held_out_speakers: int | None = None
    fewer_held_out: str = ""
    parameters: int | None = None
    macs_2s: float | None = None
    utterances_per_s_8s: float | None = None
    epochs: int | None = None
    ended: str = ""
    final_network: str = ""
    final_epochs: list[int] | None = None
    seed: int | None = None
    precision: str | None = None
    training_s: float | None = None
    this_run_s: float | None = None
    runs: int | None = None
    peak_memory_mib: float | None = None
    peak_workers_mib: float | None = None
    peak_gpu_mib: float | None = None
    num_devices: int | None = None
    device_s: float | None = None
    gpu_busy: float | None = None
    energy_j: float | None = None
    reading: dict[str, Any] = field(default_factory=dict)
    config_sha256: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    init: list[dict[str, str]] | None = None
    code: str = ""
    python: str = ""
    packages: dict[str, str] = field(default_factory=dict)
    device: str = ""
    others: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return what is written, by name: all that is known."""
        content = asdict(self)
        told = sorted((content.pop("others") | content).items())
        return {name: value for name, value in told if value not in (None, "", {})}

    def told(self) -> dict[str, Any]:
        """Return what it tells, without the long parts: config and packages."""
        return {name: value for name, value in self.as_dict().items() if name not in ("config", "packages")}

    def cost_s(self, last_run_s: float | None = None) -> float | None:
        """Return the seconds that the training has cost, all runs together; None where nobody knows.

        last_run_s : of the record of the job that ended it, which a summary of before may be shorter than
        """
        known = [seconds for seconds in (self.training_s, last_run_s) if seconds is not None]
        return self.training_s if self.runs else max(known, default=None)

    def write(self, path: Path) -> None:
        """Write train_summary.json whole."""
        write_json(path, self.as_dict() | {"version": VERSION})

    @classmethod
    def read(cls, path: str | Path) -> "TrainSummary":
        """Read a train_summary.json, also of the form without a version.

        Raises SreError naming the file where it is missing, damaged, of another form or of a newer version.
        """
        content = read_versioned(path, SUMMARY, VERSION, TRAIN_AGAIN)
        known = {one.name for one in fields(cls)} - {"others"}
        others = {name: value for name, value in content.items() if name not in known}
        return built(cls, content | {"others": others})


def card_memory_mib(folder: Path) -> float:
    """Return the free memory that a training in a folder needs of a card, in MiB: by the one that was done there."""
    peak = None
    with suppress(SreError):  # damaged, and to be written anew
        peak = TrainSummary.read(folder / SUMMARY_FILE).peak_gpu_mib if (folder / SUMMARY_FILE).is_file() else None
    return LEAST_MIB if peak is None else 1.25 * peak + 1024  # what torch keeps beside its tensors, and CUDA's own


COUNTED = ("utterances_found", "utterances", "speakers", "held_out_speakers")  # which a bundle of elsewhere lacks
SUMMARY = tuple(form_of(TrainSummary) | told for told in ({"utterances_found?": NONE}, dict.fromkeys(COUNTED, int)))


@dataclass(frozen=True)
class TrainingPlan:
    """The training that the checkpoints beside it are of.

    steps : of all epochs; the last one may have fewer than steps_per_epoch
    """

    config_sha256: str
    epochs: int
    steps_per_epoch: int
    steps: int | None = None

    def epochs_at(self, step: int) -> int:
        """Return how many epochs have ended at a step."""
        return self.epochs if step == self.steps else step // max(self.steps_per_epoch, 1)

    def write(self, folder: Path) -> None:
        """Write it into the folder of the checkpoints."""
        with atomic_output(folder / PLAN_FILE) as file:
            json.dump(asdict(self), file)

    @classmethod
    def read(cls, path: Path) -> "TrainingPlan":
        """Read a plan. Raises SreError naming the file where it is damaged or of another form."""
        return built(cls, read_object(path, form_of(cls), "delete it"))


@dataclass(frozen=True)
class Trained:
    """One run of a report: its model, its summary, and its history, which is empty for a model trained elsewhere."""

    model: str
    summary: TrainSummary
    history: list[Epoch]


def is_trained(folder: Path, config: dict, development: bool = False, base: dict | None = None) -> bool:
    """Return whether the training of a resolved config is done in exp/<name>/<run>.

    development : the recipe has a development list
    base : the resolved config of the model that it starts from
    Raises SreError where its summary cannot be read, or tells no config; and where it was trained without a development
    list and has heard speakers of it.
    """
    summary = folder / SUMMARY_FILE
    if not (folder / BUNDLE_FILE).is_file() or not summary.is_file():
        return False
    found = TrainSummary.read(summary)
    if not found.config_sha256:
        raise SreError(f"{summary}: config_sha256 is missing; {TRAIN_AGAIN}")
    of_base = found.init[0].get("config_sha256") if found.init else None
    same_base = base is None or of_base == sha256_text(canonical(base))
    is_done = same_base and found.config_sha256 == sha256_text(canonical(config))
    if is_done and development and found.fewer_held_out:
        raise SreError(
            f"{folder / BUNDLE_FILE}: it was trained before there was a development list, and has heard speakers of it"
            f" ({found.fewer_held_out}); delete it, and it is trained without them"
        )
    return is_done


def write_history(path: Path, rows: Sequence[Epoch]) -> None:
    """Write a line an epoch."""
    with atomic_output(path) as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def read_history(path: Path) -> list[Epoch]:
    """Read a history.jsonl, [] where there is none. Raises SreError naming the line that is no epoch."""
    if not path.exists():
        return []
    lines, cure = [], "delete the line or train again"
    for number, text in enumerate(read_text(path).splitlines(), 1):
        try:
            lines.append(check_form(f"{path}:{number}", json.loads(text), EPOCH, cure))
        except ValueError:
            raise SreError(f"{path}:{number}: not the JSON of an epoch; {cure}") from None
    return lines
