"""Scores of both kinds sorted, no more of them than a number needs, and the error rates at any threshold.

P_miss is the share of target trials under the threshold, P_fa the share of nontarget trials not under it. Legend: N
trials, K distinct scores, so K + 1 operating points.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from math import inf, log

import numpy as np
import scipy  # its parts are loaded when they are first used

from sre import SreError

# (thresholds, p_miss, p_fa), each (K + 1,) float64
Points = tuple[np.ndarray, np.ndarray, np.ndarray]


def check_scores(scores: np.ndarray, target: np.ndarray) -> None:
    """Raise SreError where scores (P,) and target (P,) bool have no meaningful error rate."""
    if scores.ndim != 1 or scores.shape != target.shape:
        raise SreError(f"scores of shape {scores.shape} and labels of shape {target.shape}; give one of each a trial")
    if len(scores) == 0:
        raise SreError("there are no scores: the trial list is empty; give a list with target and nontarget trials")
    bad = np.flatnonzero(~np.isfinite(scores))
    if len(bad):
        raise SreError(
            f"{len(bad)} of {len(scores)} scores are not finite, the first is {scores[bad[0]]} in trial"
            f" {bad[0] + 1}; look for NaN in the embeddings and score again"
        )
    targets = int(np.count_nonzero(target))
    if targets in (0, len(target)):
        kind, missing = ("nontarget", "target") if targets == 0 else ("target", "nontarget")
        raise SreError(
            f"all {len(target)} trials are {kind} trials, error rates need both kinds; add {missing} trials to the list"
        )
    if scores.min() == scores.max():
        raise SreError(
            f"all {len(scores)} scores are equal: the model has collapsed to one embedding;"
            " look at the training curve, lower the learning rate and train again"
        )


def bayes_threshold(p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
    """Return the LLR from which accepting costs less than rejecting: ln(C_fa (1 - P_target) / (C_miss P_target))."""
    w_miss, w_fa = _weights(p_target, c_miss, c_fa)
    return log(w_fa) - log(w_miss)


def _weights(p_target: float, c_miss: float, c_fa: float) -> tuple[float, float]:
    assert 0 < p_target < 1 and c_miss > 0 and c_fa > 0
    return c_miss * p_target, c_fa * (1 - p_target)


@dataclass
class Curve:
    """The operating points above a floor, without a list of them: all that a search among thresholds needs.

    targets, nontargets: their ascending scores above the floor. missed, rejected: how many are not above it.
    """

    targets: np.ndarray
    nontargets: np.ndarray
    missed: int = 0
    rejected: int = 0

    def rates(self, threshold: float) -> tuple[float, float]:
        """Return P_miss and P_fa at one threshold above the floor."""
        threshold = np.float64(threshold)  # or it would be rounded to float32 scores
        misses = self.missed + bisect_left(self.targets, threshold)
        accepted = len(self.nontargets) - bisect_left(self.nontargets, threshold)
        return misses / (self.missed + len(self.targets)), accepted / (self.rejected + len(self.nontargets))

    def lowest(self, holds: Callable[[float, float], bool]) -> float:
        """Return the lowest score from which `holds(p_miss, p_fa)`, +inf if there is none. It must hold above, too."""
        sides = (self.targets, self.nontargets)
        places = [bisect_left(side, True, key=lambda score: holds(*self.rates(score))) for side in sides]
        found = [float(side[at]) for side, at in zip(sides, places, strict=True) if at < len(side)]
        return min(found, default=inf)

    def before(self, threshold: float) -> float:
        """Return the highest score under a threshold."""
        places = [(side, bisect_left(side, np.float64(threshold))) for side in (self.targets, self.nontargets)]
        return max(float(side[at - 1]) for side, at in places if at)

    @cached_property
    def corners(self) -> Points:
        """The operating points at the lowest score, the target scores and +inf.

        Each other one has the same P_miss and a higher P_fa than the next of these.
        """
        return self.points(np.unique(np.concatenate((self.targets, self.nontargets[:1]))))

    def points(self, distinct: np.ndarray) -> Points:
        """Return the operating points at these ascending scores, and at +inf."""
        misses = self.missed + np.searchsorted(self.targets, distinct)
        accepted = len(self.nontargets) - np.searchsorted(self.nontargets, distinct)
        p_miss = np.append(misses / (self.missed + len(self.targets)), 1)
        p_fa = np.append(accepted / (self.rejected + len(self.nontargets)), 0)
        return np.append(distinct.astype(np.float64), inf), p_miss, p_fa


class SortedScores:
    """Error rates of one list: (P,) float scores and (P,) bool labels; raises SreError as `check_scores` does.

    Sorting the nontargets is nearly all of the work. At first only the highest eighth is sorted, where EERs and the
    least costs of good systems lie, and the rest when a number needs it.
    """

    def __init__(self, scores: np.ndarray, target: np.ndarray) -> None:
        scores, target = np.asarray(scores), np.asarray(target).astype(bool, copy=False)
        check_scores(scores, target)
        self.targets, self.nontargets = np.sort(scores[target]), scores[~target]
        self.cut = len(self.nontargets) * 7 // 8
        self.nontargets.partition(self.cut)
        self.nontargets[self.cut :].sort()

    @cached_property
    def whole(self) -> Curve:
        """All operating points."""
        self.nontargets[: self.cut].sort()
        return Curve(self.targets, self.nontargets)

    @cached_property
    def upper(self) -> Curve:
        """The operating points above the highest eighth's lowest nontarget score."""
        floor = self.nontargets[self.cut]
        missed = int(np.searchsorted(self.targets, floor, "right"))
        rejected = self.cut + int(np.searchsorted(self.nontargets[self.cut :], floor, "right"))
        return Curve(self.targets[missed:], self.nontargets[rejected:], missed, rejected)

    def lowest(self, holds: Callable[[float, float], bool]) -> tuple[Curve, float]:
        """Return what `Curve.lowest` does, and before it a curve that also has the point under that score."""
        threshold = self.upper.lowest(holds)
        curve = self.upper if threshold > self.upper.corners[0][0] else self.whole
        return curve, threshold if curve is self.upper else curve.lowest(holds)

    @cached_property
    def hull(self) -> tuple[np.ndarray, np.ndarray]:
        """P_miss and P_fa at the vertices of the ROC's convex hull: the ends of the blocks of PAV, (0, 1) to (1, 0)."""
        _, p_miss, p_fa = self.whole.corners
        target_share, nontarget_share = np.diff(p_miss), -np.diff(p_fa)
        both = target_share + nontarget_share
        posteriors = target_share / both  # at equal priors
        ends = scipy.optimize.isotonic_regression(posteriors, weights=both).blocks
        return p_miss[ends], p_fa[ends]

    def eer(self) -> tuple[float, float]:
        """Return the equal error rate (a share, 0 to 1) and its threshold.

        The rate is interpolated linearly between the two adjacent operating points where P_miss - P_fa changes
        sign. The threshold is that of the two where the rates differ less, so it is a score of the list.
        """
        curve, after = self.lowest(lambda p_miss, p_fa: p_miss >= p_fa)
        before = curve.before(after)
        (miss, fa), (miss_after, fa_after) = curve.rates(before), curve.rates(after)
        gap, gap_after = fa - miss, miss_after - fa_after
        rate = miss + gap / (gap + gap_after) * (miss_after - miss)
        return rate, before if gap < gap_after or after == inf else after

    def eer_convex_hull(self) -> float:
        """Return the equal error rate (a share) on the ROC's convex hull, at most `eer` and 1/2.

        It is N. Brümmer and E. de Villiers' ROCCH-EER (BOSARIS): the error rate, at the prior that makes it highest, of
        the best threshold there is.
        """
        p_miss, p_fa = self.hull
        return float(np.interp(0, p_miss - p_fa, p_miss))

    def min_dcf(self, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> tuple[float, float]:
        """Return the least detection cost over all thresholds, and its (lowest) threshold; +inf: reject every trial.

        C(t) = C_miss P_target P_miss(t) + C_fa (1 - P_target) P_fa(t), divided by the cost of the better of
        accepting all and rejecting all (NIST SRE evaluation plans), so it lies between 0 and 1.
        """
        w_miss, w_fa = _weights(p_target, c_miss, c_fa)
        share = 1 - self.cut / len(self.nontargets)  # at least this is P_fa where the threshold is not on `upper`
        curve = self.upper if w_miss < 0.99 * w_fa * share else self.whole  # there, rejecting all costs less
        thresholds, p_miss, p_fa = curve.corners
        cost = w_miss * p_miss + w_fa * p_fa
        best = int(np.argmin(cost))
        return float(cost[best] / min(w_miss, w_fa)), float(thresholds[best])

    def act_dcf(self, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
        """Return the detection cost at `bayes_threshold` of scores that claim to be LLRs, normalised as in `min_dcf`.

        As in NIST's SRE evaluation plans. At least min_dcf, and above 1 where rejecting or accepting every trial
        unheard would have cost less.
        """
        w_miss, w_fa = _weights(p_target, c_miss, c_fa)
        p_miss, p_fa = self.whole.rates(bayes_threshold(p_target, c_miss, c_fa))
        return (w_miss * p_miss + w_fa * p_fa) / min(w_miss, w_fa)

    def miss_at_fa(self, share: float) -> tuple[float, float]:
        """Return the lowest P_miss among all thresholds with P_fa <= share, and its threshold: no interpolation."""
        assert 0 <= share < 1
        curve, threshold = self.lowest(lambda _, p_fa: p_fa <= share)
        return curve.rates(threshold)[0], threshold

    def fa_at_miss(self, share: float) -> tuple[float, float]:
        """Return the lowest P_fa among all thresholds with P_miss <= share, and its threshold: no interpolation."""
        assert 0 < share < 1
        beyond = bisect_left(self.targets, True, key=lambda score: self.whole.rates(score)[0] > share)
        threshold = float(self.targets[beyond - 1])  # never the lowest
        return self.whole.rates(threshold)[1], threshold

    def min_cllr(self) -> float:
        """Return `cllr` after the best non-decreasing map of the scores, 0 to 1.

        The map is isotonic regression (pool adjacent violators, PAV) of the target's share among the trials of each
        distinct score. What it makes an LLR of plus or minus infinity costs its trials nothing: 0 log 0 = 0.
        """
        p_miss, p_fa = self.hull
        target_share, nontarget_share = np.diff(p_miss), -np.diff(p_fa)  # of each block
        both = target_share + nontarget_share
        xlogy = scipy.special.xlogy
        nats = xlogy(target_share, target_share / both).sum() + xlogy(nontarget_share, nontarget_share / both).sum()
        return max(0.0, float(-nats / (2 * log(2))))
