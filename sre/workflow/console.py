"""What a person sees of a run of Snakemake: lines of jobs, progress, and last the warnings, errors, table and page.

Everything else that Snakemake says stays in .snakemake/log, and what jobs print in their own logs.
"""

import atexit
import logging
import os
import re
import shlex
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TextIO

from sre.machine.log import LINE_EVERY_S, REDRAW_EVERY_S, clock
from sre.workflow import joblog
from sre.workflow.plan import Job, Plan
from sre.workflow.screen import Screen

LONG_S = 5.0  # a job that takes longer is announced
PATIENCE_S = 10.0  # for jobs to end after a Ctrl-C
MOST_WARNINGS = 5  # of a job, at the end of a run
WRAPPING = re.compile(r"(\w*(?:Error|Exception))(?: in (file .*)| in .*)?:$")
PLACE = re.compile(r'\s+File ".*", line \d+')
BEFORE = ("Building DAG of jobs...", "Assuming unrestricted shared filesystem usage.", "Config file ")  # a run begins
REFUSED = re.compile(r"(?:\w+Error: )?\[Errno \d+\] (.*?): '(.*)'$")  # by the system, of a file
UNRECORDED = re.compile(r"Error recording metadata for finished job \(\[Errno \d+\] (.*?)\)")
SPEC = re.compile(r" \(rule \w+, line \d+, .*\)$")


def sentence(message: str) -> str:
    """Return an error as it was raised, without Snakemake's wrapping; a NameError of a data.smk keeps file and line."""
    lines = [line for line in message.strip().splitlines() if not PLACE.match(line)]
    if len(lines) > 1 and (wrapping := WRAPPING.match(lines[0])):
        del lines[0]
        if wrapping[2] and wrapping[1] not in ("WorkflowError", "SreError"):
            lines[-1] += f" ({wrapping[1]} in {wrapping[2]})"
    if lines and (refused := REFUSED.match(lines[-1])):
        return f"{refused[2]}: {refused[1]}; mend that, then the same command goes on"
    if lines and (unrecorded := UNRECORDED.match(lines[-1])):
        return f"what Snakemake remembers of this job cannot be written ({unrecorded[1]}); make room under the root"
    return SPEC.sub("", "\n".join(lines)).removeprefix("Error: ")


