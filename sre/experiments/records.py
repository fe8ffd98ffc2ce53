"""How a file was made: the record of each job, which `sre trace` follows back to config, data and code.

A record is JSON, the fields of `Record`. Paths are as the job was given them, relative ones from the folder it ran in.
Where a record stands, and the outputs that it names, tell where the tree was then: one that is moved or copied keeps
its records, and all that is in it is found in it.
"""

import json
import os
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from sre import SreError
from sre.config.stages import BESIDE, GATED, GATES, SCORE_SYSTEMS, TRAIN_BACKEND, step_of
from sre.io.atomic import sha256_file, write_json
from sre.io.forms import NONE, built, check_form, form_of
from sre.io.text import check_version, read_json
from sre.machine.environment import PROJECT

VERSION = 1  # of a record; the form before it had none, and neither step nor settings
HASHED_BYTES = 2**30  # a larger file is known by its size only: archives of features would take minutes
LEVELS = 4  # folders above a file whose log/ may hold its record
LONGEST_ARGUMENT = 100  # characters of JSON in a command that is shown
FILES = {"*": (NONE, {"bytes?": int, "sha256?": str})}
SYSTEMS = {"*": {"backend?": (NONE, str), "of?": (NONE, [str])}}
LOST = "delete it, and what it says of a job is lost"

Identity = dict[str, Any]  # of a file: {"bytes", "sha256"}, see `identify`


@dataclass(frozen=True)
class Record:
    """What a job did, with what, and what that took.

    command : python -m MODULE ARGUMENTS
    inputs, outputs : path -> identity of the file; None where it was missing
    begun : ISO 8601, UTC
    code, python, packages, device : the environment, of sre.machine.environment
    step : name of the module without its package
    settings : what the step told of what it was asked (`note_settings`): "systems" (name -> config) of a score job,
        "backends" (name -> config) of a back-end's
    """

    command: list[str]
    inputs: dict[str, Identity | None]
    outputs: dict[str, Identity | None]
    begun: str
    seconds: float
    peak_memory_mib: float
    code: str
    python: str
    packages: dict[str, str]
    device: str
    step: str = ""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def systems(self) -> dict[str, dict[str, Any]]:
        """The systems of a score job: name -> config."""
        return self.settings.get("systems", {})

    @property
    def backends(self) -> dict[str, Any]:
        """The back-end that a job has fitted: name -> config."""
        return self.settings.get("backends", {})

    def given(self, option: str) -> list[str]:
        """Return what stands behind an option in the command, once for each time that it was given."""
        return [value for word, value in pairwise(self.command) if word == option]

    def digest(self, name: str) -> str | None:
        """Return the SHA-256 of the input file of this name, "" if it was too large; None: it read no such file."""
        found = [identity for path, identity in self.inputs.items() if Path(path).name == name and identity]
        return found[-1].get("sha256", "") if found else None

    def line(self, longest: int | None = LONGEST_ARGUMENT) -> str:
        """Return the command as a shell takes it; JSON of more characters than `longest` is shown as {…}."""
        cut = [longest is not None and len(part) > longest and part[0] in "{[" for part in self.command]
        return " ".join("{…}" if long else shlex.quote(part) for part, long in zip(self.command, cut, strict=True))

    def write(self, path: Path) -> None:
        """Write the record whole."""
        write_json(path, asdict(self) | {"version": VERSION})


RECORD = form_of(Record) | {"inputs": FILES, "outputs": FILES}
RECORD |= {"settings?": {"systems?": SYSTEMS, "backends?": dict}}


