"""EER, minDCF, actDCF, Cllr and operating points: exact, one sorting for all, equal scores are one threshold.

A trial is accepted iff score >= threshold. P_miss is the share of target trials rejected, P_fa the share of
nontarget trials accepted. Legend: N trials, K distinct scores, so K + 1 operating points; LLR: natural-log
likelihood ratio, which is what actDCF and Cllr take a score for.
"""

from math import erfc, log, sqrt
from statistics import NormalDist

import numpy as np

from sre import SreError

P_TARGETS = (0.05, 0.01, 0.001)
FA_RATES = (0.01, 0.001)

# (thresholds, p_miss, p_fa), each (K + 1,) float64
Points = tuple[np.ndarray, np.ndarray, np.ndarray]


def check_scores(scores: np.ndarray, target: np.ndarray) -> None:
    """Raise SreError where scores (N,) and target (N,) bool have no meaningful error rate."""
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


def operating_points(scores: np.ndarray, target: np.ndarray) -> Points:
    """Error rates at every distinct score, ascending, and at +inf, where every trial is rejected.

    Parameters
    ----------
    scores, target : (N,) float and (N,) bool

    Returns
    -------
    thresholds, p_miss, p_fa : (K + 1,) float64; from (0, 1) at the lowest score to (1, 0) at +inf

    Raises SreError as `check_scores` does.
    """
    scores, target = np.asarray(scores), np.asarray(target).astype(bool)
    check_scores(scores, target)
    values, of_targets = np.sort(scores), np.sort(scores[target])  # twice as fast as one argsort
    starts = np.flatnonzero(np.concatenate(([True], values[1:] != values[:-1])))
    distinct, targets = values[starts], len(of_targets)
    below = np.append(starts, len(values))  # trials under each threshold, (K + 1,)
    misses = np.append(np.searchsorted(of_targets, distinct), targets)
    nontargets = len(values) - targets
    thresholds = np.append(distinct.astype(np.float64), np.inf)
    return thresholds, misses / targets, (nontargets - (below - misses)) / nontargets


