"""What stands of an experiment, and so needs no gates: a new trial list must not make it again."""

import os
from collections.abc import Iterable
from pathlib import Path

from sre.experiments.records import read_record


def stands(made: str | Path, sources: Iterable[str | Path], record: str | Path | None = None) -> bool:
    """Whether a file is there, no older than what it is made of; without its sources it will be made again.

    record : of the job that made it. Where there is one, it has to name these sources.
    """
    sources = [str(source) for source in sources]
    if not os.path.exists(made) or not all(map(os.path.exists, sources)):
        return False
    if any(os.stat(source).st_mtime_ns > os.stat(made).st_mtime_ns for source in sources):
        return False
    known = read_record(Path(record)) if record and sources else None
    return known is None or known.inputs.keys() >= set(sources)


def outdated(made: str | Path, sources: Iterable[str | Path], record: str | Path) -> bool:
    """Whether a file that is there will be made again: a source is newer, or the record of its job names another.

    Sources that were deleted since do not matter. Those of a record are known by their name and folder, as a root may
    have moved.
    """
    paths, known = [Path(source) for source in sources], read_record(Path(record))
    if known is not None and not _names(paths) <= _names(map(Path, known.inputs)):
        return True
    return any(path.stat().st_mtime_ns > os.stat(made).st_mtime_ns for path in paths if path.exists())


def _names(paths: Iterable[Path]) -> set[tuple[str, ...]]:
    return {path.parts[-2:] for path in paths}
