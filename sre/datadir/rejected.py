"""rejected.tsv: what a stage could not use, each with its reason, and whether that was too much."""

import math
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from sre import SreError
from sre.io.atomic import atomic_output
from sre.io.ids import shown
from sre.io.text import lines_of, read_text
from sre.machine.log import warn

Rejected = list[tuple[str, str, str]]  # id, path, reason
FEW, FEW_SHARE = 3, 0.1  # of a small corpus, of which 1 % would be less than one, so many may be rejected
NAMED = 5  # rejected rows that a warning names


def write_rejected_rows(path: str | Path, rows: Rejected) -> None:
    """Write `id path reason` lines under a header, by tabs; a reason of several lines (ffmpeg's) becomes one."""
    with atomic_output(path) as file:
        file.write("id\tpath\treason\n")
        for key, location, reason in sorted(rows):
            row = key, re.sub(r"[\t\r\n]+", " ", location), " ".join(reason.split())
            file.write("\t".join(row).encode("utf-8", "backslashreplace").decode() + "\n")


def read_rejected_rows(path: str | Path) -> Rejected:
    """Read the rows that `write_rejected_rows` wrote. Raises SreError if it has no header or a line is no such row."""
    lines = [line.split("\t") for line in lines_of(read_text(path))]
    wrong = next((number for number, line in enumerate(lines, 1) if len(line) != 3), None)
    if wrong or lines[:1] != [["id", "path", "reason"]]:
        raise SreError(f"{path}:{wrong or 1}: cut short, not `id path reason` by tabs; make it again")
    return [(key, location, reason) for key, location, reason in lines[1:]]


def rejected_in(folder: Path, names: Sequence[str] = ("rejected.tsv", "vad_rejected.tsv")) -> Rejected:
    """Read the rows of such tables of a folder that are there."""
    return [row for name in names if (folder / name).is_file() for row in read_rejected_rows(folder / name)]


def write_rejected(
    path: str | Path, rows: Rejected, total: int, what: str, max_rejected: float = 0.01, needed: Collection[str] = ()
) -> None:
    """Write rejected.tsv (`id path reason`; the header alone where nothing was rejected), then judge it.

    max_rejected : share of `total`, 0 to 1; one may always be rejected, and FEW where they are at most FEW_SHARE, but
        none at 0
    needed : ids of which none may be rejected (those of trials); what : names the things, as "recordings"
    Raises SreError where all were rejected, more than `max_rejected`, or one that is `needed`.
    """
    write_rejected_rows(path, rows)
    if not rows:
        return
    check_share(path, rows, total, what, max_rejected)
    wanted = set(needed)
    if missing := sorted(row for row in rows if row[0] in wanted):
        raise SreError(
            f"{path}: {len(missing)} rejected {what} stand in a trial list, e.g. {_told(missing[0])}"
            "; mend them or take their trials out of the list"
        )
    named = "; ".join(map(_told, sorted(rows)[:NAMED]))
    more = f"; and {len(rows) - NAMED} more" if len(rows) > NAMED else ""
    warn(f"{path}: {len(rows)} of {total} {what} rejected and left out, e.g. {named}{more}")


def check_share(path: str | Path, rows: Rejected, total: int, what: str, max_rejected: float) -> None:
    """Raise SreError where all are rejected, or more than is tolerated."""
    if rows and len(rows) == total:
        raise SreError(f"{path}: all {total} {what} are rejected, e.g. {_told(min(rows))}; mend them, or give others")
    if len(rows) > tolerated(total, max_rejected):
        enough = math.ceil(100 * len(rows) / total) / 100
        raise SreError(
            f"{path}: {len(rows)} of {total} {what} are rejected, more than max_rejected ({max_rejected:.3g}) allows,"
            f" e.g. {_told(min(rows))}; mend them, take them out of the corpus, or set max_rejected to {enough:g}"
            f" (snakemake --config max_rejected={enough:g}, or --max-rejected {enough:g} of a command)"
        )


def tolerated(total: int, max_rejected: float) -> float:
    """Return how many of `total` may be rejected."""
    few = max(min(FEW, FEW_SHARE * total), 1)
    return max(max_rejected * total, few) if max_rejected > 0 else 0


def _told(row: tuple[str, str, str]) -> str:
    key, location, reason = row
    return f"{key} ({shown(location)}): {reason}"
