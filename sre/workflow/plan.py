"""The jobs of a run of Snakemake: their names, what they cost, how far all of them are."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sre import SreError
from sre.config.stages import TYPICAL_S
from sre.experiments.records import read_record
from sre.workflow import joblog

OTHERS_S = 3.0  # of a job that has never been measured
TELLING = ("split", "features", "run", "suffix", "backend", "list", "shard")  # wildcards that name a job


@dataclass
class Job:
    """A job of a run, what is known of it beforehand, and how far it is; times in seconds of the monotonic clock."""

    name: str
    rule: str
    log: Path | None
    expected_s: float | None = None
    begun: float | None = None
    took: float | None = None
    announced: bool = False
    failed: bool = False
    shown: float = 0.0
    status: int | None = None  # as a shell gives it
    old: tuple[int, int] | None = None  # the log as an earlier try has left it

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.begun if self.begun else 0.0

    @property
    def guess_s(self) -> float:
        """Return the seconds that it took the last time, or what such jobs take on little data."""
        return self.expected_s or TYPICAL_S.get(self.rule, OTHERS_S)

    @property
    def text(self) -> str:
        """Return its log, once it has begun; what an earlier try has left does not count."""
        return self._read(joblog.MOST_BYTES)

    @property
    def progress(self) -> joblog.Progress | None:
        return joblog.progress(self._read(joblog.TAIL_BYTES))

    @property
    def last(self) -> str:
        return joblog.last(self._read(joblog.TAIL_BYTES))

    def start(self) -> None:
        self.begun = self.shown = time.monotonic()
        self.took, self.failed, self.status, self.old = None, False, None, self._state()

    def _state(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self.log) if self.log else None
        except OSError:
            found = None
        return (found.st_mtime_ns, found.st_size) if found else None

    def _read(self, most: int) -> str:
        if not self.log or self.begun is None or self._state() in (None, self.old):
            return ""
        return joblog.read(self.log, most)


def name_of(rule: str, wildcards: Mapping[str, str]) -> str:
    """Return a job's name: "make_features mini_test fbank40 shard 2" for shard 2 of split mini_test."""
    found = [(key, wildcards[key]) for key in TELLING if wildcards.get(key) and not rule.endswith(f"_{wildcards[key]}")]
    words = [f"shard {value}" if key == "shard" else value.lstrip("_") for key, value in found]
    return " ".join([rule, *words])


@dataclass
class Plan:
    """The jobs of a run, and how far it is: the share of the time that they take, not of their number."""

    jobs: dict[int, Job] = field(default_factory=dict)
    reached: float = 0.0

    @classmethod
    def of(cls, dag: Any) -> "Plan":
        """Take the jobs that will run and make something from Snakemake's graph."""
        jobs = [job for job in dag.needrun_jobs() if job.output]
        return cls({job.jobid: _planned(job) for job in jobs})

    @property
    def done(self) -> int:
        return sum(job.took is not None for job in self.jobs.values())

    def percent(self) -> int:
        spent = sum(job.elapsed if job.took is None else job.took for job in self.jobs.values())
        taken: dict[str, list[float]] = {}
        for job in self.jobs.values():
            taken.setdefault(job.rule, []).extend([] if job.took is None else [job.took])
        left = sum(_left(job, taken[job.rule]) for job in self.jobs.values() if job.took is None)
        self.reached = max(self.reached, spent / max(spent + left, 1e-9))
        return 100 if self.done == len(self.jobs) else min(99, int(100 * self.reached))


def _left(job: Job, alike: list[float]) -> float:
    """Return the seconds that a job still needs: by its progress, by its last time, or as others of its rule took."""
    progress = job.progress
    if progress and progress.remaining_s is not None:
        return progress.remaining_s
    guess = sum(alike) / len(alike) if alike and not job.expected_s else job.guess_s
    return max(guess - job.elapsed, 0.1)


def _planned(job: Any) -> Job:
    log = Path(job.log[0]) if job.log else None
    try:
        record = read_record(log.with_suffix(".json")) if log else None
    except SreError:  # a damaged record: the job writes another
        record = None
    return Job(name_of(job.rule.name, job.wildcards_dict), job.rule.name, log, record.seconds if record else None)
