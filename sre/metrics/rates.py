"""EER, DCF, Cllr and their kin: exact, and equal scores are one threshold.

A trial is accepted iff score >= threshold. P_miss is the share of target trials rejected, P_fa the share of
nontarget trials accepted. Legend: P trials, K distinct scores, so K + 1 operating points; LLR: natural-log
likelihood ratio, which is what actDCF and Cllr take a score for. All functions of (scores, target) take (P,) float
and (P,) bool, and raise SreError as `check_scores` does.
"""

from collections.abc import Mapping, Sequence
from math import erfc, isfinite, log, sqrt
from statistics import NormalDist, fmean
from typing import NamedTuple

import numpy as np

from sre.metrics.sorted_scores import Points, SortedScores, check_scores
from sre.metrics.sorted_scores import bayes_threshold as bayes_threshold  # people look for it here

P_TARGETS = (0.05, 0.01, 0.001)
SHARES = (0.01, 0.001)  # at which P_fa and P_miss are given


class Rate(NamedTuple):
    """A rate that people compare: its heading in a table, its key in `summarise`, the decimals that are shown."""

    heading: str
    key: str
    digits: int

    @property
    def name(self) -> str:
        return self.heading.partition(",")[0]

    @property
    def unit(self) -> str:
        return " %" if self.heading.endswith("%") else ""


RATES = (  # in the order of interest: a reader who shows few takes the first
    Rate("EER, %", "eer", 3),
    Rate("minDCF(0.01)", "min_dcf_0.01", 4),
    Rate("minDCF(0.05)", "min_dcf_0.05", 4),
    Rate("minDCF(0.001)", "min_dcf_0.001", 4),
    Rate("actDCF(0.05)", "act_dcf_0.05", 4),
    Rate("Cllr", "cllr", 4),
    Rate("minCllr", "min_cllr", 4),
)

# P_targets of C_primary, all with C_miss = C_fa = 1, from NIST's evaluation plans of 2016, 2018, 2019 (CTS Challenge,
# and audio-visual) and 2021. SRE18's C_primary is the mean of its two sets' (CMN2 and VAST).
NIST_PLANS = {
    "sre16": (0.01, 0.005),
    "sre18_cmn2": (0.01, 0.005),
    "sre18_vast": (0.05,),
    "sre19_cts": (0.01, 0.005),
    "sre19_av": (0.05,),
    "sre21": (0.01, 0.05),
}


def operating_points(scores: np.ndarray, target: np.ndarray) -> Points:
    """Return the error rates at every distinct score, ascending, and at +inf, where every trial is rejected.

    Parameters
    ----------
    scores, target : (P,) float and (P,) bool

    Returns
    -------
    thresholds, p_miss, p_fa : (K + 1,) float64; from (0, 1) at the lowest score to (1, 0) at +inf

    Raises SreError as `check_scores` does.
    """
    return SortedScores(scores, target).whole.points(np.unique(scores))


