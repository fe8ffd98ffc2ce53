"""What snakemake will run with the same arguments, why, and how long such jobs take. Nothing is run.

sre explain
sre explain --until train --config recipe=librispeech corpus=/data/LibriSpeech

Takes any arguments of snakemake; their relative paths start at the project's root. "Last time" is what the records
of the same jobs (log/*.json) and train_summary.json have measured.
"""

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
from sre.experiments.records import read_record
from sre.experiments.rerun import broken_off, changed_keys, changed_training, epochs_done, is_at_work
from sre.io.text import read_object
from sre.machine.log import clock
from sre.training.summary import SUMMARY

TRAINING = "train_embedding"
STAGES = ("data", "feats", "train", "embed", "score", "report")
COSTS = {"train": "hours of GPU (minutes for small corpora)", "feats": "minutes", "embed": "minutes"}
TRAIN_AGAIN = "delete it, and the model is trained again"
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
class Job:
    """As Snakemake announces it; paths are relative to `folder`, where it runs."""

    rule: str
    input: list[str]
    output: list[str]
    log: list[str]
    reason: str
    folder: str
    command: str = ""
    begun: str = ""  # what to say where it was begun and has not ended

    def path(self, name: str) -> Path:
        return Path(self.folder) / name

    @property
    def record(self) -> Path | None:
        """Where an earlier run of it has left its record, if it has."""
        path = self.path(self.log[0]).with_suffix(".json") if self.log else None
        return path if path and path.is_file() else None

    @property
    def seconds(self) -> float | None:
        """Of the last time; of a training that was resumed, all its parts."""
        measured = [read_record(self.record).get("seconds")] if self.record else []
        summaries = [self.path(name) for name in self.output if Path(name).name == "train_summary.json"]
        measured += [read_object(path, SUMMARY, TRAIN_AGAIN).get("training_s") for path in summaries if path.is_file()]
        return max((value for value in measured if value is not None), default=None)

    @property
    def epochs(self) -> tuple[int, int] | None:
        """Of a training: how many are in checkpoints, and all."""
        return epochs_done(self.path(self.output[0]).parent, self.command) if self.rule == TRAINING else None

    @property
    def changed(self) -> str:
        """Of a training that is done: the keys that it is to have other values of."""
        done = self.rule == TRAINING and self.path(self.output[0]).is_file()
        return changed_training(self.path(self.output[0]).with_name("train_summary.json"), self.command) if done else ""


@dataclass(frozen=True)
class Why:
    """Words with {} for the files they name; `after`: the jobs it only comes after, with no reason of its own."""

    words: str
    files: Sequence[str] = ()
    after: Sequence[Job] = ()

    @property
    def text(self) -> str:
        more = f" and {len(self.files) - 1} more" if len(self.files) > 1 else ""
        return self.words.replace("{}", "".join(self.files[:1]) + more)


def explain(arguments: Sequence[str]) -> None:
    """Print it. Raises SreError with Snakemake's own sentence where it fails."""
    if {"-h", "--help"} & set(arguments):
        print(__doc__.strip())
        return
    root = project_root()
    for line in describe(dry_run(root, arguments), stages_of_rules(root)):
        print(line)


def project_root() -> Path:
    root = Path(sre.__file__).resolve().parents[1]
    if not (root / "Snakefile").is_file():
        raise SreError(f"{root}: no Snakefile beside the installed sre; install it by pip install -e from a checkout")
    return root


def stages_of_rules(root: Path) -> dict[str, str]:
    """Rule -> stage, the name of its file in steps/; the rules of recipes, which are not in here, make data."""
    texts = {stage: (root / "steps" / f"{stage}.smk").read_text(encoding="utf-8") for stage in STAGES}
    return {rule: stage for stage, text in texts.items() for rule in re.findall(r"^\s*rule (\w+):", text, re.M)}


def dry_run(root: Path, arguments: Sequence[str]) -> list[Job]:
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


