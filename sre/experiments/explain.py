"""What snakemake will run with the same arguments, why, and how long such jobs take (`sre explain`)."""

import json
import logging
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import sre
from sre import SreError
from sre.config.overrides import check_command
from sre.config.stages import STAGES, TRAIN_EMBEDDING, stage_of
from sre.experiments.records import read_record
from sre.experiments.rerun import broken_off, changed_keys, changed_training, epochs_done, is_at_work, seconds_so_far
from sre.machine.log import aligned, clock
from sre.training.summary import SUMMARY_FILE, TrainSummary

BROKEN_OFF = "it was broken off"
AT_WORK = "another snakemake is at it, or it was broken off"
# How Snakemake's reasons begin, and what we say, the weightiest first, for a job can have several; {}: the files named.
REASONS = {
    "Forced execution": "forced by -R, -f or -F",  # also of what was broken off
    "Params have changed since last execution": "its parameters changed: its config or our version of the stage",
    "Incomplete output files": BROKEN_OFF,
    "Missing output files": "missing: {}",
    "Updated input files": "its input is newer: {}",
    "Input files updated by another job": "comes after {}",
}


@dataclass(frozen=True)
class PlannedJob:
    """A job that Snakemake announces; paths are relative to `folder`, where it runs."""

    rule: str
    input: list[str]
    output: list[str]
    log: list[str]
    reason: str
    folder: str
    command: str = ""
    begun: str = ""  # what to say where it was begun and has not ended

    def path(self, name: str) -> Path:
        """Return where one of its files is."""
        return Path(self.folder) / name

    @property
    def record(self) -> Path | None:
        """The record that an earlier run of it has left."""
        path = self.path(self.log[0]).with_suffix(".json") if self.log else None
        return path if path and path.is_file() else None

    @property
    def seconds(self) -> float | None:
        """The seconds of the last time; of a training that was resumed, those of all its parts."""
        record = read_record(self.record) if self.record else None
        seconds = record.seconds if record else None
        summaries = [self.path(name) for name in self.output if Path(name).name == SUMMARY_FILE]
        told = [TrainSummary.read(path) for path in summaries if path.is_file()]
        return told[0].cost_s(seconds) if told else seconds

    @property
    def epochs(self) -> tuple[int, int] | None:
        """The epochs of a training that are in its checkpoints, and all of them."""
        is_training = self.rule == TRAIN_EMBEDDING
        return epochs_done(self.path(self.output[0]).parent, self.command) if is_training else None

    @property
    def seconds_so_far(self) -> float:
        """The seconds that a training with checkpoints has taken; 0 where nobody knows."""
        return seconds_so_far(self.path(self.output[0]).parent, self.command)

    @property
    def changed(self) -> str:
        """The keys that a training which is done is to have other values of."""
        done = self.rule == TRAIN_EMBEDDING and self.path(self.output[0]).is_file()
        return changed_training(self.path(self.output[0]).with_name(SUMMARY_FILE), self.command) if done else ""


@dataclass(frozen=True)
class Why:
    """Why a job runs: words with {} for the files they name.

    after : the jobs that it only comes after, without a reason of its own
    """

    words: str
    files: Sequence[str] = ()
    after: Sequence[PlannedJob] = ()

    @property
    def text(self) -> str:
        """The words, with the first file that they name and how many more there are."""
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return self.words.replace("{}", "".join(self.files[:1]) + more)


def explain(arguments: Sequence[str]) -> list[str]:
    """Return lines on what `snakemake arguments` will run. Raises SreError with the sentence of Snakemake's error."""
    return describe(dry_run(project_root(), arguments))


def project_root() -> Path:
    """Return the checkout that has the Snakefile. Raises SreError where sre is installed without one."""
    root = Path(sre.__file__).resolve().parents[1]
    if not (root / "Snakefile").is_file():
        raise SreError(f"{root}: no Snakefile beside the installed sre; install it by pip install -e from a checkout")
    return root


