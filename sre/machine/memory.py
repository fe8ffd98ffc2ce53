"""How much memory this process, those that it has started, and its GPU take, in MiB; None where it cannot be told."""

import resource
import sys
from collections.abc import Iterator
from pathlib import Path

PROC = Path("/proc")
CGROUP = Path("/sys/fs/cgroup")  # of version 2; in a container, that of the container


def peak_memory_mib() -> float:
    """Return the peak of this process or of its largest child; ru_maxrss is in KiB on Linux, in bytes on macOS."""
    return max(_peak(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def own_peak_mib() -> float:
    """Return the peak of what this process alone has had in memory, pages that it shares with others included."""
    kib = _kib(PROC / "self" / "status", "VmHWM:")  # ru_maxrss begins with the peak of the process that started it
    return _peak(resource.RUSAGE_SELF) if kib is None else kib / 2**10


def machine_mib() -> tuple[float, float] | None:
    """Return the memory of the machine, or of the container's limit, and what of it is free; None where nobody tells.

    What the system can take back at once, such as files that it keeps in memory, is free.
    """
    total, free = (_kib(PROC / "meminfo", name) for name in ("MemTotal:", "MemAvailable:"))
    if total is None or free is None:
        return None
    limit, used = (_bytes(CGROUP / name) for name in ("memory.max", "memory.current"))
    if limit is not None and used is not None and limit < 2**10 * total:
        total, free = limit >> 10, min(free, max(0, limit - used) >> 10)
    return total / 2**10, free / 2**10


def _bytes(path: Path) -> int | None:
    """Return the number that a file of a control group has; None without a limit, or without the file."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def children_mib() -> float | None:
    """Return what the processes that this one has started take now: a page that n processes share counts 1/n in each.

    None where there are none, or where the system does not tell.
    """
    parts = [_kib(PROC / pid / "smaps_rollup", "Pss:") for pid in _children()]
    known = [part for part in parts if part is not None]
    return sum(known) / 2**10 if known else None


def _peak(who: int) -> float:
    return resource.getrusage(who).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def _children() -> Iterator[str]:
    """Yield the numbers of the processes that this one has started."""
    for path in (PROC / "self" / "task").glob("*/children"):
        try:
            yield from path.read_text().split()
        except OSError:  # a thread that has just ended
            continue


def _kib(path: Path, name: str) -> int | None:
    """Return the number behind `name` in a file of /proc; None where it is not told."""
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), None)
