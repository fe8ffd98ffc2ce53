"""Thresholds that are best on a labelled list by F1 or the geometric mean, for decisions on another list.

Both depend on the list: F1 on its share of target trials too. Legend: P trials, K distinct scores.
"""

import numpy as np

from sre.metrics.rates import operating_points


def best_f1(scores: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    """Return the highest F1, a share from 0 to 1, and its threshold, the lowest of equal ones.

    F1 is the harmonic mean of precision (the share of targets among the accepted trials) and recall (the share of
    target trials that are accepted): 2 TP / (2 TP + FP + FN). scores, target : (P,) float and (P,) bool.

    Raises SreError as `check_scores` does.
    """
    thresholds, misses, alarms = _errors(scores, target)
    hits = np.count_nonzero(target) - misses
    return _highest(2 * hits / (2 * hits + alarms + misses), thresholds)


def best_gmean(scores: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    """Return the highest geometric mean of (1 - P_miss) and (1 - P_fa), 0 to 1, and its threshold, the lowest of equal.

    It does not depend on the share of target trials (M. Kubat and S. Matwin, ICML 1997). scores, target : (P,) float
    and (P,) bool. Raises SreError as `check_scores` does.
    """
    thresholds, misses, alarms = _errors(scores, target)
    targets = np.count_nonzero(target)
    nontargets = len(target) - targets
    both, threshold = _highest((targets - misses) * (nontargets - alarms), thresholds)
    return float(np.sqrt(both / (targets * nontargets))), threshold


def _errors(scores: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (K + 1,) thresholds, numbers of misses, and of false alarms: whole, so that equal ones are equal."""
    thresholds, p_miss, p_fa = operating_points(np.asarray(scores), np.asarray(target).astype(bool))
    targets = np.count_nonzero(target)
    return thresholds, np.rint(p_miss * targets), np.rint(p_fa * (len(target) - targets))


def _highest(values: np.ndarray, thresholds: np.ndarray) -> tuple[float, float]:
    best = int(np.argmax(values))
    return float(values[best]), float(thresholds[best])
