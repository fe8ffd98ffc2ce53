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