class Console(logging.Filter):
    """A filter of Snakemake's terminal handler: takes its messages, and says what matters of them in our words.

    raw : -p or --verbose: Snakemake's own messages are shown too
    page : what the last line of a run that has made it names
    """

    def __init__(self, workflow: Any, stream: TextIO) -> None:
        super().__init__()
        settings = workflow.output_settings
        self.workflow, self.screen = workflow, Screen(stream)
        self.dryrun = settings.dryrun
        self.quiet = bool(settings.quiet)
        self.raw = bool(settings.verbose or settings.printshellcmds or settings.debug_dag)
        self.live = self.ended = self.idle = False
        self.stopped = False
        self.plan = Plan()
        self.warnings: list[str] = []
        self.errors: dict[object, str] = {}
        self.table, self.page, self.folder = "", "", Path.cwd()
        self.begun = time.monotonic()
        self.lock = threading.RLock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether Snakemake shows a record itself."""
        try:
            with self.lock:
                return self._take(record) or self.raw
        except Exception as error:  # a fault of this display ends no training: Snakemake's own takes over
            self.raw, self.live = True, False
            self.screen.whole(f"the display failed ({type(error).__name__}: {error}); Snakemake's own follows")
            return True

    def _take(self, record: logging.LogRecord) -> bool:
        event = str(getattr(record, "event", None))
        if event == "workflow_started" and not self.dryrun:
            self.live = True
            atexit.register(self.end)
        if record.levelno >= logging.ERROR and event != "job_error":
            return self._error(record)
        if not self.live:
            return self.dryrun or not record.getMessage().startswith(BEFORE)
        if handle := getattr(self, f"_{event}", None) if event != "None" else self._message:
            handle(record)
        if record.levelno >= logging.WARNING and event == "None":
            self.screen.whole(record.getMessage())
        return False

    def _run_info(self, record: logging.LogRecord) -> None:
        if self.workflow.touch:
            self.live = False
            return
        self.plan = Plan.of(self.workflow.dag)
        self._say(f"{len(self.plan.jobs)} steps to do", timed=False)
        threading.Thread(target=self._watch, daemon=True).start()

    def _job_info(self, record: logging.LogRecord) -> None:
        if job := self.plan.jobs.get(vars(record)["jobid"]):
            job.start()

    def _job_finished(self, record: logging.LogRecord) -> None:
        job = self.plan.jobs.get(vars(record)["job_id"])
        if not job or job.took is not None:
            return
        self.errors.pop(vars(record)["job_id"], None)
        self._finish(job)

    def _finish(self, job: Job) -> None:
        job.took, text = job.elapsed, job.text
        found = joblog.warnings(text)
        self.warnings += [f"{job.name}: {warning}" for warning in found[:MOST_WARNINGS]]
        if len(found) > MOST_WARNINGS:
            self.warnings.append(f"{job.name}: {len(found) - MOST_WARNINGS} more in {job.log}")
        if job.rule == "make_report":
            self.table = "\n".join(joblog.printed(text)[:-1]).strip("\n")
        more = f", {len(found)} warning{'s' * (len(found) > 1)}" if found else ""
        parts = [clock(job.took), joblog.outcome(text)]
        self._say(f"{job.name}: {', '.join(filter(None, parts))}{more}")

    def _job_error(self, record: logging.LogRecord) -> None:
        job = self.plan.jobs.get(vars(record)["jobid"])
        if not job:
            return
        if job.status == 130 or joblog.stopped(job.text):
            self.stopped = True
        where = f"\nits log: {job.log}" if job.log else ""
        more = f" ({told})" if (told := vars(record).get("rule_msg")) else ""  # of an executor, e.g. Slurm's
        self.errors[vars(record)["jobid"]] = f"{job.name}: {joblog.failure(job.text, job.status)}{more}{where}"
        job.failed = True
        if self._running() and not self.stopped:
            self._say(f"{job.name}: failed; what runs beside it comes to its end first")

    def _message(self, record: logging.LogRecord) -> None:
        said = record.getMessage()
        if said.startswith("Terminating processes on user request"):
            self.stopped = True
        elif said.startswith("Will exit after finishing"):  # which is said again at the end of each job
            if not self.stopped:
                self._say("stopping: the jobs that run come to their end first")
            self.stopped = True
        elif said.startswith("Nothing to be done"):
            self.idle = True
        elif found := re.match(r"Trying to restart job (\d+)", said):
            error = self.errors.pop(int(found[1]), "").partition("\n")[0]
            job = self.plan.jobs.get(int(found[1]))
            if not (job and joblog.refusal(job.text)):  # else the next try ends in the same sentence, at once
                self._say(f"tried again: {error}")

    def _error(self, record: logging.LogRecord) -> bool:
        """Keep an error for the end of a run, or show it at once where none has begun."""
        said = record.getMessage()
        if "CalledProcessError" in said:  # says no more than that the job failed, and how it ended
            if found := re.search(r"exit status (\d+)|died with <Signals\.\w+: (\d+)>", said):
                for job in self.plan.jobs.values():
                    if job.log and f"record_job {shlex.quote(str(job.log))} " in said:
                        job.status = int(found[1]) if found[1] else 128 + int(found[2])
            return False
        if said.startswith("Exiting because a job execution failed") or "At least one job did not" in said:
            return False
        plain = sentence(said)
        wrapped = re.match(r"(WorkflowError|Missing\w+|\w*RuleException|ApiError|Error\b)", said)
        text = f"error: {plain}" if wrapped or "\n" not in plain else said  # else a traceback, which stays whole
        if self.live:
            self.errors[len(self.errors), text] = text.removeprefix("error: ")
        else:
            self.screen.whole(text)
        return False

    def _watch(self) -> None:
        while not self.ended:
            time.sleep(REDRAW_EVERY_S)
            with self.lock:
                if not self.ended:
                    self._tick()

    def _tick(self) -> None:
        running = self._running()
        for job in running:
            if not job.announced and job.elapsed >= LONG_S:
                job.announced = True
                self._say(f"{job.name} …", at=time.time() - job.elapsed)
            elif not self.screen.redraws and time.monotonic() - job.shown >= LINE_EVERY_S:
                job.shown = time.monotonic()
                self._say(self._how_far(job))
        if running and not self.quiet:
            longest = max(running, key=lambda job: (job.guess_s, job.elapsed))
            beside = f" · {len(running) - 1} more" if len(running) > 1 else ""
            self.screen.redraw(
                f"{time.strftime('%H:%M:%S')} {self.plan.percent():3} % {self._how_far(longest)}{beside}"
            )

    def _running(self) -> list[Job]:
        return [job for job in self.plan.jobs.values() if job.begun and job.took is None and not job.failed]

    def _how_far(self, job: Job) -> str:
        progress = job.progress
        if not progress:
            last = job.last
            return f"{job.name}: {clock(job.elapsed)}{', ' if last else ''}{last}"
        left = progress.remaining_s
        eta = "at most " * progress.at_most + (clock(left) if left is not None else "?")
        count = f"{progress.now:.0f} of {progress.total:.0f} {progress.unit}, {progress.rate:.4g} {progress.unit}/s"
        return f"{job.name}: {count}, ETA {eta}{', ' if progress.note else ''}{progress.note}"

    def _say(self, text: str, timed: bool = True, at: float | None = None) -> None:
        if not self.quiet:
            begun = time.strftime("%H:%M:%S", time.localtime(at))
            self.screen.line(f"{begun} {self.plan.percent():3} % {text}" if timed else text)

    def end(self) -> None:
        """Say what is left: the warnings, then how it ended, with the table and the page where they were made."""
        with self.lock:
            if self.ended or not self.live:
                return
            self.ended = True
            self.screen.clear()
            for job in [] if self.stopped or self.errors else self._running():
                self._finish(job)  # --quiet: Snakemake does not say that they have finished
            for warning in dict.fromkeys(self.warnings):
                self.screen.whole(f"warning: {warning}")
            if self.stopped:
                self._tell_stop()
            elif self.errors:
                for error in dict.fromkeys(self.errors.values()):
                    self.screen.whole(f"error: {error}")
            else:
                self._tell_success()

    def _tell_stop(self) -> None:
        for number, error in self.errors.items():  # what failed by itself before or beside the stop
            if number in self.plan.jobs and joblog.refusal(self.plan.jobs[number].text):
                self.screen.whole(f"error: {error}")
        open_jobs = [job for job in self.plan.jobs.values() if job.took is None]
        steps = [f"{step} of {job.name}" for job in open_jobs if (step := joblog.stopped(job.text))]
        where = steps[0] if steps else f"step {self.plan.done + 1} of {len(self.plan.jobs)}"
        self.screen.whole(f"stopped; the same command goes on from {where}" if self.plan.jobs else "stopped")

    def _tell_success(self) -> None:
        if self.table:
            self.screen.whole(self.table)
        took = clock(time.monotonic() - self.begun)
        made = "nothing to do: all is made and up to date"
        self.screen.whole(made if self.idle else f"done: {self.plan.done} steps in {took}")
        page = self.folder / self.page
        if self.page and (self.table or self.idle) and page.is_file():
            self.screen.whole(self.page if Path.cwd() == self.folder else str(page))  # else --directory's


def attach(workflow: Any) -> Console | None:
    """Take over the terminal of Snakemake's main process; None where a logger plug-in has it, or in a job's process."""
    from snakemake.logging import logger

    handlers = [handler for handler in logger.handlers if handler.name == "DefaultStreamHandler"]
    if not (handlers and workflow.is_main_process and handlers[0].stream):  # the last: behind 2>&-
        return None
    console = Console(workflow, handlers[0].stream)
    handlers[0].filters.insert(0, console)
    if console.screen.width:
        os.environ["COLUMNS"] = str(console.screen.width)  # for the table that the report's job prints
    _quiet_interrupt(console)
    return console


def _quiet_interrupt(console: Console) -> None:
    """Let Ctrl-C, at any time and as often as one likes, end in a line.

    The first stops the run. Those of the next seconds change nothing: the jobs are ending, and what they would break
    off is Snakemake's waiting for them. A later one ends a run whose jobs do not.
    """
    before = sys.excepthook
    first: list[float] = []

    def hook(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            console.stopped = True
            if not console.live:
                console.screen.whole("stopped")
        else:
            before(kind, value, trace)

    def interrupted(number: int, frame: FrameType | None) -> None:
        first.append(time.monotonic())
        console.stopped = True
        if len(first) == 1:
            raise KeyboardInterrupt
        if first[-1] - first[0] > PATIENCE_S:
            console.end()
            os._exit(130)

    sys.excepthook = hook
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else, behind nohup, it is ignored
        signal.signal(signal.SIGINT, interrupted)
