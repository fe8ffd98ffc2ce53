"""Uncertainty of error rates by the bootstrap over speakers, and paired tests between systems.

A trial list is a sample of speakers, and the trials of a speaker err together: drawing trials makes intervals far too
short. Here speakers are drawn with replacement; a target trial of speaker i counts w_i times, a nontarget trial of i
and j counts w_i w_j times, where w are the counts of a draw (N. Poh and S. Bengio, IEEE PAMI, 2007). Systems are
compared on the same draws.

An interval is the estimate plus and minus Student's t of S - 1 degrees of freedom times the standard deviation of the
draws. w_i w_j counts what is noise of single pairs three times, and the least cost of a draw is too low, as that of the
list is: minDCF's interval has other draws than its tests (`Bootstrap.replicates`, docs/uncertainty.md).
Legend: P trials, S speakers, R draws, K distinct scores.
"""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy

from sre import SreError
from sre.machine.cores import available_cores
from sre.metrics.dyads import Dyads
from sre.metrics.ordered import Ordered
from sre.metrics.rates import P_TARGETS, eer
from sre.metrics.units import check_unit

FEW_SPEAKERS = 40  # docs/uncertainty.md has how often the intervals hold the truth, by number of speakers
MOST_LOST = 0.05  # of the draws, without target or without nontarget trials
LEVEL = 0.95
COLUMNS = ("eer", *(f"min_dcf_{p}" for p in P_TARGETS), *(f"act_dcf_{p}" for p in P_TARGETS), "cllr")
OWN = {f"min_dcf_{p}": f"own_dcf_{p}" for p in P_TARGETS}  # where there are such draws, the rate's interval is of them


