"""A number or a file followed back to config, data and code (`sre trace`)."""

import csv
import difflib
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from sre import SreError
from sre.config.stages import TRAIN_EMBEDDING
from sre.experiments.read import load_results
from sre.experiments.recompute import RowFiles
from sre.experiments.records import LEVELS, LONGEST_ARGUMENT, Identity, RecordedJob, changed, job_of
from sre.io.atomic import sha256_file
from sre.io.text import read_text
from sre.machine.log import aligned
from sre.scoring.result import ListResult
from sre.training.summary import BUNDLE_FILE, SUMMARY_FILE, TrainSummary

LONGEST_REASON = 100  # characters
PATTERNS = ("*/scores/*/metrics.json", "scores/*/metrics.json", "metrics.json")  # of exp/NAME, of a run, of a list


def trace(what: str, long: bool = False) -> Iterator[str]:
    """Yield lines on a file, a row or all rows of a folder.

    Raises SreError after the last line where a number is not had again, or a file has changed or is missing.
    """
    if Path(what).is_dir():
        yield from overview(Path(what))
        return
    row = find_row(what)
    chain = Chain(row.system if row else None, long)
    if row:
        yield from row.check(chain.digest)
    files = [path for path in (row.scores, row.metrics_file) if path.is_file()] if row else [Path(what)]
    yield from chain.follow([File(str(path), Path(os.path.abspath(path)), None) for path in files], "")
    differences = len(row.differences) if row else 0
    if differences or chain.wrong:
        raise SreError(
            f"{what}: {differences} differences in its numbers, {len(chain.wrong)} files that have changed or are"
            " missing since; a line with an exclamation mark names each: delete what was made of it, and run snakemake"
        )
    if chain.jobs:
        yield f"{len(chain.compared)} files compared with the records of {len(chain.jobs)} jobs: none has changed"


def overview(folder: Path) -> list[str]:
    """Return a table of the rows of an experiment, or of those under a folder of one.

    Raises SreError where there are none.
    """
    files = sorted(path for pattern in PATTERNS for path in folder.glob(pattern))
    if not files:
        raise SreError(f"{folder}: a folder without RUN/scores/LIST/metrics.json; give exp/NAME, a row of it or a file")
    table = [["row, for sre trace ROW", "EER, %", "code"]]
    for result in load_results(files):
        place = result.folder.parents[2] / result.run / result.folder.name
        for system, outcome in result.systems.items():
            told = [f"{outcome.metrics['eer']:.3f}", outcome.code] if outcome.done else ["failed", outcome.reason]
            table.append([str(place / system), told[0], told[1][:LONGEST_REASON]])
    return aligned(table).splitlines()


def find_row(what: str) -> RowFiles | None:
    """Find the row that `what` names; None where it is a file that is no row.

    Raises SreError with the nearest row where it is neither.
    """
    path, line = Path(what), re.fullmatch(r"(.+\.tsv):(\d+)", what)
    if line:
        return _row_of_line(Path(line[1]), int(line[2]))
    if path.is_file():
        metrics_file = path.with_name("metrics.json")
        system = path.name.removesuffix(".scores").removesuffix(".metrics.json")
        return RowFiles(metrics_file, system) if system != path.name and system in _systems(metrics_file) else None
    if len(path.parts) < 4:
        raise SreError(
            f"{what}: no such file, and no row, which is exp/NAME/RUN/LIST/SYSTEM; check the path, or list the rows"
            " by sre trace exp/NAME"
        )
    experiment, (run, trials, system) = path.parents[2], path.parts[-3:]
    metrics_file = experiment / run / "scores" / trials / "metrics.json"
    if system in _systems(metrics_file):
        return RowFiles(metrics_file, system)
    files = experiment.glob("*/scores/*/metrics.json")
    rows = [f"{file.parts[-4]}/{file.parts[-2]}/{name}" for file in files for name in _systems(file)]
    close = difflib.get_close_matches("/".join(path.parts[-3:]), rows, 1, 0)
    nearest = f"the nearest row is {experiment / close[0]}" if close else f"{experiment} has no scores: check the path"
    raise SreError(f"{what}: no such file or row; {nearest}")


def _systems(metrics_file: Path) -> Iterable[str]:
    return ListResult.read(metrics_file).systems if metrics_file.is_file() else ()