def eer(scores: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    """Return the equal error rate, a share from 0 to 1, and its threshold (`SortedScores.eer`).

    `summarise` and `eer_with_interval` have it in per cent.
    """
    return SortedScores(scores, target).eer()


def eer_convex_hull(scores: np.ndarray, target: np.ndarray) -> float:
    """Return the equal error rate on the ROC's convex hull, a share as `eer` is (`SortedScores.eer_convex_hull`)."""
    return SortedScores(scores, target).eer_convex_hull()


def min_dcf(
    scores: np.ndarray, target: np.ndarray, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0
) -> tuple[float, float]:
    """Return the least normalised detection cost and its threshold (`SortedScores.min_dcf`)."""
    return SortedScores(scores, target).min_dcf(p_target, c_miss, c_fa)


def act_dcf(scores: np.ndarray, target: np.ndarray, p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> float:
    """Return the normalised detection cost of LLRs at `bayes_threshold` (`SortedScores.act_dcf`)."""
    return SortedScores(scores, target).act_dcf(p_target, c_miss, c_fa)


def c_primary(scores: np.ndarray, target: np.ndarray, plan: str) -> tuple[float, float]:
    """Return minimum and actual C_primary of one of `NIST_PLANS`: the mean normalised cost over its operating points.

    Over all trials alike. NIST's own figures for SRE16 to SRE21 give partitions of the trials (by sex, language, number
    of enrolment segments, …) equal weights, which is NOT done here, so they differ where partitions do.
    """
    ranked, p_targets = SortedScores(scores, target), NIST_PLANS[plan]
    return fmean(ranked.min_dcf(p)[0] for p in p_targets), fmean(ranked.act_dcf(p) for p in p_targets)


def miss_at_fa(scores: np.ndarray, target: np.ndarray, share: float) -> tuple[float, float]:
    """Return the lowest P_miss with P_fa <= share, a share too, and its threshold (`SortedScores.miss_at_fa`)."""
    return SortedScores(scores, target).miss_at_fa(share)


def fa_at_miss(scores: np.ndarray, target: np.ndarray, share: float) -> tuple[float, float]:
    """Return the lowest P_fa with P_miss <= share, a share too, and its threshold (`SortedScores.fa_at_miss`)."""
    return SortedScores(scores, target).fa_at_miss(share)


def cllr(scores: np.ndarray, target: np.ndarray) -> float:
    """Return the cost of LLRs in bits a trial, at equal priors.

    0 is perfect, 1 is what LLRs of 0 cost, and there is no upper limit (N. Brümmer and J. du Preez, Computer Speech &
    Language, 2006).
    """
    scores, target = np.asarray(scores), np.asarray(target).astype(bool)
    check_scores(scores, target)
    misses = np.logaddexp(0, -scores[target].astype(np.float64)).mean()
    false_alarms = np.logaddexp(0, scores[~target].astype(np.float64)).mean()
    return float((misses + false_alarms) / (2 * log(2)))


def min_cllr(scores: np.ndarray, target: np.ndarray) -> float:
    """Return Cllr after the best non-decreasing map of the scores (`SortedScores.min_cllr`)."""
    return SortedScores(scores, target).min_cllr()


def summarise(
    scores: np.ndarray, target: np.ndarray, c_miss: float = 1.0, c_fa: float = 1.0, calibrated: bool = False
) -> dict:
    """Return all numbers of one system on one list, ready for JSON.

    `eer` and `eer_convex_hull` are in per cent, rates at a given rate are shares. A threshold of None: every trial must
    be rejected to get there. `threshold_fa_0.01` is the lowest threshold with P_fa <= 1 %, that of `miss_at_fa_0.01`.
    `act_dcf_<P_target>` and `cllr` (bits) take the scores for LLRs also where they are not: that is what calibration
    starts from. `calibrated`, whether they claim to be LLRs, is only passed on to the reader.
    """
    ranked = SortedScores(scores, target)
    rate, threshold = ranked.eer()
    counts = {"targets": len(ranked.targets), "nontargets": len(ranked.nontargets)}
    summary: dict[str, float | None] = {**counts, "c_miss": c_miss, "c_fa": c_fa}
    summary |= {"eer": 100 * rate, "eer_threshold": threshold, "eer_convex_hull": 100 * ranked.eer_convex_hull()}
    for p_target in P_TARGETS:
        cost, threshold = ranked.min_dcf(p_target, c_miss, c_fa)
        summary[f"min_dcf_{p_target}"] = cost
        if p_target == 0.01:
            summary["threshold_min_dcf_0.01"] = threshold if isfinite(threshold) else None
    for share in SHARES:
        miss, threshold = ranked.miss_at_fa(share)
        summary[f"threshold_fa_{share}"] = threshold if isfinite(threshold) else None
        summary |= {f"miss_at_fa_{share}": miss, f"fa_at_miss_{share}": ranked.fa_at_miss(share)[0]}
    for p_target in P_TARGETS:
        summary[f"act_dcf_{p_target}"] = ranked.act_dcf(p_target, c_miss, c_fa)
    return summary | {"cllr": cllr(scores, target), "min_cllr": ranked.min_cllr(), "calibrated": calibrated}


def asked_rates(
    scores: np.ndarray, target: np.ndarray, points: Mapping[str, tuple[float, float, float]], plans: Sequence[str]
) -> dict[str, float]:
    """Return minDCF and actDCF at operating points, and C_primary of plans, under the names that they are asked by.

    points : name -> P_target, C_miss, C_fa
    plans : of NIST_PLANS
    """
    asked: dict[str, float] = {}
    for name, at in points.items():
        asked |= {f"minDCF({name})": min_dcf(scores, target, *at)[0], f"actDCF({name})": act_dcf(scores, target, *at)}
    for plan in plans:
        names = f"C_primary_min({plan})", f"C_primary_act({plan})"
        asked |= dict(zip(names, c_primary(scores, target, plan), strict=True))
    return asked


def worse_than_unheard(costs: Mapping[str, float]) -> str | None:
    """Return a sentence where scores, taken for LLRs, cost more than deciding without listening; None where none does.

    costs : name -> actDCF or C_primary, normalised, or Cllr in bits: each is 1 where nobody listens
    """
    dear = [f"{name} {cost:.3f}" for name, cost in costs.items() if cost > 1]
    if not dear:
        return None
    return (
        "taken for log-likelihood ratios, these scores cost more than deciding without listening, which costs 1:"
        f" {', '.join(dear)}; calibrate them on data like these (steps.calibrate)"
    )


def det_points(scores: np.ndarray, target: np.ndarray, max_points: int = 2000) -> Points:
    """Return the operating points for a DET plot: at most `max_points`, even in normal deviates of P_miss and of P_fa.

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
    after = int(np.argmax(p_miss >= p_fa))
    around = np.clip(np.arange(after - 2, after + 2), 0, len(thresholds) - 1)
    keep = np.unique(np.concatenate((by_miss, by_fa, around, [0, len(thresholds) - 1])))
    return thresholds[keep], p_miss[keep], p_fa[keep]


def _probit_grid(trials: int, size: int) -> np.ndarray:
    """`size` probabilities, half an error to all but half an error of `trials`, even in normal deviates."""
    edge = -NormalDist().inv_cdf(0.5 / trials)
    return np.array([erfc(-z / sqrt(2)) / 2 for z in np.linspace(-edge, edge, size)])
