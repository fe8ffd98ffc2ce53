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

import numpy as np
from scipy.special import stdtr, stdtrit

from sre import SreError
from sre.machine.cores import available_cores
from sre.metrics.dyads import Dyads
from sre.metrics.rates import P_TARGETS, bayes_threshold, check_scores
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

    def facts(self) -> dict[str, object]:
        """Return what the draws depend on, for metrics.json: equal facts of two systems mean equal draws."""
        drawn: dict[str, object] = (
            {"by": "trial"} if self.counts is None else {"by": "speaker", "speakers": self.speakers}
        )
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
        ordered = _Ordered.of(scores[rows], target[rows])
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
    return difference - margin, difference + margin, float(2 * stdtr(_freedom(speakers), -sigmas))


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
    return float(stdtrit(_freedom(speakers), (1 + LEVEL) / 2) * found.std(ddof=1))


@dataclass
class _Ordered:
    """Scores sorted once, so that a draw costs two cumulative sums of its weights."""

    target_order: np.ndarray
    nontarget_order: np.ndarray
    below: tuple[np.ndarray, np.ndarray]  # (K + 1,) each: targets, nontargets under each distinct score, all at +inf
    at_targets: tuple[np.ndarray, np.ndarray]  # the same for the scores of targets only, where minDCF has its minimum
    at_bayes: list[tuple[int, int]]  # the same at the Bayes threshold of each of P_TARGETS
    at_least: list[tuple[int, int]]  # the same where the list's cost is least
    bits: tuple[np.ndarray, np.ndarray]  # what each target and nontarget trial adds to Cllr

    @classmethod
    def of(cls, scores: np.ndarray, target: np.ndarray) -> "_Ordered":
        check_scores(scores, target)
        target_order, nontarget_order = (np.argsort(scores[kind], kind="stable") for kind in (target, ~target))
        targets, nontargets = scores[target][target_order], scores[~target][nontarget_order]

        def below(thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            under_targets, under_nontargets = (
                np.append(np.searchsorted(values, thresholds), len(values)) for values in (targets, nontargets)
            )
            return under_targets, under_nontargets

        bayes = below(np.array([bayes_threshold(p) for p in P_TARGETS]))
        ordered = cls(
            target_order,
            nontarget_order,
            below(np.unique(scores)),
            below(np.unique(targets)),
            list(zip(*bayes, strict=True))[:-1],
            [],
            (_bits(-targets.astype(np.float64)), _bits(nontargets.astype(np.float64))),
        )
        misses, passed = ordered.at_targets
        for p in P_TARGETS:
            point = int(np.argmin(ordered.cost(p, misses, passed)))
            ordered.at_least.append((int(misses[point]), int(passed[point])))
        return ordered

    def cost(self, p: float, misses: np.ndarray | int, passed: np.ndarray | int) -> np.ndarray | float:
        """Return the normalised DCF where so many targets and nontargets are under the threshold."""
        return _dcf(p, misses / len(self.target_order), 1 - passed / len(self.nontarget_order))

    def influences(self, p: float, misses: int, passed: int) -> tuple[np.ndarray, np.ndarray]:
        """Return what each target and nontarget trial, in this order, adds to a cost's deviation; each sums to zero."""
        targets, nontargets = len(self.target_order), len(self.nontarget_order)
        missed, alarms = np.arange(targets) < misses, np.arange(nontargets) >= passed
        of_targets, of_nontargets = (missed - missed.mean()) / targets, (alarms - alarms.mean()) / nontargets
        return np.asarray(_dcf(p, of_targets, 0.0)), np.asarray(_dcf(p, 0.0, of_nontargets))

    def rates(self, w_target: np.ndarray, w_nontarget: np.ndarray) -> list[float]:
        """Return COLUMNS, then costs `at_least`, if each target and nontarget trial, in this order, counts so often."""
        misses, passed = _cumulative(w_target), _cumulative(w_nontarget)
        targets, nontargets = int(misses[-1]), int(passed[-1])
        if not targets or not nontargets:
            return [np.nan] * (len(COLUMNS) + len(P_TARGETS))

        def cost(p: float, t: np.ndarray | int, n: np.ndarray | int) -> np.ndarray | float:
            return _dcf(p, misses[t] / targets, (nontargets - passed[n]) / nontargets)

        least = [np.min(cost(p, *self.at_targets)) for p in P_TARGETS]
        actual = [cost(p, *point) for p, point in zip(P_TARGETS, self.at_bayes, strict=True)]
        own = [cost(p, *point) for p, point in zip(P_TARGETS, self.at_least, strict=True)]
        cllr = (self.bits[0] @ w_target / targets + self.bits[1] @ w_nontarget / nontargets) / 2
        return [100 * self._eer(misses, passed), *least, *actual, cllr, *own]

    def _eer(self, misses: np.ndarray, passed: np.ndarray) -> float:
        """Return the EER as `sre.metrics.eer`; the crossing is found by bisection, as P_miss - P_fa rises."""
        of_targets, of_nontargets = self.below

        def rates(point: int) -> tuple[float, float]:
            return misses[of_targets[point]] / misses[-1], 1 - passed[of_nontargets[point]] / passed[-1]

        low, high = 0, len(of_targets) - 1  # P_miss < P_fa at the lowest score, and not at +inf
        while high - low > 1:
            middle = (low + high) // 2
            p_miss, p_fa = rates(middle)
            low, high = (low, middle) if p_miss >= p_fa else (middle, high)
        (miss_before, fa_before), (miss_after, fa_after) = rates(low), rates(high)
        before, after = fa_before - miss_before, miss_after - fa_after
        return miss_before + before / (before + after) * (miss_after - miss_before)


def _bits(negative_llrs: np.ndarray) -> np.ndarray:
    """Return log2(1 + e^x): what a target trial's negative LLR, or a nontarget trial's LLR, adds to Cllr."""
    return np.logaddexp(0, negative_llrs) / np.log(2)


def _dcf(p_target: float, p_miss: np.ndarray | float, p_fa: np.ndarray | float) -> np.ndarray | float:
    """Return the detection cost of P_miss and P_fa with costs of 1, normalised."""
    return (p_target * p_miss + (1 - p_target) * p_fa) / min(p_target, 1 - p_target)


def _cumulative(weights: np.ndarray) -> np.ndarray:
    """Return (n + 1,): the sums of the (n,) weights that stand before each place."""
    sums = np.zeros(len(weights) + 1, np.int64)
    np.cumsum(weights, out=sums[1:])
    return sums
