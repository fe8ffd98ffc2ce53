"""`sre trace`: from a number or a file back to config, data and code, and whether all of that is as it was.

sre trace exp/mini/xvector/mini/cosine+asnorm       a row: RUN/LIST/SYSTEM of exp/mini
sre trace exp/mini/report.tsv:2                     the same by its line
sre trace exp/mini/xvector/final.pt                 any file
sre trace exp/mini                                  which rows there are
"""

import csv
import difflib
import json
import os
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from sre import SreError
from sre.experiments.read import load_results
from sre.experiments.recompute import Row, check_row
from sre.experiments.records import LEVELS, Job, changed, job_of
from sre.io.atomic import sha256_file
from sre.io.text import read_object, read_text
from sre.machine.log import aligned
from sre.scoring.result import RESULT, SCORE_AGAIN
from sre.training.summary import SUMMARY

CUT = 100  # characters of a JSON argument
PATTERNS = ("*/scores/*/metrics.json", "scores/*/metrics.json", "metrics.json")  # of exp/NAME, of a run, of a list


def trace(what: str, long: bool = False) -> None:
    """Print; raises SreError at the end where a number is not had again, or a file has changed or is missing."""
    if Path(what).is_dir():
        return overview(Path(what))
    row = find_row(what)
    chain = Chain(row.system if row else None, long)
    differences = check_row(row, chain.digest) if row else 0
    files = [path for path in (row.scores, row.metrics_file) if path.is_file()] if row else [Path(what)]
    chain.follow([File(str(path), Path(os.path.abspath(path)), None) for path in files], "")
    if differences or chain.wrong:
        raise SreError(
            f"{what}: {differences} differences in its numbers, {len(chain.wrong)} files that have changed or are"
            " missing since; a line with an exclamation mark names each: delete what was made of it, and run snakemake"
        )
    if chain.jobs:
        print(f"{len(chain.compared)} files compared with the records of {len(chain.jobs)} jobs: none has changed")


def overview(folder: Path) -> None:
    """Print the rows of an experiment, or those under a folder of one. Raises SreError where there are none."""

    files = sorted(path for pattern in PATTERNS for path in folder.glob(pattern))
    if not files:
        raise SreError(f"{folder}: a folder without RUN/scores/LIST/metrics.json; give exp/NAME, a row of it or a file")
    lines = []
    for result in load_results(files):
        place = result["folder"].parents[2] / result["run"] / result["folder"].name
        for system, outcome in result["systems"].items():
            done = outcome["status"] == "ok"
            rate = f"{outcome['metrics']['eer']:.3f}" if done else "failed"
            lines.append(
                [str(place / system), rate, outcome.get("code", "") if done else outcome.get("reason", "")[:CUT]]
            )
    print(aligned([["row, for sre trace ROW", "EER, %", "code"], *lines]), end="")


def find_row(what: str) -> Row | None:
    """None where `what` is a file that is no row; raises SreError with the nearest row where it is neither."""
    path, line = Path(what), re.fullmatch(r"(.+\.tsv):(\d+)", what)
    if line:
        return _row_of_line(Path(line[1]), int(line[2]))
    if path.is_file():
        metrics_file = path.with_name("metrics.json")
        system = path.name.removesuffix(".scores").removesuffix(".metrics.json")
        return Row(metrics_file, system) if system != path.name and system in _systems(metrics_file) else None
    if len(path.parts) < 4:
        raise SreError(
            f"{what}: no such file, and no row, which is exp/NAME/RUN/LIST/SYSTEM; check the path, or list the rows"
            " by sre trace exp/NAME"
        )
    experiment, (run, trials, system) = path.parents[2], path.parts[-3:]
    metrics_file = experiment / run / "scores" / trials / "metrics.json"
    if system in _systems(metrics_file):
        return Row(metrics_file, system)
    files = experiment.glob("*/scores/*/metrics.json")
    rows = [f"{file.parts[-4]}/{file.parts[-2]}/{name}" for file in files for name in _systems(file)]
    close = difflib.get_close_matches("/".join(path.parts[-3:]), rows, 1, 0)
    nearest = f"the nearest row is {experiment / close[0]}" if close else f"{experiment} has no scores: check the path"
    raise SreError(f"{what}: no such file or row; {nearest}")


def _systems(metrics_file: Path) -> Iterable[str]:
    return read_object(metrics_file, RESULT, SCORE_AGAIN)["systems"] if metrics_file.is_file() else ()


