"""Which system is best, and is it shown to be?  Systems ranked on development, and each compared with the leader.

The leader of a list is the system with the lowest mean of the metric over the development lists. Where there is none:
the primary system; else the lowest on the list itself, which flatters it. Differences are tested on the same draws of
speakers (sre/uncertainty.py), corrected by Holm for all comparisons of the list.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sre.report.tables import Group, by_list
from sre.uncertainty import FEW_SPEAKERS, holm, interval, paired

SIGNIFICANT = 0.05
NOT_SHOWN = "no difference shown"


@dataclass(frozen=True)
class Difference:
    """To the leader of the list, in the metric's unit; p is Holm's."""

    value: float
    low: float
    high: float
    p: float

    @property
    def verdict(self) -> str:
        if self.p >= SIGNIFICANT:
            return NOT_SHOWN
        return "worse" if self.value > 0 else "better"


@dataclass(frozen=True)
class Standing:
    """One model x system on one list: its place among the others."""

    group: Group
    on_development: float | None  # mean of the metric
    leader: bool
    difference: Difference | None  # None of the leader, and where it could not be tested


def rank(groups: Sequence[Group], metric: str) -> dict[str, list[Standing]]:
    """Trial list, as it is headed -> its systems, the leader first, what failed last."""
    development: dict[tuple[str, str], list[float]] = {}
    for group in groups:
        if group.rows[0].development and group.values(metric):
            development.setdefault(group.name, []).append(group.mean(metric))
    means = {name: sum(values) / len(values) for name, values in development.items()}
    lists = {}
    for trials, some in by_list(groups).items():
        ordered = sorted(some, key=lambda group: _order(group, means, metric))
        leader = ordered[0] if ordered[0].values(metric) else None
        tested = _differences(ordered, leader, metric) if leader else {}
        lists[trials] = [
            Standing(group, means.get(group.name), group is leader, tested.get(group.name)) for group in ordered
        ]
    return lists


def _order(group: Group, development: dict[tuple[str, str], float], metric: str) -> tuple:
    here = group.mean(metric) if group.values(metric) else np.inf
    fallback = (not group.rows[0].primary, here) if not development else (development.get(group.name, np.inf), here)
    return (np.isinf(here), *fallback, group.name)


def _differences(groups: Sequence[Group], leader: Group, metric: str) -> dict[tuple[str, str], Difference]:
    found = {}
    for group in groups:
        if group is not leader and same_draws(group, leader):
            ours, theirs = mean_draws(group, metric), mean_draws(leader, metric)
            value = group.mean(metric) - leader.mean(metric)
            tested = paired(value, ours - theirs, speakers(leader))
            found[group.name] = tested and Difference(value, *tested)
    tested = {name: difference for name, difference in found.items() if difference}
    corrected = holm([difference.p for difference in tested.values()])
    return {
        name: Difference(old.value, old.low, old.high, float(p))
        for (name, old), p in zip(tested.items(), corrected, strict=True)
    }


def same_draws(one: Group, other: Group) -> bool:
    facts = [row.result.get("bootstrap") for group in (one, other) for row in group.done]
    return bool(one.done) and bool(other.done) and facts[0] is not None and all(fact == facts[0] for fact in facts)


def mean_draws(group: Group, metric: str) -> np.ndarray:
    """(R,) of the mean over the seeds."""
    return np.mean([row.draws(metric) for row in group.done], axis=0)


def group_interval(group: Group, metric: str) -> list[float] | None:
    """Of the mean over the seeds: how it would differ with other test speakers; the seeds are taken as they are."""
    if not same_draws(group, group):
        return None
    most = 100.0 if metric == "eer" else 1.0 if metric.startswith("min_dcf") else np.inf
    return interval(group.mean(metric), mean_draws(group, metric), speakers(group), most)


def speakers(group: Group) -> int | None:
    """Of the trial list; None where trials were drawn."""
    return (group.done[0].result.get("bootstrap") or {}).get("speakers")


def warning(standings: Sequence[Standing]) -> str | None:
    """What the number of speakers means for the intervals of a list."""
    drawn = [standing.group for standing in standings if standing.group.done]
    drawn = [group for group in drawn if group.done[0].result.get("bootstrap")]
    if not drawn:
        return None
    number = speakers(drawn[0])
    if number is None:
        return "The speakers of these trials are not known: the intervals are of trials, and far too short."
    if number >= FEW_SPEAKERS:
        return None
    return (
        f"Only {number} speakers: under {FEW_SPEAKERS}, intervals of minDCF hold the truth less often than the 95 %"
        " that they claim (docs/uncertainty.md), and only large differences can be shown."
    )
