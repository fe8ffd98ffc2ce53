"""Why a job runs, beyond what Snakemake says: which key changed, what was broken off, what checkpoints there are."""

import ast
import base64
import binascii
import json
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from sre.io.atomic import is_locked, sha256_text
from sre.training.meter import Spent
from sre.training.summary import BUNDLE_FILE, PLAN_FILE, TrainingPlan, TrainSummary

SHOWN = 3  # changed keys


def changed_keys(reason: str) -> str:
    """Return `training.lr 0.002 -> 0.001` of what Snakemake says of parameters; '' where it is not understood."""
    _, _, told = reason.partition("across all output: before: ")
    sides = _sides(told)
    if not sides:
        return ""
    before, now = sides
    changes: list[str] = []
    for new in [text for text in now if _mapping(text)]:
        if old := max((text for text in before if _mapping(text)), key=lambda text: _likeness(text, new), default=None):
            before.remove(old)
            now.remove(new)
            changes += _differences(_mapping(old), _mapping(new))
    if before or now:
        changes.append(f"{_short(', '.join(before))} -> {_short(', '.join(now))}")
    return _first(changes)


def changed_training(summary: Path, command: str) -> str:
    """Return the same of a training that is done, by its train_summary.json and the command that makes it again."""
    configs = _configs(command)
    if not configs or not summary.is_file():
        return ""
    old = TrainSummary.read(summary).config
    return _first(list(_differences(old, _mapping(configs[0])))) if old else ""


def _configs(command: str) -> list[str]:
    """The words of a shell line that are JSON."""
    try:
        return [word for word in shlex.split(command) if _mapping(word)]
    except ValueError:
        return []


def _first(changes: list[str]) -> str:
    more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
    return ", ".join(changes[:SHOWN]) + more


def _sides(told: str) -> tuple[list[str], list[str]] | None:
    """Return the parameters before and now, which Snakemake joins as Python writes them; None if they are not told."""
    for at in range(len(told)):
        if told.startswith(" now: ", at):
            for end in (len(told), told.rfind("; ")):
                before, now = _items(told[:at]), _items(told[at + len(" now: ") : end])
                if before is not None and now is not None:
                    return before, now
    return None


def _items(text: str) -> list[str] | None:
    if text.strip() == "<nothing exclusive>":
        return []
    try:
        values = ast.literal_eval(f"[{text}]")
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return sorted(value if isinstance(value, str) else json.dumps(value, default=str) for value in values)


def _mapping(text: str) -> dict | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) and value else None


def _likeness(old: str, new: str) -> int:
    return len((_mapping(old) or {}).keys() & (_mapping(new) or {}).keys())


def _differences(old: object, new: object, place: str = "") -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key), new.get(key), f"{place}.{key}" if place else key)
    elif old != new:
        yield f"{'our version of the stage' if place == 'version' else place} {_change(old, new)}"


def _change(old: object, new: object) -> str:
    if isinstance(old, list) and isinstance(new, list):
        gone, added = [one for one in old if one not in new], [one for one in new if one not in old]
        if gone or added:
            words = ("without", gone), ("with", added)
            return " and ".join(f"{word} {_short(json.dumps(some))}" for word, some in words if some)
    return f"{_short(json.dumps(old))} -> {_short(json.dumps(new))}"


def _short(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:29]}…"


def broken_off(folder: Path) -> set[str]:
    """Return the outputs of jobs that were begun in `folder` and have not ended, by Snakemake's marks."""
    marks = folder / ".snakemake" / "incomplete"
    return {name for path in marks.rglob("*") if path.is_file() and (name := _marked(path.relative_to(marks)))}


def _marked(path: Path) -> str:
    """Return the output that a mark is of: base64 of its name, in folders @… where it is long."""
    try:
        return base64.urlsafe_b64decode("".join(path.parts).replace("@", "")).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


def is_at_work(paths: Iterable[Path]) -> bool:
    """Return whether a Snakemake works in the root of these files now."""
    roots = {parent for path in paths for parent in path.absolute().parents}
    return any(_is_held(root / ".sre.lock") for root in roots)


def _is_held(lock: Path) -> bool:
    try:
        return is_locked(lock)
    except OSError:  # somebody else's folder
        return False


def epochs_done(run: Path, command: str) -> tuple[int, int] | None:
    """Return the epochs in the checkpoints of the training of `command`, and all of them; None without checkpoints.

    All of them are in the final network, which stays beside the checkpoints. A training that ended early has no more
    than it did.
    """
    found = _begun(run, command)
    return found[1:] if found else None


def seconds_so_far(run: Path, command: str) -> float:
    """Return the seconds of all runs of the training of `command` that has checkpoints; 0 where nobody knows."""
    found = _begun(run, command)
    return sum(one.seconds for one in Spent.of(found[0], 0.0).earlier) if found else 0.0


def _begun(run: Path, command: str) -> tuple[Path, int, int] | None:
    """Return the folder of the checkpoints of the training of `command`, the epochs in them, and all of them."""
    configs = [sha256_text(word) for word in _configs(command)]
    for path in sorted(run.glob(f"checkpoints/*/{PLAN_FILE}")):
        plan = TrainingPlan.read(path)
        steps = [int(step.stem[5:]) for step in path.parent.glob("step_*.pt") if step.stem[5:].isdigit()]
        if plan.config_sha256 in configs and path.with_name(BUNDLE_FILE).is_file():
            return path.parent, plan.epochs, plan.epochs
        if plan.config_sha256 in configs and steps:
            return path.parent, plan.epochs_at(max(steps)), plan.epochs
    return None