def _row_of_line(report: Path, number: int) -> Row:
    if not report.is_file():
        raise SreError(f"{report}: no such file; check the path, or run the stage report")
    lines = list(csv.DictReader(read_text(report).split("\n"), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not 2 <= number <= len(lines) + 1:
        raise SreError(f"{report}: no row in line {number}; its rows are lines 2 to {len(lines) + 1}")
    line = lines[number - 2]
    metrics_file = report.parent / line["run"] / "scores" / line["trials"] / "metrics.json"
    if line["system"] not in _systems(metrics_file):
        raise SreError(f"{report}:{number}: {metrics_file} has no {line['system']}; run the stage report again")
    return Row(metrics_file, line["system"], line)


@dataclass(frozen=True)
class File:
    """As shown, where it is, and what the job that reads it recorded of it."""

    name: str
    path: Path
    recorded: dict | None


@dataclass
class Chain:
    """Prints the jobs behind files, each once; of a job that made several systems, only what `system` needs."""

    system: str | None
    long: bool
    code: str | None = None  # of the first job
    jobs: set[Path] = field(default_factory=set)  # their records
    leaves: set[Path] = field(default_factory=set)
    compared: set[Path] = field(default_factory=set)
    wrong: set[Path] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.digest = cache(sha256_file)

    def follow(self, files: Iterable[File], indent: str) -> None:
        """What one job made, or jobs that differ by their shard, together; what was shown before, in one line."""
        above = []
        for some, jobs in _by_job(files):
            for file in some:
                self._compare(file.path, file.recorded, f"! {indent}{file.name}: %s since it was read for this")
            self._compare_outputs(some, jobs, indent)
            if {job.path for job in jobs} <= self.jobs and (jobs or some[0].path in self.leaves):
                above += [file.name for file in some]
            elif jobs:
                self._show(some, jobs, indent)
            else:
                self._leaf(some[0], indent)
        if above:
            print(f"  {indent}{', '.join(above)} (see above)")

    def _show(self, files: Sequence[File], jobs: Sequence[Job], indent: str) -> None:
        self.jobs |= {job.path for job in jobs}
        records = [job.record for job in jobs]
        first, bar = records[0], f"  {indent}| "
        self.code = self.code or first["code"]
        names = ", ".join(file.name for file in files)
        alike = f"{files[0].name} … {files[-1].name} ({len(files)} files of {len(jobs)} jobs alike)"
        print(f"  {indent}{names if len(jobs) == 1 else alike}")
        print(bar + _command(first["command"], self.long))
        begun = datetime.fromisoformat(min(record["begun"] for record in records))
        cost = f"{sum(r['seconds'] for r in records):.1f} s, {max(r['peak_memory_mib'] for r in records)} MiB"
        other = "" if first["code"] == self.code else " (other code than above)"
        print(f"{bar}{begun:%Y-%m-%d %H:%M:%S} UTC, {cost}, {first['device']}, code {first['code']}{other}")
        made = datetime.fromtimestamp(files[0].path.stat().st_mtime, UTC) if files[0].path.is_file() else begun
        if files[0].name.endswith(".scores") and (begun - made).total_seconds() > 1:
            print(f"{bar}kept by this job from an earlier one of {made:%Y-%m-%d %H:%M:%S} UTC, by the code of then")
        if self.long:
            print(f"{bar}python {first['python']}, " + ", ".join(map(" ".join, first["packages"].items())))
            _print_training(files[0].path, bar)
        inputs = {}
        for job in jobs:
            needed = job.inputs(self.system)
            inputs |= {name: File(name, job.at(name), recorded) for name, recorded in needed.items()}
        self.follow(inputs.values(), indent + "  ")

    def _leaf(self, file: File, indent: str) -> None:
        """A folder log/ above it says that a job of ours should have made it."""
        self.leaves.add(file.path)
        if any((folder / "log").is_dir() for folder in list(file.path.parents)[:LEVELS]):
            print(f"  {indent}no record of how {file.name} was made (made before records were kept, or by hand)")
            _print_training(file.path, f"  {indent}| ")
        else:
            print(
                f"  {indent}{file.name} (given"
                + "; what it points to is in no record" * (file.path.suffix == ".scp")
                + ")"
            )

    def _compare_outputs(self, files: Sequence[File], jobs: Sequence[Job], indent: str) -> None:
        """The files themselves, and the archives that an scp points to."""
        asked = {file.path for file in files}
        for job in jobs:
            for name, recorded in job.record["outputs"].items():
                path = job.at(name)
                if path in asked or path.suffix == ".ark":
                    self._compare(path, recorded, f"! {indent}{name}: %s since it was made")

    def _compare(self, path: Path, recorded: dict | None, text: str) -> None:
        if recorded is None or path in self.wrong:
            return
        self.compared.add(path)
        if what := changed(path, recorded, self.digest):
            self.wrong.add(path)
            print(text % what)


def _by_job(files: Iterable[File]) -> list[tuple[list[File], list[Job]]]:
    groups: dict[object, tuple[list[File], dict[Path, Job]]] = {}
    for file in files:
        job = job_of(file.path)
        shardless = job and (re.sub(r"\.\d+\.json$", "", str(job.path)), *job.record["inputs"])
        some, jobs = groups.setdefault(shardless or file.path, ([], {}))
        some.append(file)
        if job:
            jobs[job.path] = job
    return [(some, list(jobs.values())) for some, jobs in groups.values()]


def _command(command: Sequence[str], long: bool) -> str:
    cut = [part if long or len(part) <= CUT or part[0] not in "{[" else "{…}" for part in command]
    return " ".join(part if part == "{…}" else shlex.quote(part) for part in cut)


def _print_training(bundle: Path, bar: str) -> None:
    """What train_summary.json has of a training, also of one before records were kept."""
    summary_file = bundle.with_name("train_summary.json")
    if bundle.name != "final.pt" or not summary_file.is_file():
        return
    summary = read_object(summary_file, SUMMARY)
    print(f"{bar}train_summary.json: code {summary.get('code', 'unknown')}, {summary.get('device', 'unknown device')}")
    for key, value in sorted(summary.get("config", {}).items()):
        print(f"{bar}{key}: {json.dumps(value, sort_keys=True)}")
