"""What can be removed of experiments without losing anything that counts (`sre clean`), and how much room it takes."""

import re
import shutil
import socket
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sre import SreError
from sre.config.stages import GATES
from sre.io.atomic import is_alive, is_locked
from sre.machine.log import aligned
from sre.training.summary import BUNDLE_FILE

TEMPORARY = re.compile(r"\..+\.tmp\.(?P<host>.+)\.(?P<pid>\d+)")
LEAST = 50_000  # bytes that are worth a line: it shows in MB
HEADINGS = ["MB", "files", "what"]
DATA = Path("data")  # features and tables, which experiments share


@dataclass(frozen=True)
class Item:
    """A file or folder that can go, and why."""

    path: Path
    reason: str
    files: int
    size: int  # bytes


def find(folders: Sequence[Path]) -> dict[Path, list[Item]]:
    """Map each experiment to what can go of it; none given: those in exp/, and data/ after them.

    Raises SreError for what is no experiment.
    """
    if not folders:
        folders = sorted(path for path in Path("exp").glob("*") if is_experiment(path))
        if not folders:
            raise SreError("exp: no experiment in it; name one, as sre clean exp/mini")
        data = {DATA: list(left_behind(DATA))}
        return {folder: list(items(folder)) for folder in folders} | (data if data[DATA] else {})
    if strange := [folder for folder in folders if not is_experiment(folder)]:
        raise SreError(f"{strange[0]}: no experiment, which has gates.json or RUN/final.pt; give exp/NAME")
    return {folder: list(items(folder)) for folder in folders}


def listed(found: Mapping[Path, Sequence[Item]]) -> list[str]:
    """Return lines: how much can go of each experiment, and a table of it."""
    lines = []
    for folder, some in found.items():
        lines.append(f"{folder}: {megabytes(some)} of {_mb(_size(folder)[1])} MB can go")
        rows = [[_mb(item.size), str(item.files), f"{item.path} ({item.reason})"] for item in some]
        lines += [*aligned([HEADINGS, *rows]).splitlines(), ""] if rows else []
    return lines


def megabytes(some: Sequence[Item]) -> str:
    """Return how much room they take, in megabytes."""
    return _mb(sum(item.size for item in some))


def is_experiment(folder: Path) -> bool:
    """Return whether a folder has what only experiments have."""
    return (folder / GATES[0]).is_file() or any(folder.glob(f"*/{BUNDLE_FILE}")) or any(folder.glob("*/checkpoints"))


def items(folder: Path) -> Iterator[Item]:
    """Yield what can go of an experiment: first the checkpoints, then temporary files."""
    for final in sorted(folder.glob(f"*/{BUNDLE_FILE}")):
        made = final.stat().st_mtime
        for checkpoints in sorted((final.parent / "checkpoints").glob("*")):
            files = [path for path in checkpoints.rglob("*") if path.is_file()]
            newer = any(path.stat().st_mtime > made for path in files)
            whole = checkpoints.is_dir() and not checkpoints.is_symlink()
            if whole and not newer and not is_locked(final.parent / ".train.lock"):
                item = Item(checkpoints, "checkpoints of a training that is done", *_size(checkpoints))
                if item.size >= LEAST:
                    yield item
    yield from left_behind(folder)


def left_behind(folder: Path) -> Iterator[Item]:
    """Yield the temporary files in a folder, and below it, of processes of this machine that are gone."""
    for path in sorted(folder.rglob(".*.tmp.*")):
        name = TEMPORARY.fullmatch(path.name)
        if name and path.is_file() and name["host"] == socket.gethostname() and not is_alive(name["pid"]):
            yield Item(path, "left by a process that was killed", 1, path.stat().st_size)


def remove(item: Item) -> None:
    """Remove it. Raises SreError where a training has begun since that may need it."""
    if item.path.is_dir():
        if is_locked(item.path.parents[1] / ".train.lock"):
            raise SreError(f"{item.path}: a training has begun there; wait for it, then clean again")
        shutil.rmtree(item.path)
        if not any(item.path.parent.iterdir()):
            item.path.parent.rmdir()
    else:
        item.path.unlink(missing_ok=True)


def _size(folder: Path) -> tuple[int, int]:
    """Return the number of files, and the bytes that go with them.

    A symbolic link counts as a link. A file that has another name elsewhere, as the final.pt beside checkpoints, stays.
    """
    found = [path.lstat() for path in folder.rglob("*") if path.is_symlink() or path.is_file()]
    names = Counter((one.st_dev, one.st_ino) for one in found)
    sizes = {(one.st_dev, one.st_ino): one.st_size for one in found if names[one.st_dev, one.st_ino] == one.st_nlink}
    return len(found), sum(sizes.values())


def _mb(size: int) -> str:
    return f"{size / 1e6:.1f}"
