"""The report's numbers: one row a run x system x trial list, and means over seeds.

A *run* is one training (model and seed); a *group* is the runs of one model that differ by seed only. Lists of role
development, on which systems are chosen, calibrated and fused, come after the evaluation lists.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError
from sre.config.conditions import Condition
from sre.config.resolve import CALIBRATIONS
from sre.io.trials import align_scores
from sre.scoring.replicates import read_replicates
from sre.scoring.result import FittedCalibration, ListResult, SystemResult

THRESHOLDS = (
    ("at the EER", "eer_threshold"),
    ("at minDCF(0.01)", "threshold_min_dcf_0.01"),
    ("at P_fa ≤ 1 %", "threshold_fa_0.01"),
    ("at P_fa ≤ 0.1 %", "threshold_fa_0.001"),
)
NO_ERRORS = "not one error: too few or too easy trials to compare systems, or test speech in the training set"


@dataclass(frozen=True)
class Row:
    """One run x system x trial list; `metrics` is empty where it failed, and `note` says why."""

    list_name: str
    model: str
    system: str
    seed: int
    run: str
    primary: bool
    metrics: dict[str, Any]
    note: str
    result: ListResult  # the metrics file it is from

    @property
    def development(self) -> bool:
        """Whether the list is for choosing, calibrating and fusing systems."""
        return self.result.development

    @property
    def condition(self) -> Condition | None:
        """What was done to the utterances of another list, whose trials these are."""
        return self.result.condition

    @property
    def outcome(self) -> SystemResult:
        """The result of the system."""
        return self.result.systems[self.system]

    @property
    def list_title(self) -> str:
        """The name of the list as tables head it."""
        return f"{self.list_name} (development)" if self.development else self.list_name

    @property
    def scores(self) -> Path:
        """The score file."""
        return self.result.scores(self.system)

    @property
    def trials_file(self) -> Path:
        """The trial list as the score job was given it, else beside its metrics file."""
        named = Path(self.result.trials_file)
        return named if named.exists() else self.result.folder / named

    @property
    def data(self) -> Path | None:
        """The data directory of the list's utterances."""
        return Path(self.result.data) if self.result.data else None

    def draws(self, metric: str) -> np.ndarray:
        """Return the draws of a rate, (R,), of a system that has some. Raises SreError where they lack the rate."""
        columns = self.result.bootstrap.columns if self.result.bootstrap else []
        if metric not in columns:
            raise SreError(f"{self.result.path}: no draws of {metric}; score {self.list_name} again")
        return read_replicates(self.result.replicates(self.system), columns)[metric]

    @property
    def calibration(self) -> FittedCalibration | None:
        """How a calibrated system was fitted, as far as its metrics file has it; None of another system."""
        named = uncalibrated(self.system) != self.system
        return self.outcome.fitted_calibration or (FittedCalibration() if named else None)


@dataclass(frozen=True)
class Group:
    """The seeds of one model x system x trial list."""

    rows: tuple[Row, ...]
    best: bool = False  # lowest mean of its trial list, an evaluation list
    chosen: bool = False  # on an evaluation list: lowest mean of its model on the development list

    @property
    def name(self) -> tuple[str, str]:
        """The model and the system."""
        return self.rows[0].model, self.rows[0].system

    @property
    def done(self) -> list[Row]:
        """The seeds that were scored."""
        return [row for row in self.rows if row.metrics]

    def values(self, key: str) -> list[float]:
        """Return the rate of each seed that has it: metrics files of older versions lack some."""
        return [row.metrics[key] for row in self.done if row.metrics.get(key) is not None]

    def mean(self, key: str) -> float:
        """Return the mean over the seeds that have the rate."""
        values = self.values(key)
        return sum(values) / len(values)


def uncalibrated(system: str) -> str:
    """Return the name of the system that one with +cal, +qmf or +pool calibrates; another system's own."""
    base, _, last = system.rpartition("+")
    return base if base and last in CALIBRATIONS else system