def eer(scores: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    """Equal error rate (a share, 0 to 1) and its threshold; raises SreError as `check_scores` does.

    The rate is interpolated linearly between the two adjacent operating points where P_miss - P_fa changes
    sign. The threshold is that of the two where the rates differ less, so it is a score of the list.
    """
    return _eer(operating_points(scores, target))


def _crossing(points: Points) -> int:
    """First point with P_miss >= P_fa; never point 0, and P_miss - P_fa rises strictly."""
    _, p_miss, p_fa = points
    return int(np.argmax(p_miss >= p_fa))


def _eer(points: Points) -> tuple[float, float]:
    thresholds, p_miss, p_fa = points
    after = _crossing(points)
    before = after - 1
    gap_before, gap_after = p_fa[before] - p_miss[before], p_miss[after] - p_fa[after]
    weight = gap_before / (gap_before + gap_after)
    rate = p_miss[before] + weight * (p_miss[after] - p_miss[before])
    nearer = before if gap_before < gap_after or np.isinf(thresholds[after]) else after
    return float(rate), float(thresholds[nearer])


def min_dcf(
    scores: np.ndarray, target: np.ndarray, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0
) -> tuple[float, float]:
    """Least detection cost over all thresholds, and its (lowest) threshold; +inf means: reject every trial.

    C(t) = C_miss P_target P_miss(t) + C_fa (1 - P_target) P_fa(t), divided by the cost of the better of
    accepting all and rejecting all (NIST SRE evaluation plans), so it lies between 0 and 1.
    Raises SreError as `check_scores` does.
    """
    return _min_dcf(operating_points(scores, target), p_target, c_miss, c_fa)


def _min_dcf(points: Points, p_target: float, c_miss: float, c_fa: float) -> tuple[float, float]:
    assert 0 < p_target < 1 and c_miss > 0 and c_fa > 0
    thresholds, p_miss, p_fa = points
    w_miss, w_fa = c_miss * p_target, c_fa * (1 - p_target)
    cost = w_miss * p_miss + w_fa * p_fa
    best = int(np.argmin(cost))
    return float(cost[best] / min(w_miss, w_fa)), float(thresholds[best])


def bayes_threshold(p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
    """LLR from which accepting costs less than rejecting: ln(C_fa (1 - P_target) / (C_miss P_target))."""
    assert 0 < p_target < 1 and c_miss > 0 and c_fa > 0
    return log(c_fa * (1 - p_target)) - log(c_miss * p_target)


def act_dcf(scores: np.ndarray, target: np.ndarray, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
    """Detection cost at `bayes_threshold` of scores that claim to be LLRs, normalised as in `min_dcf`.

    As in NIST's SRE evaluation plans. At least min_dcf, and above 1 where rejecting or accepting every trial
    unheard would have cost less. Raises SreError as `check_scores` does.
    """
    return _act_dcf(operating_points(scores, target), p_target, c_miss, c_fa)


def _act_dcf(points: Points, p_target: float, c_miss: float, c_fa: float) -> float:
    thresholds, p_miss, p_fa = points
    at = int(np.searchsorted(thresholds, bayes_threshold(p_target, c_miss, c_fa)))
    w_miss, w_fa = c_miss * p_target, c_fa * (1 - p_target)
    return float((w_miss * p_miss[at] + w_fa * p_fa[at]) / min(w_miss, w_fa))


def cllr(scores: np.ndarray, target: np.ndarray) -> float:
    """Cost of LLRs in bits a trial, at equal priors (N. Brümmer and J. du Preez, Computer Speech & Language, 2006).

    0 is perfect, 1 is what LLRs of 0 cost, and there is no upper limit. Raises SreError as `check_scores` does.
    """
    scores, target = np.asarray(scores), np.asarray(target).astype(bool)
    check_scores(scores, target)
    misses = np.logaddexp(0, -scores[target].astype(np.float64)).mean()
    false_alarms = np.logaddexp(0, scores[~target].astype(np.float64)).mean()
    return float((misses + false_alarms) / (2 * log(2)))


def min_cllr(scores: np.ndarray, target: np.ndarray) -> float:
    """`cllr` after the best non-decreasing map of the scores, 0 to 1; raises SreError as `check_scores` does.

    The map is isotonic regression (pool adjacent violators, PAV) of the target's share among the trials of each
    distinct score. What it makes an LLR of plus or minus infinity costs its trials nothing: 0 log 0 = 0.
    """
    return _min_cllr(operating_points(scores, target))


def _min_cllr(points: Points) -> float:
    from scipy.optimize import isotonic_regression  # a fifth of a second, which scoring alone need not spend
    from scipy.special import xlogy

    _, p_miss, p_fa = points
    target_share, nontarget_share = np.diff(p_miss), -np.diff(p_fa)  # of each distinct score, (K,)
    both = target_share + nontarget_share
    posterior = isotonic_regression(target_share / both, weights=both).x  # at equal priors
    bits = xlogy(target_share, posterior).sum() + xlogy(nontarget_share, 1 - posterior).sum()
    return max(0.0, float(-bits / (2 * log(2))))


def summarise(
    scores: np.ndarray, target: np.ndarray, c_miss: float = 1.0, c_fa: float = 1.0, calibrated: bool = False
) -> dict:
    """All numbers of one system on one list, ready for JSON; raises SreError as `check_scores` does.

    `eer` is in per cent. A threshold of None: every trial must be rejected to get there. `threshold_fa_0.01`
    is the lowest threshold with P_fa <= 1 %. `act_dcf_<P_target>` and `cllr` (bits) take the scores for LLRs
    also where they are not: that is what calibration starts from. `calibrated`, whether they claim to be LLRs, is
    only passed on to the reader.
    """
    points = operating_points(scores, target)
    thresholds, _, p_fa = points
    rate, eer_threshold = _eer(points)
    targets = int(np.count_nonzero(target))
    summary = {"targets": targets, "nontargets": len(scores) - targets, "c_miss": c_miss, "c_fa": c_fa}
    summary |= {"eer": 100 * rate, "eer_threshold": eer_threshold}
    for p_target in P_TARGETS:
        cost, threshold = _min_dcf(points, p_target, c_miss, c_fa)
        summary[f"min_dcf_{p_target}"] = cost
        if p_target == 0.01:
            summary["threshold_min_dcf_0.01"] = threshold if np.isfinite(threshold) else None
    for share in FA_RATES:
        threshold = thresholds[np.argmax(p_fa <= share)]
        summary[f"threshold_fa_{share}"] = float(threshold) if np.isfinite(threshold) else None
    for p_target in P_TARGETS:
        summary[f"act_dcf_{p_target}"] = _act_dcf(points, p_target, c_miss, c_fa)
    return summary | {"cllr": cllr(scores, target), "min_cllr": _min_cllr(points), "calibrated": calibrated}


def det_points(scores: np.ndarray, target: np.ndarray, max_points: int = 2000) -> Points:
    """Operating points for a DET plot: at most `max_points`, even in normal deviates of P_miss and of P_fa.

    Both ends and the points around the EER are always there. Raises SreError as `check_scores` does.
    """
    assert max_points >= 16
    points = operating_points(scores, target)
    thresholds, p_miss, p_fa = points
    if len(thresholds) <= max_points:
        return points
    targets = int(np.count_nonzero(target))
    half = (max_points - 6) // 2
    by_miss = np.searchsorted(p_miss, _probit_grid(targets, half))
    by_fa = np.searchsorted(-p_fa, -_probit_grid(len(scores) - targets, half))
    after = _crossing(points)
    around = np.clip(np.arange(after - 2, after + 2), 0, len(thresholds) - 1)
    keep = np.unique(np.concatenate((by_miss, by_fa, around, [0, len(thresholds) - 1])))
    return thresholds[keep], p_miss[keep], p_fa[keep]


def _probit_grid(trials: int, size: int) -> np.ndarray:
    """`size` probabilities, half an error to all but half an error of `trials`, even in normal deviates."""
    edge = -NormalDist().inv_cdf(0.5 / trials)
    return np.array([erfc(-z / sqrt(2)) / 2 for z in np.linspace(-edge, edge, size)])
