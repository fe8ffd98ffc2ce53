"""A row of a report against its files: are the numbers and intervals those that its scores and draws give?"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import isclose
from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError
from sre.experiments.records import changed, job_of
from sre.io.text import exact
from sre.io.trials import align_scores
from sre.metrics.bootstrap import intervals
from sre.metrics.rates import RATES, Rate, summarise
from sre.scoring.replicates import read_replicates, replicates_of
from sre.scoring.result import SCORE_AGAIN, ListResult, SystemResult, numbers_of

COMPARED = 4  # of RATES: the EER, and minDCF at three priors


@dataclass
class RowFiles:
    """A row of a report, one system of one run on one trial list, and the files that it is from.

    line : that of report.tsv, where the row was asked for by its line
    differences : what of the row is not as its files have it, once `check` has been read to its end
    """

    metrics_file: Path
    system: str
    line: dict[str, str] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.result = ListResult.read(self.metrics_file)
        self.outcome = self.result.systems[self.system]
        self.scores = self.metrics_file.with_name(f"{self.system}.scores")

    @property
    def trials_file(self) -> Path:
        """The trial list, from the working directory."""
        job = job_of(self.metrics_file)
        return Path(os.path.relpath(job.at(self.result.trials_file) if job else self.result.trials_file))

    def check(self, digest: Callable[[Path], str]) -> Iterator[str]:
        """Yield lines of the row's numbers, and of whether the same come out again."""
        result = self.result
        yield f"{result.run} {self.system} on {result.trials}: model {result.model}, seed {result.seed}"
        if not self.outcome.done:
            yield f"  failed: {self.outcome.reason}"
            if self.line.get("eer"):
                self.differences.append(f"report.tsv has eer {self.line['eer']} of it")
        else:
            yield from _numbers(self)
            self.differences += [*_stale(self), *_differences(self, digest)]
        yield from (f"! {text}" for text in self.differences)
        if self.outcome.done and not self.differences:
            again = "numbers and intervals" if self.outcome.intervals else "numbers"
            yield f"  score file and trial list: of the SHA-256 in metrics.json; {again} recomputed: the same"


def _numbers(row: RowFiles) -> Iterator[str]:
    result, metrics, draws = row.result, row.outcome.metrics, row.result.bootstrap
    yield "  " + ", ".join(_number(row.outcome, rate) for rate in RATES[:COMPARED] if rate.key in metrics)
    if draws and row.outcome.intervals:
        drawn = f"the {draws.speakers} speakers" if draws.speakers else "the trials, as if independent"
        how = f"{draws.replicates} draws of {drawn}, seed {draws.seed}"
        yield f"  in brackets: {draws.level:.0%} intervals, from {how}"
    targets, nontargets = row.outcome.counts
    trials = f"{targets} target and {nontargets} nontarget trials of {row.trials_file}"
    yield f"  {trials}, SHA-256 {result.trials_sha256}"
    costs = f"C_miss {exact(metrics.get('c_miss', 1))}, C_fa {exact(metrics.get('c_fa', 1))}"
    yield f"  {result.role} list; {costs}; config SHA-256 {result.config_sha256 or 'unknown'}"


def _number(outcome: SystemResult, rate: Rate) -> str:
    interval = outcome.intervals.get(rate.key)
    bounds = f" ({interval[0]:.4f} to {interval[1]:.4f})" if interval else ""
    return f"{rate.name} {outcome.metrics[rate.key]:.4f}{rate.unit}{bounds}"


def _stale(row: RowFiles) -> list[str]:
    """Say where the line of report.tsv, with its six digits, is not that of metrics.json."""
    said = row.line.get("status", "ok")
    found = [f"report.tsv has the status {said}, metrics.json ok"] if said != "ok" else []
    for key, value in numbers_of(row.outcome.metrics).items():
        if isinstance(value, float) and row.line.get(key, "") not in ("", f"{value:.6g}"):
            found.append(f"report.tsv has {key} {row.line[key]}, metrics.json {value:.6g}")
    return found


def _differences(row: RowFiles, digest: Callable[[Path], str]) -> list[str]:
    outcome, metrics = row.outcome, row.outcome.metrics
    files = [(row.scores, outcome.scores_sha256), (row.trials_file, row.result.trials_sha256)]
    if outcome.replicates_sha256:  # not of older versions
        files.append((replicates_of(row.scores), outcome.replicates_sha256))
    whats = {path: changed(path, {"sha256": sha256}, digest) for path, sha256 in files}
    found = [f"{path}: {what}, it is not what metrics.json is of" for path, what in whats.items() if what]
    try:
        scores, trials = align_scores(row.scores, row.trials_file)
        costs = metrics.get("c_miss", 1.0), metrics.get("c_fa", 1.0)
        scores = scores.astype(np.float32).astype(np.float64)  # what was scored; a file has the fewest digits of it
        again = summarise(scores, trials.target, *costs, calibrated=metrics.get("calibrated", False))
        if outcome.intervals and replicates_of(row.scores).is_file() and not any(whats.values()):
            again["intervals"] = _intervals(row, again)
    except SreError as error:
        return [*found, f"cannot be recomputed: {error}"]
    again, known = numbers_of(again), numbers_of(outcome.metrics)
    keys = [key for key in again if key in known and not _equal(again[key], known[key])]
    return found + [f"recomputed: {key} is {again[key]}, metrics.json has {known[key]}" for key in keys]


def _intervals(row: RowFiles, metrics: dict[str, Any]) -> dict[str, list[float] | None]:
    drawn = row.result.bootstrap
    if drawn is None:
        raise SreError(f"{row.metrics_file}: intervals, and no word of their draws; {SCORE_AGAIN}")
    draws = read_replicates(replicates_of(row.scores), drawn.columns)
    return intervals(metrics, draws, drawn.speakers)


def _equal(one: float | None, other: float | None) -> bool:
    """Return whether two numbers are equal up to what another processor's logarithms may change."""
    if one is None or other is None:
        return one is other
    return isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)
