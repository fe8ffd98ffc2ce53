"""Which system is best, and is it shown to be?  Systems ranked on development, and each compared with the reference.

The reference of a list, which is what to quote, is the primary system, of the model that ranks highest; where none was
named, the first on the development lists; where there are none, the lowest on the list itself, which flatters it.
Differences are tested on the same draws of speakers (sre/metrics/bootstrap.py), corrected by Holm for all of the list.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sre.metrics.bootstrap import FEW_SPEAKERS, holm, interval, interval_column, most_of, paired, why_no_interval
from sre.report.rows import Group, by_list, development_means

SIGNIFICANT = 0.05
NOT_SHOWN = "no difference shown"


@dataclass(frozen=True)
class Difference:
    """The difference to the reference of the list, in the metric's unit; the interval is its own, p is Holm's."""

    value: float
    low: float
    high: float
    p: float

    @property
    def verdict(self) -> str:
        """Whether the system is shown to be worse or better."""
        if self.p >= SIGNIFICANT:
            return NOT_SHOWN
        return "worse" if self.value > 0 else "better"


@dataclass(frozen=True)
class Standing:
    """One model x system on one list: its place among the others."""

    group: Group
    on_development: float | None  # mean of the metric
    reference: bool
    difference: Difference | None  # None of the reference, and where it could not be tested
    chosen_by: int | None = None  # speakers of the development lists


def rank(groups: Sequence[Group], metric: str) -> dict[str, list[Standing]]:
    """Map trial list, as it is headed, to its systems: the first on development first, what failed last."""
    means = {name: sum(values) / len(values) for name, values in development_means(groups, metric).items()}
    by = {group.rows[0].list_name: speakers(group) for group in groups if group.rows[0].development and group.done}
    chosen_by = sum(filter(None, by.values())) if by and all(by.values()) else None
    lists = {}
    for trials, some in by_list(groups).items():
        ordered = sorted(some, key=lambda group: _order(group, means, metric))
        done = [group for group in ordered if group.values(metric)]
        reference = next((group for group in done if group.rows[0].primary), done[0] if done else None)
        tested = _differences(ordered, reference, metric) if reference else {}
        lists[trials] = [
            Standing(group, means.get(group.name), group is reference, tested.get(group.name), chosen_by)
            for group in ordered
        ]
    return lists


def rank_conditions(
    groups: Sequence[Group], ranked: Mapping[str, Sequence[Standing]], metric: str
) -> dict[str, list[Standing]]:
    """Map each list of a condition to its systems, in the order and with the reference of the list `ranked` of clean
    speech.

    Nothing is chosen on such a list: on the development list, or on that of clean speech, it was chosen before.
    """
    clean = {standings[0].group.rows[0].list_name: standings for standings in ranked.values()}
    lists = {}
    for trials, some in by_list(groups).items():
        condition = some[0].rows[0].condition
        standings = clean.get(condition.of, []) if condition else []
        places = {standing.group.name: number for number, standing in enumerate(standings)}
        ordered = sorted(some, key=lambda group: (places.get(group.name, len(places)), group.name))
        wanted = next((standing.group.name for standing in standings if standing.reference), None)
        reference = next((group for group in ordered if group.name == wanted and group.values(metric)), None)
        tested = _differences(ordered, reference, metric) if reference else {}
        lists[trials] = [Standing(group, None, group is reference, tested.get(group.name)) for group in ordered]
    return lists


def _order(group: Group, development: dict[tuple[str, str], float], metric: str) -> tuple:
    here = group.mean(metric) if group.values(metric) else np.inf
    return (np.isinf(here), development.get(group.name, np.inf), here, group.name)


def _differences(groups: Sequence[Group], reference: Group, metric: str) -> dict[tuple[str, str], Difference]:
    tested: dict[tuple[str, str], Difference] = {}
    for group in groups:
        if group is not reference and same_draws(group, reference):
            ours, theirs = mean_draws(group, metric), mean_draws(reference, metric)
            value = group.mean(metric) - reference.mean(metric)
            if found := paired(value, ours - theirs, speakers(reference)):
                tested[group.name] = Difference(value, *found)
    corrected = holm([difference.p for difference in tested.values()])
    return {name: replace(old, p=float(p)) for (name, old), p in zip(tested.items(), corrected, strict=True)}


def same_draws(one: Group, other: Group) -> bool:
    """Return whether the two were drawn alike, so that their draws can be compared."""
    facts = [row.result.bootstrap for group in (one, other) for row in group.done]
    return bool(one.done) and bool(other.done) and facts[0] is not None and all(fact == facts[0] for fact in facts)


def mean_draws(group: Group, metric: str) -> np.ndarray:
    """Return the draws of the mean over the seeds, (R,)."""
    return np.mean([row.draws(metric) for row in group.done], axis=0)


def group_interval(group: Group, metric: str) -> list[float] | None:
    """Return the interval of the mean over the seeds, taken as they are: how it would differ with other speakers."""
    if not same_draws(group, group):
        return None
    column = interval_column(metric, columns(group))
    return interval(group.mean(metric), mean_draws(group, column), speakers(group), most_of(metric))


def speakers(group: Group) -> int | None:
    """Return the number of speakers of the trial list; None where trials were drawn."""
    drawn = group.done[0].result.bootstrap
    return drawn.speakers if drawn else None


def columns(group: Group) -> list[str]:
    """The names of the rates that there are draws of."""
    drawn = group.done[0].result.bootstrap
    return drawn.columns if drawn else []


def without_interval(standings: Sequence[Standing], metric: str) -> str | None:
    """A sentence on the systems that have draws and no interval, with the reason for the first of them."""
    drawn = [standing.group for standing in standings if same_draws(standing.group, standing.group)]
    some = [group for group in drawn if group_interval(group, metric) is None]
    if not some:
        return None
    column = interval_column(metric, columns(some[0]))
    reason = why_no_interval(mean_draws(some[0], column), speakers(some[0]))
    return f"{len(some)} systems have no interval, e.g. {some[0].done[0].run} {some[0].done[0].system}: {reason}."


def warning(standings: Sequence[Standing]) -> str | None:
    """What the number of speakers means for the intervals of a list."""
    done = [standing.group for standing in standings if standing.group.done]
    drawn = [group for group in done if group.done[0].result.bootstrap]
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