def make_rows(results: Iterable[ListResult], primary: str | None = None) -> list[Row]:
    """Return rows in the order of list, model, system, seed; development lists last.

    `primary` is SYSTEM, MODEL/SYSTEM or RUN/SYSTEM. Raises SreError where it is not there, where a row
    stands twice, or where one list's name stands for two lists or has two roles.
    """
    rows: dict[tuple, Row] = {}
    for result in results:
        for system, outcome in result.systems.items():
            row = _make_row(result, system, outcome, primary)
            key = (row.list_name, row.model, row.system, row.seed, row.run)
            if key in rows:
                raise SreError(
                    f"{row.run} {system} on {row.list_name} stands in two metrics files; give each file once"
                )
            rows[key] = row
    ordered = sorted((rows[key] for key in sorted(rows)), key=lambda row: row.development)
    _check_lists(ordered)
    if primary and not any(row.primary for row in ordered):
        known = ", ".join(sorted({row.system for row in ordered}))
        raise SreError(f"primary system '{primary}' is in no metrics file; write one of {known}, or MODEL/SYSTEM")
    return ordered


def _make_row(result: ListResult, system: str, outcome: SystemResult, primary: str | None) -> Row:
    run, model = result.run, result.model
    metrics = outcome.metrics if outcome.done else {}
    note = "" if metrics else outcome.reason
    if metrics and metrics["eer"] == 0:
        note = NO_ERRORS
    marked = primary in (system, f"{model}/{system}", f"{run}/{system}")
    return Row(result.trials, model, system, result.seed, run, marked, metrics, " ".join(note.split()), result)


def _check_lists(rows: Iterable[Row]) -> None:
    seen: dict[str, str] = {}
    roles: dict[str, bool] = {}
    for row in rows:
        if roles.setdefault(row.list_name, row.development) != row.development:
            raise SreError(
                f"trial list {row.list_name}: a development list in some metrics files, an evaluation list in others"
                f" (one of them by {row.run}); score all runs on it again"
            )
        digest = row.result.trials_sha256
        if seen.setdefault(row.list_name, digest) != digest:
            raise SreError(
                f"trial list {row.list_name}: scored in two versions, {seen[row.list_name][:12]} and {digest[:12]}"
                f" (the latter by {row.run}); score all runs on one list"
            )


def group_rows(rows: Sequence[Row], metric: str = "eer") -> list[Group]:
    """Return groups in the order of the rows, with the best (equal ones all) and the chosen of each evaluation list."""
    groups = [Group(tuple(some)) for _, some in groupby(rows, lambda row: (row.list_name, row.model, row.system))]
    done = by_list(group for group in groups if group.values(metric) and not group.rows[0].development)
    least = {trials: min(group.mean(metric) for group in some) for trials, some in done.items()}
    chosen, marked = _chosen(groups, metric), []
    for group in groups:
        final = not group.rows[0].development
        best = final and bool(group.values(metric)) and group.mean(metric) == least[group.rows[0].list_title]
        marked.append(replace(group, best=best, chosen=final and group.name in chosen))
    return marked


def _chosen(groups: Iterable[Group], metric: str) -> set[tuple[str, str]]:
    """Return (model, system) of the lowest mean on each model's development lists; of equal ones the first."""
    means = development_means(groups, metric)
    # of several lists the sum counts, and a system that failed on some list comes last
    ordered = sorted(means, key=lambda name: (-len(means[name]), sum(means[name])))
    return set(dict(reversed(ordered)).items())  # the first of each model


def development_means(groups: Iterable[Group], metric: str) -> dict[tuple[str, str], list[float]]:
    """Map (model, system) to its means on the development lists that it was scored on."""
    means: dict[tuple[str, str], list[float]] = {}
    for group in groups:
        if group.rows[0].development and group.values(metric):
            means.setdefault(group.name, []).append(group.mean(metric))
    return means


def by_list(groups: Iterable[Group]) -> dict[str, list[Group]]:
    """Map trial list, as it is headed, to its groups, which stand one after another."""
    return {title: list(some) for title, some in groupby(groups, lambda group: group.rows[0].list_title)}


def counts(groups: Iterable[Group]) -> tuple[int, int] | None:
    """Return the target and nontarget trials of a list, or None where all its systems failed."""
    done = next((row.outcome for group in groups for row in group.done), None)
    return done.counts if done else None


def marks(group: Group) -> list[str]:
    """Return its badges: primary, chosen, best."""
    words = ("primary", group.rows[0].primary), ("chosen", group.chosen), ("best", group.best)
    return [word for word, so in words if so]


def row_scores(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Return scores and target, (P,) each. Raises SreError where they are not what the metrics are of."""
    scores, trials = align_scores(row.scores, row.trials_file)
    if (int(trials.target.sum()), int((~trials.target).sum())) != row.outcome.counts:
        raise SreError(
            f"{row.scores}: not the trials that {row.run}'s metrics were computed on; score {row.list_name} again"
        )
    return scores, trials.target
