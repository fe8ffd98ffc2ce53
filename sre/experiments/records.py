"""How a file was made: the record of each job, which `sre trace` follows back to config, data and code.

A record is JSON: command (list), inputs and outputs (path -> {"bytes", "sha256"}), seconds, peak_memory_mib, begun
(ISO 8601, UTC) and the environment: code, python, packages, device. Paths are as the job was given them, relative ones
from the folder it ran in. Where a record stands, and the outputs that it names, tell where the tree was then: one that
is moved or copied keeps its records, and all that is in it is found in it.
"""

import json
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path

from sre import SreError
from sre.io.atomic import sha256_file
from sre.io.forms import NONE, NUMBER, check_form
from sre.io.text import read_json
from sre.machine.environment import PROJECT

HASHED_BYTES = 2**30  # a larger file is known by its size only: archives of features would take minutes
LEVELS = 4  # folders above a file whose log/ may hold its record
BESIDE = {  # not declared as outputs: made by the job of a file that is beside them
    "metrics.json": (".scores", ".metrics.json", ".replicates.npy", ".cohort"),
    "final.pt": ("history.jsonl",),
    "utt2spk": ("utt2dur", "rejected.tsv"),
    "feats.scp": ("rejected.tsv",),
}
FILES = {"*": (NONE, {"bytes?": int, "sha256?": str})}
RECORD = {
    "command": [str],
    "inputs": FILES,
    "outputs": FILES,
    "begun": str,
    "seconds": NUMBER,
    "peak_memory_mib": NUMBER,
}
RECORD |= {"code": str, "python": str, "packages": {"*": str}, "device": str}
SCORED = {"systems": {"*": {"backend?": (NONE, str), "of?": (NONE, [str])}}}  # of a score job's argument
LOST = "delete it, and what it says of a job is lost"
GATES = ("gates.json", "features_checked.json")  # a training waits for them and does not read them


def identify(paths: Iterable[str | Path]) -> dict[str, dict]:
    """path -> {"bytes", "sha256"}: no digest above HASHED_BYTES, nothing of a folder; None where it is missing."""
    return {str(path): _identity(Path(path)) for path in paths}


def _identity(path: Path) -> dict | None:
    if path.is_dir():
        return {}
    if not path.is_file():
        return None
    size = os.stat(path).st_size
    return {"bytes": size} | ({"sha256": sha256_file(path)} if size <= HASHED_BYTES else {})


def changed(path: Path, recorded: dict, digest: Callable[[Path], str] = sha256_file) -> str:
    """What has become of a file since `identify`: "missing", "changed", or "" for nothing."""
    if not path.exists():
        return "missing"
    if path.is_file() and "bytes" in recorded and path.stat().st_size != recorded["bytes"]:
        return "changed"
    same = "sha256" not in recorded or (path.is_file() and digest(path) == recorded["sha256"])
    return "" if same else "changed"


def find_job(path: str | Path) -> "Job | None":
    """The job whose record names `path` among its outputs, in the log/ of its folder or of one above; the newest."""
    path, found = Path(os.path.abspath(path)), []
    for folder in list(path.parents)[:LEVELS]:
        for file in sorted((folder / "log").glob("*.json")):
            record = read_record(file)
            trees = filter(None, (_tree(path, output, folder) for output in record.get("outputs", {})))
            found += [Job(file, record, *tree) for tree in list(trees)[:1]]
    return max(found, key=lambda job: job.record.get("begun", "")) if found else None


def _tree(path: Path, output: str, folder: Path) -> tuple[Path, Path] | None:
    """Where the tree with `path` is and where it was when its record, of `folder`, named it `output`; None: it did not.

    Equal folders tell nothing, so only how `path` and its folder are called must be the same. Paths of a tree that was
    named relatively are from the one, "" is where it was; for one that has not moved, / is where it was and is.
    """
    below, parts = path.relative_to(folder).parts, Path(output).parts
    if parts[-len(below) :] != below:
        return None
    was, now = list(parts[: -len(below)]), list(folder.parts)
    if was and was[-1] != now[-1]:
        return None
    while was and now and was[-1] == now[-1]:
        was.pop(), now.pop()
    return (Path(*now), Path(*was)) if now else (Path("/"), Path("/"))


def read_record(file: Path) -> dict:
    """{} where it has just been deleted (its job runs again) or is no record."""
    try:
        state = os.stat(file)
        return _read(file, state.st_mtime_ns, state.st_ino)
    except FileNotFoundError:
        return {}


@cache
def _read(file: Path, *_state: int) -> dict:
    """Once for each state of the file: a chain asks for the same records again and again."""
    record = read_json(file, LOST)
    if not isinstance(record, dict) or "outputs" not in record:
        return {}
    check_form(file, record, RECORD, LOST)
    try:
        datetime.fromisoformat(record["begun"])
        step, argument = record["command"][2:4] if len(record["command"]) > 3 else (record["command"][2], "")
        if step == "steps.score_systems":
            check_form(file, json.loads(argument), SCORED, LOST)
        elif step == "steps.train_backend" and argument.lstrip().startswith("{"):
            json.loads(argument)
    except (ValueError, IndexError) as error:
        raise SreError(f"{file}: its command or time is of another form ({error}); {LOST}") from None
    return record


@dataclass(frozen=True)
class Job:
    """A record, where it stands, the folder that its paths are from, and what that was called in them."""

    path: Path
    record: dict
    root: Path
    was: Path = Path()

    def at(self, name: str) -> Path:
        """Where a file of its tree is now; what is of no tree, from the working directory, else from the project's."""
        if Path(name).is_relative_to(self.was):
            return Path(os.path.abspath(self.root / Path(name).relative_to(self.was)))
        here, there = Path(os.path.abspath(name)), Path(os.path.abspath(PROJECT / name))
        return there if there.exists() and not here.exists() else here

    def now(self, name: str) -> str:
        """The same as a name: unchanged where nothing has moved."""
        return name if str(self.at(name)) == os.path.abspath(name) else str(self.at(name))

    def inputs(self, system: str | None = None) -> dict[str, dict | None]:
        """Those that what it made depends on: no gates, and of a score job only what one system needs."""
        inputs, command = self.record["inputs"], self.record["command"]
        if command[2] == "steps.train_embedding":
            return {name: recorded for name, recorded in inputs.items() if Path(name).name not in GATES}
        if command[2] != "steps.score_systems" or system is None:
            return inputs
        systems, needed, waiting = json.loads(command[3])["systems"], set(), [system]
        while waiting:
            needed.add(name := waiting.pop())
            waiting += systems.get(name, {}).get("of") or ()
        backends = {systems[name]["backend"] for name in needed & systems.keys() if not systems[name].get("of")}

        def is_needed(path: Path) -> bool:
            calibrated = len(needed) > 1
            return path.stem in backends if path.suffix == ".npz" else calibrated or path.name != "metrics.json"

        return {name: recorded for name, recorded in inputs.items() if is_needed(Path(name))}


def job_of(path: str | Path) -> Job | None:
    """The job that made `path`, also where it is no declared output of it; the newest by the records."""
    path = Path(os.path.abspath(path))
    declared = [path.with_name(name) for name, endings in BESIDE.items() if path.name.endswith(endings)]
    for candidate in [path, *declared]:
        if job := find_job(candidate):
            return job
    return None