def _row_of_line(report: Path, number: int) -> RowFiles:
    if not report.is_file():
        raise SreError(f"{report}: no such file; check the path, or run the stage report")
    lines = list(csv.DictReader(read_text(report).split("\n"), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not 2 <= number <= len(lines) + 1:
        raise SreError(f"{report}: no row in line {number}; its rows are lines 2 to {len(lines) + 1}")
    line = lines[number - 2]
    metrics_file = report.parent / line["run"] / "scores" / line["trials"] / "metrics.json"
    if line["system"] not in _systems(metrics_file):
        raise SreError(f"{report}:{number}: {metrics_file} has no {line['system']}; run the stage report again")
    return RowFiles(metrics_file, line["system"], line)


@dataclass(frozen=True)
class File:
    """A file by the name that is shown, where it is, and what the job that reads it recorded of it."""

    name: str
    path: Path
    recorded: Identity | None


@dataclass
class Chain:
    """The jobs behind files, told once each; of a job that made several systems, only what `system` needs."""

    system: str | None
    long: bool
    code: str | None = None  # of the first job
    jobs: set[Path] = field(default_factory=set)  # their records
    leaves: set[Path] = field(default_factory=set)
    compared: set[Path] = field(default_factory=set)
    wrong: set[Path] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.digest = cache(sha256_file)

    def follow(self, files: Iterable[File], indent: str) -> Iterator[str]:
        """Yield lines on what made the files: on one job, or on jobs that differ by their shard, together.

        What was told before is one line.
        """
        above = []
        for some, jobs in _by_job(files):
            for file in some:
                yield from self._compare(
                    file.path, file.recorded, f"! {indent}{file.name}: %s since it was read for this"
                )
            yield from self._compare_outputs(some, jobs, indent)
            if {job.path for job in jobs} <= self.jobs and (jobs or some[0].path in self.leaves):
                above += [file.name for file in some]
            elif jobs:
                yield from self._tell(some, jobs, indent)
            else:
                yield from self._leaf(some[0], indent)
        if above:
            yield f"  {indent}{', '.join(above)} (see above)"

    def _tell(self, files: Sequence[File], jobs: Sequence[RecordedJob], indent: str) -> Iterator[str]:
        self.jobs |= {job.path for job in jobs}
        records = [job.record for job in jobs]
        first, bar = records[0], f"  {indent}| "
        self.code = self.code or first.code
        names = ", ".join(file.name for file in files)
        alike = f"{files[0].name} … {files[-1].name} ({len(files)} files of {len(jobs)} jobs alike)"
        yield f"  {indent}{names if len(jobs) == 1 else alike}"
        yield bar + first.line(None if self.long else LONGEST_ARGUMENT)
        begun = datetime.fromisoformat(min(record.begun for record in records))
        seconds, memory = sum(map(_seconds, jobs)), max(one.peak_memory_mib for one in records)
        other = "" if first.code == self.code else " (other code than above)"
        cost = f"{seconds:.1f} s, {memory} MiB, {first.device}"
        yield f"{bar}{begun:%Y-%m-%d %H:%M:%S} UTC, {cost}, code {first.code}{other}"
        made = datetime.fromtimestamp(files[0].path.stat().st_mtime, UTC) if files[0].path.is_file() else begun
        if files[0].name.endswith(".scores") and (begun - made).total_seconds() > 1:
            yield f"{bar}kept by this job from an earlier one of {made:%Y-%m-%d %H:%M:%S} UTC, by the code of then"
        if self.long:
            yield f"{bar}python {first.python}, " + ", ".join(map(" ".join, first.packages.items()))
            yield from _training(files[0].path, bar)
        inputs: dict[str, File] = {}
        for job in jobs:
            needed = job.inputs(self.system)
            inputs |= {name: File(name, job.at(name), recorded) for name, recorded in needed.items()}
        yield from self.follow(inputs.values(), indent + "  ")

    def _leaf(self, file: File, indent: str) -> Iterator[str]:
        """Yield lines on a file without a record; a folder log/ above it says that a job should have made it."""
        self.leaves.add(file.path)
        if any((folder / "log").is_dir() for folder in list(file.path.parents)[:LEVELS]):
            yield f"  {indent}no record of how {file.name} was made (made before records were kept, or by hand)"
            yield from _training(file.path, f"  {indent}| ")
        else:
            more = "; what it points to is in no record" * (file.path.suffix == ".scp")
            yield f"  {indent}{file.name} (given{more})"

    def _compare_outputs(self, files: Sequence[File], jobs: Sequence[RecordedJob], indent: str) -> Iterator[str]:
        """Compare the files themselves, and the archives that an scp points to."""
        asked = {file.path for file in files}
        for job in jobs:
            for name, recorded in job.record.outputs.items():
                path = job.at(name)
                if path in asked or path.suffix == ".ark":
                    yield from self._compare(path, recorded, f"! {indent}{name}: %s since it was made")

    def _compare(self, path: Path, recorded: Identity | None, text: str) -> Iterator[str]:
        if recorded is None or path in self.wrong:
            return
        self.compared.add(path)
        if what := changed(path, recorded, self.digest):
            self.wrong.add(path)
            yield text % what


def _by_job(files: Iterable[File]) -> list[tuple[list[File], list[RecordedJob]]]:
    groups: dict[object, tuple[list[File], dict[Path, RecordedJob]]] = {}
    for file in files:
        job = job_of(file.path)
        shardless = job and (re.sub(r"\.\d+\.json$", "", str(job.path)), *job.record.inputs)
        some, jobs = groups.setdefault(shardless or file.path, ([], {}))
        some.append(file)
        if job:
            jobs[job.path] = job
    return [(some, list(jobs.values())) for some, jobs in groups.values()]


def _seconds(job: RecordedJob) -> float:
    """Return what a job took: of a training, all its runs, which its summary tells."""
    summaries = [job.at(name) for name in job.record.outputs if Path(name).name == SUMMARY_FILE]
    if job.record.step != TRAIN_EMBEDDING or not summaries or not summaries[0].is_file():
        return job.record.seconds
    return TrainSummary.read(summaries[0]).cost_s(job.record.seconds) or job.record.seconds


def _training(bundle: Path, bar: str) -> Iterator[str]:
    """Yield what train_summary.json has of a training, also of one before records were kept."""
    summary_file = bundle.with_name(SUMMARY_FILE)
    if bundle.name != BUNDLE_FILE or not summary_file.is_file():
        return
    summary = TrainSummary.read(summary_file)
    yield f"{bar}{SUMMARY_FILE}: code {summary.code or 'unknown'}, {summary.device or 'unknown device'}"
    for key, value in sorted(summary.config.items()):
        yield f"{bar}{key}: {json.dumps(value, sort_keys=True)}"
