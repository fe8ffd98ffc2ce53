"""How the numbers of an experiment were made: all that metrics files, summaries and records tell, to be compared."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sre.config.stages import NUMBERLESS, TRAIN_EMBEDDING
from sre.experiments.records import Record, read_record
from sre.io.text import flatten
from sre.scoring.result import ListResult
from sre.training.summary import SUMMARY_FILE, TrainSummary

TRAINING_TABLES = ("utt2spk", "utt2num_frames")  # they tell training data apart, for they have no paths in them

Settings = dict[str, dict[str, str]]  # part ("training xvector") -> setting ("training.lr") -> what it was


def read_settings(folder: Path, found: Sequence[ListResult]) -> Settings:
    """Return all that is recorded of how the numbers were made; where runs differ in a setting, each value of it."""
    values: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for part, setting in _recorded(folder, found):
        for key, value in flatten(setting):
            values[part][key].add(value if isinstance(value, str) else json.dumps(value, sort_keys=True))
    return {part: {key: " | ".join(sorted(some)) for key, some in of.items()} for part, of in values.items()}


def _recorded(folder: Path, found: Sequence[ListResult]) -> Iterator[tuple[str, Any]]:
    models = {result.run: result.model for result in found}
    for result in found:
        yield f"list {result.trials}", {"name": result.folder.name, "SHA-256": result.trials_sha256[:12]}
        yield f"seeds {result.model}", result.seed
        yield from _environment(result.environment)
    for run, model in models.items():
        if (path := folder / run / SUMMARY_FILE).is_file():
            summary = TrainSummary.read(path)
            yield f"training {model}", {key: value for key, value in summary.config.items() if key != "seed"}
            yield from _environment(vars(summary))
    for file in sorted([*folder.glob("log/*.json"), *folder.glob("*/log/*.json")]):
        record = read_record(file)
        if record and record.step not in NUMBERLESS:
            yield from _environment(vars(record))
            yield from _asked(record, models.get(file.parent.parent.name, ""))


def _environment(told: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for part in ("code", "python", "packages", "device"):
        if told.get(part):
            yield part, told[part]


def _asked(record: Record, model: str) -> Iterator[tuple[str, Any]]:
    """Yield what a job was asked to do; of a training also its data, by tables that have no paths in them."""
    for name, system in record.systems.items():
        yield f"system {name}", system
    for name, backend in record.backends.items():
        yield f"back-end {name}", backend
    if record.step == TRAIN_EMBEDDING:
        digests = {name: record.digest(name) for name in TRAINING_TABLES}
        yield f"data {model}", {name: digest[:12] for name, digest in digests.items() if digest is not None}
