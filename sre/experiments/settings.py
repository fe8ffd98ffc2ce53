"""How the numbers of an experiment were made: all that metrics files, summaries and records tell, to be compared."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from sre.experiments.records import read_record
from sre.io.text import read_object
from sre.training.summary import SUMMARY

NUMBERLESS = ("steps.make_report", "steps.check_recipe", "steps.check_features")  # whose code no score depends on

Settings = dict[str, dict[str, str]]  # part ("training xvector") -> setting ("training.lr") -> what it was


def read_settings(folder: Path, found: Sequence[dict]) -> Settings:
    """All that is recorded of how the numbers were made; where runs differ in a setting, each value of it."""
    values: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for part, setting in _recorded(folder, found):
        for key, text in _flat(setting):
            values[part][key].add(text)
    return {part: {key: " | ".join(sorted(some)) for key, some in of.items()} for part, of in values.items()}


def _recorded(folder: Path, found: Sequence[dict]) -> Iterator[tuple[str, object]]:
    models = {result["run"]: result["model"] for result in found}
    for result in found:
        facts = {"name": result["folder"].name, "SHA-256": result["trials_sha256"][:12]}
        yield f"list {result['trials']}", facts
        yield f"seeds {result['model']}", result["seed"]
        yield from _environment(result.get("environment") or {})
    for run, model in models.items():
        if (path := folder / run / "train_summary.json").is_file():
            summary = read_object(path, SUMMARY)
            yield f"training {model}", {key: value for key, value in summary.get("config", {}).items() if key != "seed"}
            yield from _environment(summary)
    for file in sorted([*folder.glob("log/*.json"), *folder.glob("*/log/*.json")]):
        record = read_record(file)
        if record and record["command"][2] not in NUMBERLESS:
            yield from _environment(record)
            yield from _asked(record, models.get(file.parent.parent.name, ""))


def _environment(record: dict) -> Iterator[tuple[str, object]]:
    for part in ("code", "python", "packages", "device"):
        if part in record:
            yield part, record[part]


def _asked(record: dict, model: str) -> Iterator[tuple[str, object]]:
    """What a job was asked to do; of a training also its data, by tables that have no paths in them."""
    command = record["command"]
    if command[2] == "steps.score_systems":
        for name, system in json.loads(command[3])["systems"].items():
            yield f"system {name}", system
    elif command[2] == "steps.train_backend" and "--leave-out" not in command:
        is_json = command[3].lstrip().startswith("{")  # by hand it may be a name or a YAML
        yield f"back-end {Path(command[-1]).stem}", json.loads(command[3]) if is_json else command[3]
    elif command[2] == "steps.train_embedding":
        tables = {Path(path).name: identity for path, identity in record["inputs"].items() if identity}
        digests = {
            name: tables[name].get("sha256", "")[:12] for name in ("utt2spk", "utt2num_frames") if name in tables
        }
        yield f"data {model}", digests


def _flat(setting: object, name: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(setting, dict):
        for key, value in setting.items():
            yield from _flat(value, f"{name}.{key}" if name else key)
    else:
        yield name, setting if isinstance(setting, str) else json.dumps(setting, sort_keys=True)