def _with_step(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record of the form without a version with step and settings, which its command tells."""
    _, _, module, *arguments = record["command"]
    step, settings = step_of(module), {}
    if step == SCORE_SYSTEMS:
        settings = {"systems": json.loads(arguments[0])["systems"]}
    elif step == TRAIN_BACKEND and "--leave-out" not in arguments:
        config = arguments[0]  # by hand it may be a name or a YAML
        told = json.loads(config) if config.lstrip().startswith("{") else config
        settings = {"backends": {Path(arguments[-1]).stem: told}}
    return record | {"step": step, "settings": settings}


def identify(paths: Iterable[str | Path]) -> dict[str, Identity | None]:
    """Map path to {"bytes", "sha256"}: no digest above HASHED_BYTES, nothing of a folder; None where it is missing."""
    return {str(path): _identity(Path(path)) for path in paths}


def _identity(path: Path) -> Identity | None:
    if path.is_dir():
        return {}
    if not path.is_file():
        return None
    size = os.stat(path).st_size
    return {"bytes": size} | ({"sha256": sha256_file(path)} if size <= HASHED_BYTES else {})


def changed(path: Path, recorded: Identity, digest: Callable[[Path], str] = sha256_file) -> str:
    """What has become of a file since `identify`: "missing", "changed", or "" for nothing."""
    if not path.exists():
        return "missing"
    if path.is_file() and "bytes" in recorded and path.stat().st_size != recorded["bytes"]:
        return "changed"
    same = "sha256" not in recorded or (path.is_file() and digest(path) == recorded["sha256"])
    return "" if same else "changed"


def find_job(path: str | Path) -> "RecordedJob | None":
    """The job whose record names `path` among its outputs, in the log/ of its folder or of one above; the newest."""
    path, found = Path(os.path.abspath(path)), []
    for folder in list(path.parents)[:LEVELS]:
        for file in sorted((folder / "log").glob("*.json")):
            if record := read_record(file):
                trees = filter(None, (_tree(path, output, folder) for output in record.outputs))
                found += [RecordedJob(file, record, *tree) for tree in list(trees)[:1]]
    return max(found, key=lambda job: job.record.begun) if found else None


def _tree(path: Path, output: str, folder: Path) -> tuple[Path, Path] | None:
    """Return where the tree with `path` is, and where it was when its record, in `folder`, named `path` as `output`.

    None where `output` is another file.

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


def read_record(file: Path) -> Record | None:
    """Read a record, also of the form without a version; None where it has just been deleted, or is no record.

    Raises SreError naming the file where it is damaged, of another form or of a newer version.
    """
    try:
        state = os.stat(file)
        return _read(file, state.st_mtime_ns, state.st_ino)
    except FileNotFoundError:
        return None


@cache
def _read(file: Path, *_state: int) -> Record | None:
    """Read each state of the file once: a chain asks for the same records again and again."""
    content = read_json(file, LOST)
    if not isinstance(content, dict) or "outputs" not in content:
        return None
    content = check_version(file, content, VERSION, LOST)
    check_form(file, content, RECORD, LOST)
    try:
        datetime.fromisoformat(content["begun"])
        content = content if "step" in content else _with_step(content)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise SreError(f"{file}: its command or time is of another form ({error}); {LOST}") from None
    return built(Record, check_form(file, content, RECORD, LOST))


@dataclass(frozen=True)
class RecordedJob:
    """A record, where it stands, the folder that its paths are from, and what that was called in them."""

    path: Path
    record: Record
    root: Path
    was: Path = Path()

    def at(self, name: str) -> Path:
        """Return where a file of its tree is now; another is sought from the working directory, then the project's."""
        if Path(name).is_relative_to(self.was):
            return Path(os.path.abspath(self.root / Path(name).relative_to(self.was)))
        here, there = Path(os.path.abspath(name)), Path(os.path.abspath(PROJECT / name))
        return there if there.exists() and not here.exists() else here

    def now(self, name: str) -> str:
        """The same as a name: unchanged where nothing has moved."""
        return name if str(self.at(name)) == os.path.abspath(name) else str(self.at(name))

    def inputs(self, system: str | None = None) -> dict[str, Identity | None]:
        """Return the inputs that its outputs depend on: no gates, and of a score job only what one system needs."""
        inputs, systems = self.record.inputs, self.record.systems
        if self.record.step in GATED:
            inputs = {name: recorded for name, recorded in inputs.items() if Path(name).name not in GATES}
        if not systems or system not in systems:  # a fusion of several runs is no system of theirs
            return inputs
        needed = _needed(system, systems)
        backends = {systems[name]["backend"] for name in needed & systems.keys() if not systems[name].get("of")}

        def is_needed(path: Path) -> bool:
            calibrated = len(needed) > 1
            return path.stem in backends if path.suffix == ".npz" else calibrated or path.name != "metrics.json"

        return {name: recorded for name, recorded in inputs.items() if is_needed(Path(name))}


def _needed(system: str, systems: Mapping[str, dict[str, Any]]) -> set[str]:
    """Return the system and all those that it is calibrated on or fused from."""
    needed, waiting = set(), [system]
    while waiting:
        needed.add(name := waiting.pop())
        waiting += systems.get(name, {}).get("of") or ()
    return needed


def job_of(path: str | Path) -> RecordedJob | None:
    """The job that made `path`, also where it is no declared output of it; the newest by the records."""
    path = Path(os.path.abspath(path))
    names = [name for name, endings in BESIDE.items() if path.name.endswith(endings)]
    declared = [folder / name for folder in list(path.parents)[:LEVELS] for name in names]
    for candidate in [path, *declared]:
        if job := find_job(candidate):
            return job
    return None