@dataclass
class Bootstrap:
    """The draws for one trial list: of its speakers and the seed alone, so that all systems have the same.

    first, second : (P,) int32, speakers of each trial's model and test
    counts : (R, S) int32, how often each speaker was drawn; None: trials are drawn, of each kind as many as there are
    """

    first: np.ndarray
    second: np.ndarray
    counts: np.ndarray | None
    size: int
    seed: int

    @classmethod
    def of_speakers(cls, enrol: np.ndarray, test: np.ndarray, replicates: int, seed: int) -> "Bootstrap":
        """Return draws of the speakers of models and tests: (P,) names, or numbers in the order of the names.

        Raises SreError if they are fewer than two.
        """
        names, codes = np.unique(np.concatenate([enrol, test]), return_inverse=True)
        if len(names) < 2:
            raise SreError(f"{len(names)} speaker in the trial list and a bootstrap draws speakers; add speakers")
        counts = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), replicates)
        first, second = codes.astype(np.int32).reshape(2, -1)
        return cls(first, second, counts.astype(np.int32), replicates, seed)

    @classmethod
    def of_trials(cls, trials: int, replicates: int, seed: int) -> "Bootstrap":
        """Return draws of trials as if they were independent: to compare, or where nobody knows the speakers."""
        return cls(np.arange(trials), np.arange(trials), None, replicates, seed)

    @property
    def speakers(self) -> int | None:
        """The number of speakers, S; None: trials are drawn."""
        return None if self.counts is None else self.counts.shape[1]

    def facts(self) -> dict[str, Any]:
        """Return what the draws depend on, for metrics.json: equal facts of two systems mean equal draws."""
        drawn: dict[str, Any] = {"by": "trial"} if self.counts is None else {"by": "speaker", "speakers": self.speakers}
        columns = [*COLUMNS, *OWN.values()]
        return drawn | {"replicates": self.size, "seed": self.seed, "level": LEVEL, "columns": columns}

    def replicates(
        self, scores: np.ndarray, target: np.ndarray, keep: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Return the draws (R,) of each of COLUMNS, by name; `eer` in per cent, the others as `summarise` has them.

        The names of OWN are there too: the cost at the threshold where the list's is least, spread about that to the
        standard deviation sqrt(V + b^2). V is the variance of that cost over dyads that share a speaker (M. Fafchamps
        and F. Gubert, J. Development Economics, 2007), b how much lower on average the least cost of a draw is.

        scores (P,), target (P,) bool; keep (P,) bool: take these trials only. A value is NaN where a draw lacks target
        or nontarget trials. Raises SreError as `check_scores`.
        """
        rows = np.arange(len(scores)) if keep is None else np.flatnonzero(keep)
        ordered = Ordered.of(scores[rows], target[rows])
        of_targets = rows[target[rows]][ordered.target_order]
        of_nontargets = rows[~target[rows]][ordered.nontarget_order]
        speakers = self.first[of_targets], self.first[of_nontargets], self.second[of_nontargets]

        def one(draw: int) -> list[float]:
            if self.counts is None:
                return ordered.rates(*self._drawn_trials(draw, len(of_targets), len(of_nontargets)))
            w = self.counts[draw]
            return ordered.rates(w[speakers[0]], w[speakers[1]] * w[speakers[2]])

        with ThreadPoolExecutor(available_cores()) as pool:
            values = np.array(list(pool.map(one, range(self.size))))
        found = dict(zip([*COLUMNS, *OWN.values()], values.T, strict=True))
        dyads = Dyads.of(*speakers, self.speakers) if self.speakers else None
        for p, (least, own), point in zip(P_TARGETS, OWN.items(), ordered.at_least, strict=True):
            misses, alarms = ordered.influences(p, *point)
            variance = dyads.variance(misses, alarms) if dyads else (misses**2).sum() + (alarms**2).sum()
            found[own] = _spread(found[own], found[least], float(ordered.cost(p, *point)), variance)
        return found

    def _drawn_trials(self, draw: int, *sizes: int) -> list[np.ndarray]:
        random = np.random.default_rng([self.seed, draw])
        return [np.bincount(random.integers(n, size=n), minlength=n).astype(np.int32) for n in sizes]


def _spread(costs: np.ndarray, least: np.ndarray, estimate: float, variance: float) -> np.ndarray:
    """Return draws (R,) of a cost about the estimate, spread to the variance plus the squared mean of cost - least.

    Return `least` if the cost is the same in all draws, as it is where all trials are rejected.
    """
    found = np.isfinite(costs)
    deviation = costs[found].std(ddof=1) if found.sum() > 1 else 0.0
    if not deviation:
        return least
    bias = (costs[found] - least[found]).mean()
    return estimate + (costs - costs[found].mean()) * np.sqrt(variance + bias**2) / deviation


def interval(estimate: float, draws: np.ndarray, speakers: int | None, most: float = np.inf) -> list[float] | None:
    """Return [low, high] of LEVEL about an error rate from its draws (R,), in their unit, within 0 and `most`.

    `summarise` and `Bootstrap.replicates` have EER in per cent, `sre.metrics.eer` gives a share, which is 100 * it in
    per cent. Raises SreError if one is a share and the other per cent, and for an estimate that is not finite.
    Return None if nothing can be said: no draw differs from another (not one error), or too many lack a kind of trial.
    """
    check_unit(estimate, draws)
    margin = _margin(draws, speakers)
    return None if margin is None else [max(0.0, estimate - margin), min(most, estimate + margin)]


def why_no_interval(draws: np.ndarray, speakers: int | None) -> str:
    """Return why `interval` gives None for these draws (R,); "" if it does not."""
    if _margin(draws, speakers) is not None:
        return ""
    lost = int((~np.isfinite(draws)).sum())
    if len(draws) - lost < max(2, (1 - MOST_LOST) * len(draws)):
        drawn = "the trials" if speakers is None else f"the {speakers} speakers"
        return f"{lost} of {len(draws)} draws of {drawn} lack target or nontarget trials; take a list of more speakers"
    return "no draw differs from another, as where there is not one error; take a harder or longer list"


def intervals(metrics: dict, draws: Mapping[str, np.ndarray], speakers: int | None) -> dict[str, list[float] | None]:
    """Return the `interval` of each of COLUMNS that there are draws of; `metrics` are those of `summarise`."""
    drawn = {name: draws[interval_column(name, draws)] for name in COLUMNS if name in draws}
    return {name: interval(metrics[name], values, speakers, most_of(name)) for name, values in drawn.items()}


def interval_column(name: str, columns: Collection[str]) -> str:
    """Return the column whose draws make a rate's interval: its one of OWN, which files of older versions lack."""
    return OWN[name] if OWN.get(name) in columns else name


def most_of(name: str) -> float:
    """Return the number that a rate cannot be above."""
    return 100.0 if name == "eer" else 1.0 if name in OWN else np.inf


def paired(difference: float, draws: np.ndarray, speakers: int | None) -> tuple[float, float, float] | None:
    """Return (low, high, p) of a difference between two systems from that of their draws (R,); p is two-sided.

    Return None if they differ in no draw, or too many draws lack a kind of trial.
    """
    margin = _margin(draws, speakers)
    if margin is None:
        return None
    sigmas = abs(difference) / np.nanstd(draws, ddof=1)
    return difference - margin, difference + margin, float(2 * scipy.special.stdtr(_freedom(speakers), -sigmas))


def holm(p: Sequence[float]) -> np.ndarray:
    """Return S. Holm's p-values (1979), corrected for all of (n,) comparisons, in their order."""
    values = np.asarray(p, float)
    order = np.argsort(values, kind="stable")
    corrected = np.empty(len(values))
    corrected[order] = np.minimum(1, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    return corrected


def _freedom(speakers: int | None) -> float:
    return 1e9 if speakers is None else speakers - 1  # of trials: a normal distribution


def _margin(draws: np.ndarray, speakers: int | None) -> float | None:
    found = draws[np.isfinite(draws)]
    if len(found) < max(2, (1 - MOST_LOST) * len(draws)) or found.min() == found.max():
        return None
    return float(scipy.special.stdtrit(_freedom(speakers), (1 + LEVEL) / 2) * found.std(ddof=1))


def eer_with_interval(
    scores: np.ndarray,
    target: np.ndarray,
    speakers: tuple[np.ndarray, np.ndarray] | None = None,
    replicates: int = 1000,
    seed: int = 1,
) -> tuple[float, list[float] | None]:
    """Return the equal error rate and its 95 % interval [low, high], all in per cent.

    scores, target : (P,) float and (P,) bool
    speakers : names (P,) of the speaker of each trial's model, and of its test. None: trials are drawn in their place,
        and the interval is far too short if a speaker has several trials.
    The interval is None where nothing can be said (`why_no_interval`). Raises SreError as `check_scores` does.
    """
    scores, target = np.asarray(scores), np.asarray(target).astype(bool)
    rate = 100 * eer(scores, target)[0]
    if speakers is None:
        drawn = Bootstrap.of_trials(len(scores), replicates, seed)
    else:
        drawn = Bootstrap.of_speakers(*speakers, replicates, seed)
    return rate, interval(rate, drawn.replicates(scores, target)["eer"], drawn.speakers, 100.0)
