"""Error rates of one list whose trials count several times, as in a draw of the bootstrap.

The scores are sorted once, so that a draw costs two cumulative sums of its weights.
Legend: P trials, K distinct scores.
"""

from dataclasses import dataclass

import numpy as np

from sre.metrics.rates import P_TARGETS, bayes_threshold, check_scores


@dataclass
class Ordered:
    """Scores sorted once, so that a draw costs two cumulative sums of its weights."""

    target_order: np.ndarray
    nontarget_order: np.ndarray
    below: tuple[np.ndarray, np.ndarray]  # (K + 1,) each: targets, nontargets under each distinct score, all at +inf
    at_targets: tuple[np.ndarray, np.ndarray]  # the same for the scores of targets only, where minDCF has its minimum
    at_bayes: list[tuple[int, int]]  # the same at the Bayes threshold of each of P_TARGETS
    at_least: list[tuple[int, int]]  # the same where the list's cost is least
    bits: tuple[np.ndarray, np.ndarray]  # what each target and nontarget trial adds to Cllr

    @classmethod
    def of(cls, scores: np.ndarray, target: np.ndarray) -> "Ordered":
        """Sort (P,) scores of (P,) bool labels. Raises SreError as `check_scores` does."""
        check_scores(scores, target)
        target_order, nontarget_order = (np.argsort(scores[kind], kind="stable") for kind in (target, ~target))
        targets, nontargets = scores[target][target_order], scores[~target][nontarget_order]

        def below(thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            under = [np.append(np.searchsorted(values, thresholds), len(values)) for values in (targets, nontargets)]
            return under[0], under[1]

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
        """Return the rates if each target and nontarget trial, in this order, counts so often.

        EER in per cent; minDCF, then actDCF, at each of P_TARGETS; Cllr in bits; the costs `at_least`.
        """
        misses, passed = _cumulative(w_target), _cumulative(w_nontarget)
        targets, nontargets = int(misses[-1]), int(passed[-1])
        if not targets or not nontargets:
            return [np.nan] * (2 + 3 * len(P_TARGETS))

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