def dry_run(root: Path, arguments: Sequence[str]) -> list[PlannedJob]:
    """The jobs of `snakemake -n arguments`, without target rules, which have no output and do nothing.

    Raises SreError where Snakemake fails, or has not described as many jobs as it counted.
    """
    paths = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    with tempfile.TemporaryDirectory() as folder:
        events = Path(folder) / "events"
        command = [sys.executable, "-m", "sre.experiments.explain", str(events), *arguments]
        done = subprocess.run(
            command, cwd=root, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, check=False
        )
        text = events.read_text(encoding="utf-8") if events.is_file() else ""
    found = [json.loads(line) for line in text.splitlines()]
    if done.returncode:
        raise SreError(_sentence(found, done.stderr))
    return jobs_of(found, any(re.match("-[a-zA-Z]*[RFf]|--force", word) for word in arguments))


def _sentence(events: Iterable[dict], stderr: str) -> str:
    """What Snakemake said, without where in its code."""
    said = [event["error"] for event in events if "error" in event] or stderr.strip().splitlines()[-1:]
    said = [text.strip().splitlines()[-1] if text.startswith("Traceback") else text for text in said]
    lines = [line for text in said for line in text.splitlines() if not re.match(r'\s+File ".*", line \d+', line)]
    if len(lines) > 1 and re.match(r"\w+(Error|Exception)\b.*:$", lines[0]):
        del lines[0]
    return "\n".join(lines) or "snakemake -n failed without a word; run it by hand"


def jobs_of(events: Sequence[dict], forced: bool = True) -> list[PlannedJob]:
    """The jobs of events; forced: some were asked for, else Snakemake says so of those that were begun by another."""
    jobs = [PlannedJob(**event["job"]) for event in events if "job" in event]
    begun = {folder: broken_off(Path(folder)) for folder in {job.folder for job in jobs}}
    words = AT_WORK if is_at_work(job.path(name) for job in jobs for name in job.log) else BROKEN_OFF

    def is_begun(job: PlannedJob) -> bool:
        return "Forced execution" in job.reason and not forced or not begun[job.folder].isdisjoint(job.output)

    jobs = [replace(job, begun=words) if is_begun(job) else job for job in jobs]
    totals = [event["total"] for event in events if "total" in event]
    if not totals and not any("idle" in event for event in events):
        raise SreError("snakemake -n planned nothing with these arguments; give those of a run, e.g. --until train")
    if totals and len(jobs) != totals[-1]:
        raise SreError(
            f"snakemake -n counts {totals[-1]} jobs and has described {len(jobs)}; leave --quiet out, or else read"
            " snakemake -n itself: sre does not understand this version of it"
        )
    return [job for job in jobs if job.output]


def describe(jobs: Sequence[PlannedJob]) -> list[str]:
    """Return lines: a table of (stage, rule, reason), the trainings that are made again, the totals by stage."""
    if not jobs:
        return ["nothing to do"]
    makers = {path: job for job in jobs for path in job.output}
    groups: dict[tuple[str, str], list[tuple[PlannedJob, Why]]] = {}
    for job in sorted(jobs, key=lambda job: list(STAGES).index(stage_of(job.rule))):
        why = _why(job, makers)
        groups.setdefault((job.rule, why.words), []).append((job, why))
    table = [["stage", "rule", "jobs", "why", "cost", "last time"]]
    for (rule, words), some in groups.items():
        files, stage = sorted({file for _, why in some for file in why.files}), stage_of(rule)
        cells = [str(len(some)), Why(words, files).text, STAGES[stage].cost]
        table.append([stage, rule, *cells, _last_time([job for job, _ in some])])
    lines = aligned(table).splitlines()
    trained = [job for job in jobs if job.rule == TRAIN_EMBEDDING and job.path(job.output[0]).exists()]
    lines += [
        f"{job.rule}: {job.output[0]} exists and will be made again, because {_because(job, makers)}" for job in trained
    ]
    for job in jobs:
        if epochs := job.epochs:
            so_far = f", {clock(job.seconds_so_far)} so far" if job.seconds_so_far else ""
            lines.append(
                f"{job.rule}: {job.output[0]}: {epochs[0]} of {epochs[1]} epochs are in its checkpoints{so_far}"
            )
    counts = ", ".join(f"{stage} {sum(stage_of(job.rule) == stage for job in jobs)}" for stage in STAGES)
    last = _last_time(jobs)
    return [*lines, f"total: {len(jobs)} jobs ({counts})" + (f", last time {last}" if last else "")]


