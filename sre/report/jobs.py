"""What was run to make the report's numbers: the records behind the score jobs, followed back through their inputs."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sre.config.stages import BY_UTTERANCE
from sre.experiments.records import Record, find_job
from sre.report.rows import Group
from sre.scoring.result import codes_of

DEPTHS = {"exp": 2, "data": 1}  # folders from the top of the root down to a run, to a split
LONGEST_ARGUMENT = 60
MOST_COMMANDS = 300


def jobs_behind(files: Iterable[Path]) -> list[Record]:
    """Return the records of the jobs behind `files`, of those behind their inputs, and so on; each once, in time."""
    found: dict[Path, Record] = {}
    waiting = list(files)
    seen: set[Path] = set()
    while waiting:
        file = waiting.pop()
        job = None if file in seen else find_job(file)
        seen.add(file)
        if job and job.path not in found:
            found[job.path] = job.record
            waiting += [job.at(path) for path in job.record.inputs]
    return sorted(found.values(), key=lambda job: (job.begun, job.command))


@dataclass(frozen=True)
class StepCost:
    """What the jobs of one step and run (or split) took together."""

    step: str
    subject: str
    jobs: int
    seconds: float
    memory_mib: float
    rate: str
    device: str


def step_costs(jobs: Sequence[Record]) -> list[StepCost]:
    """Return the cost of each step and run (or split), in the order in which they were first run."""
    groups: dict[tuple[str, str], list[Record]] = {}
    for job in jobs:
        groups.setdefault((job.step, _subject(job)), []).append(job)
    costs = []
    for (step, subject), some in groups.items():
        seconds, memory = sum(job.seconds for job in some), max(job.peak_memory_mib for job in some)
        devices = ", ".join(sorted({job.device for job in some}))
        costs.append(StepCost(step, subject, len(some), seconds, memory, _rate(some, seconds), devices))
    return costs


def _subject(job: Record) -> str:
    """Return the run exp/<name>/<run>, or the split data/<split>, that the first output lies in."""
    parts = Path(next(iter(job.outputs), "")).parts
    tops = [place for place, part in enumerate(parts[:-1]) if part in DEPTHS]
    if not tops:
        return ""
    below = parts[tops[-1] + DEPTHS[parts[tops[-1]]] :]  # the last of them: the root itself may lie in a folder data
    return below[0] if len(below) > 1 else ""


def _rate(jobs: Sequence[Record], seconds: float) -> str:
    """Return utterances a second with the start of the process, of steps that work through utterances one by one."""
    if jobs[0].step not in BY_UTTERANCE:
        return ""
    scps = [path for job in jobs for path in job.outputs if path.endswith(".scp") and Path(path).is_file()]
    utterances = sum(Path(path).read_bytes().count(b"\n") for path in scps)
    return f"{utterances / max(seconds, 1e-9):.0f} utt/s" if utterances else ""


def commands(jobs: Sequence[Record]) -> list[str]:
    """Return one line a job; long arguments (resolved configs) are cut, `sre trace --long` has them whole."""
    lines = [job.line(LONGEST_ARGUMENT) for job in jobs[:MOST_COMMANDS]]
    return lines + [f"… and {len(jobs) - MOST_COMMANDS} more"] * (len(jobs) > MOST_COMMANDS)


def code_versions(jobs: Sequence[Record], groups: Iterable[Group]) -> list[str]:
    """Return the versions of the jobs, and of the systems in metrics files that a job found unchanged and kept."""
    return sorted({job.code for job in jobs} | codes_of(row.outcome for group in groups for row in group.rows))


def code_warning(codes: Sequence[str]) -> str | None:
    """Return a sentence where the numbers are of more than one state of the code, or of one that no revision has."""
    changed = sum(code.endswith(".changed") for code in codes)
    if len(codes) < 2 and not changed:
        return None
    dirty = f", {changed} of them with changes that no revision has" if changed else ""
    return f"These numbers were made by {len(codes)} states of the code{dirty}: {', '.join(codes)}."