def jobs_of(events: Sequence[dict], forced: bool = True) -> list[Job]:
    """The jobs of events; forced: some were asked for, else Snakemake says so of those that were begun by another."""
    jobs = [Job(**event["job"]) for event in events if "job" in event]
    begun = {folder: broken_off(Path(folder)) for folder in {job.folder for job in jobs}}
    words = AT_WORK if is_at_work(job.path(name) for job in jobs for name in job.log) else BROKEN_OFF

    def is_begun(job: Job) -> bool:
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


def describe(jobs: Sequence[Job], stages: dict[str, str]) -> list[str]:
    """Lines: a table of (stage, rule, reason), the trainings that are made again, the totals by stage."""
    if not jobs:
        return ["nothing to do"]
    makers = {path: job for job in jobs for path in job.output}
    groups: dict[tuple[str, str, str], list[tuple[Job, Why]]] = {}
    for job in sorted(jobs, key=lambda job: STAGES.index(stages.get(job.rule, "data"))):
        why = _why(job, makers)
        groups.setdefault((stages.get(job.rule, "data"), job.rule, why.words), []).append((job, why))
    table = [["stage", "rule", "jobs", "why", "cost", "last time"]]
    for (stage, rule, words), some in groups.items():
        files = sorted({file for _, why in some for file in why.files})
        cells = [str(len(some)), Why(words, files).text, COSTS.get(stage, "seconds")]
        table.append([stage, rule, *cells, _last_time([job for job, _ in some])])
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in table]
    trained = [job for job in jobs if stages.get(job.rule) == "train" and job.path(job.output[0]).exists()]
    lines += [
        f"{job.rule}: {job.output[0]} exists and will be made again, because {_because(job, makers)}" for job in trained
    ]
    for job in jobs:
        if epochs := job.epochs:
            lines.append(f"{job.rule}: {job.output[0]}: {epochs[0]} of {epochs[1]} epochs are in its checkpoints")
    counts = ", ".join(f"{stage} {sum(stages.get(job.rule, 'data') == stage for job in jobs)}" for stage in STAGES)
    last = _last_time(jobs)
    return [*lines, f"total: {len(jobs)} jobs ({counts})" + (f", last time {last}" if last else "")]


def _why(job: Job, makers: dict[str, Job]) -> Why:
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


def _because(job: Job, makers: dict[str, Job]) -> str:
    """Its own reason, or those of the jobs at the beginning of the chain that it comes after."""
    why = _why(job, makers)
    if not why.after:
        return why.text
    waiting, seen, roots = list(why.after), set(), {}
    while waiting:
        maker = waiting.pop()
        if maker.output[0] not in seen:
            seen.add(maker.output[0])
            found = _why(maker, makers)
            waiting += found.after
            if not found.after:
                roots.setdefault(f"{maker.rule} runs ({found.text})")
    return " and ".join(sorted(roots))


def _last_time(jobs: Sequence[Job]) -> str:
    """Summed over the jobs; '' where none was measured."""
    measured = [seconds for job in jobs if (seconds := job.seconds) is not None]
    some = f" ({len(measured)} of {len(jobs)} jobs)" if len(measured) < len(jobs) else ""
    return clock(sum(measured)) + some if measured else ""


def _event(record: logging.LogRecord) -> dict | None:
    """What matters of a log record of Snakemake: its fields are the contract with its logger plug-ins."""
    kind = str(getattr(record, "event", None))
    if kind == "job_info":
        files = {name: list(map(str, getattr(record, name) or [])) for name in ("input", "output", "log")}
        about = {"reason": record.reason, "folder": os.getcwd(), "command": record.shellcmd or ""}
        return {"job": {"rule": record.rule_name, **files, **about}}
    if kind == "run_info":
        return {"total": record.stats["total"]}
    if record.levelno >= logging.ERROR:
        return {"error": record.getMessage()}
    return {"idle": True} if str(record.msg).startswith("Nothing to be done") else None


def _snakemake(events: str, arguments: list[str]) -> None:
    """Run `snakemake -n arguments` in this process, with its events as lines of JSON; exits as it does."""
    from snakemake.cli import main
    from snakemake.logging import logger

    with open(events, "w", encoding="utf-8") as file:

        def listen(record: logging.LogRecord) -> bool:
            event = _event(record)
            if event:
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