def _why(job: PlannedJob, makers: dict[str, PlannedJob]) -> Why:
    """The weightiest of its reasons, in our words; Snakemake's where we know none of them."""
    for begin, words in REASONS.items():
        found = re.search(rf"(?:^|; ){begin}(?:: (.*?))?(?=; [A-Z]|$)", job.reason, re.DOTALL)
        if not found:
            continue
        if begin.startswith("Params") and (keys := changed_keys(job.reason)):
            return Why("; ".join([job.begun] * bool(job.begun) + [f"its config changed: {keys}"]))
        if job.begun and begin.startswith(("Forced", "Incomplete", "Missing")):
            return Why(job.begun)
        files = sorted(found[1].split(", ")) if "{}" in words and found[1] else []
        if begin.startswith("Missing") and not job.record and not any(job.path(path).exists() for path in job.output):
            return Why("never made")
        if begin.startswith("Input files updated"):
            if keys := job.changed:  # Snakemake compares no parameters of what runs for its input already
                return Why(f"its config changed: {keys}")
            after = [makers[file] for file in files if file in makers]
            names = sorted({makers[file].rule if file in makers else file for file in files})
            return Why(words.replace("{}", ", ".join(names)), after=after)
        return Why(words, files)
    return Why(job.reason or "snakemake gives no reason")


def _because(job: PlannedJob, makers: dict[str, PlannedJob]) -> str:
    """Return its own reason, or those of the jobs at the beginning of the chain that it comes after."""
    why = _why(job, makers)
    if not why.after:
        return why.text
    waiting = list(why.after)
    seen: set[str] = set()
    roots: set[str] = set()
    while waiting:
        maker = waiting.pop()
        if maker.output[0] not in seen:
            seen.add(maker.output[0])
            found = _why(maker, makers)
            waiting += found.after
            if not found.after:
                roots.add(f"{maker.rule} runs ({found.text})")
    return " and ".join(sorted(roots))


def _last_time(jobs: Sequence[PlannedJob]) -> str:
    """Return the time that the jobs took together the last time; '' where none was measured."""
    measured = [seconds for job in jobs if (seconds := job.seconds) is not None]
    some = f" ({len(measured)} of {len(jobs)} jobs)" if len(measured) < len(jobs) else ""
    return clock(sum(measured)) + some if measured else ""


def _event(record: logging.LogRecord) -> dict | None:
    """What matters of a log record of Snakemake: its fields are the contract with its logger plug-ins."""
    told = vars(record)
    kind = str(told.get("event"))
    if kind == "job_info":
        files = {name: list(map(str, told[name] or [])) for name in ("input", "output", "log")}
        about = {"reason": told["reason"], "folder": os.getcwd(), "command": told["shellcmd"] or ""}
        return {"job": {"rule": told["rule_name"], **files, **about}}
    if kind == "run_info":
        return {"total": told["stats"]["total"]}
    if record.levelno >= logging.ERROR:
        return {"error": record.getMessage()}
    return {"idle": True} if str(record.msg).startswith("Nothing to be done") else None


def _snakemake(events: str, arguments: list[str]) -> None:
    """Run `snakemake -n arguments` in this process, with its events as lines of JSON; exits as it does."""
    from snakemake.cli import main
    from snakemake.logging import logger

    with open(events, "w", encoding="utf-8") as file:

        def listen(record: logging.LogRecord) -> bool:
            if event := _event(record):
                file.write(json.dumps(event) + "\n")
            return True

        try:
            check_command(arguments)
        except SreError as error:
            file.write(json.dumps({"error": str(error)}) + "\n")
            sys.exit(1)
        logger.addFilter(listen)  # Snakemake takes handlers that are not its own away
        sys.argv[0] = "snakemake"  # what its usage and its errors say
        main(["-n", *arguments])


if __name__ == "__main__":
    _snakemake(sys.argv[1], sys.argv[2:])
