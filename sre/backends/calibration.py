"""Calibration and fusion of scores by prior-weighted logistic regression, so that they are log-likelihood ratios.

N. Brümmer et al., Fusion of heterogeneous speaker recognition systems, IEEE TASLP 2007 (FoCal; later BOSARIS).
Quality measures of both sides may stand beside the scores: sre/backends/quality.py.
Legend: P trials, K systems, Q columns of quality measures; LLR: natural-log likelihood ratio.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log

import numpy as np

from sre import SreError
from sre.metrics.rates import check_scores

GRADIENT = 1e-10  # largest of the standardised problem at its minimum
SEEN = 1e-12  # a smaller decrease drowns in rounding: from there on whole steps, each squares what error is left,
POLISH = 4  # so many, for the same LLRs to 1e-9 whatever the scores' scale
ITERATIONS = 200
RIDGE, MEASURE_RIDGE = 1e-6, 1e-3  # of scores; of quality measures, which few speakers would else be told apart by
LEAST, MOST = 1e-100, 1e100  # of a system's scores: their squares are numbers too


@dataclass
class Calibration:
    """LLR = scores @ weights + offset: of one system (K = 1) a calibration, of several a fusion.

    With quality measures the columns of these follow the scores, and have weights too.
    """

    weights: np.ndarray  # (K + Q,) float64, for scores as they come
    offset: float
    facts: dict[str, object] = field(default_factory=dict)  # of the fit, see `fit_calibration`

    def apply(self, scores: np.ndarray) -> np.ndarray:
        """Return (P,) LLRs of (P,) or (P, K + Q) scores and measures. Raises SreError where there are not so many."""
        columns = _columns(scores)
        if columns.shape[1] != len(self.weights):
            raise SreError(
                f"a calibration of {len(self.weights)} systems was given {columns.shape[1]} scores a trial;"
                " give those of the systems it was fitted on, and their quality measures, in their order"
            )
        return columns @ self.weights + self.offset

    def as_dict(self) -> dict[str, object]:
        """Return it ready for JSON, where every float keeps all its digits."""
        return {"weights": self.weights.tolist(), "offset": self.offset, "facts": dict(self.facts)}

    @classmethod
    def from_dict(cls, content: Mapping) -> "Calibration":
        """Return the calibration that `as_dict` gave. Raises SreError for another form."""
        try:
            weights, offset = np.array(content["weights"], np.float64), float(content["offset"])
            facts = dict(content.get("facts", {}))
        except (KeyError, TypeError, ValueError, OverflowError):  # an integer of hundreds of digits
            weights, offset, facts = np.empty((0, 0)), 0.0, {}
        if weights.ndim != 1 or not weights.size or not np.isfinite([*weights, offset]).all():
            raise SreError("a calibration without finite weights and offset; calibrate again")
        return cls(weights, offset, facts)


def fit_calibration(
    scores: np.ndarray,
    target: np.ndarray,
    p_target: float = 0.05,
    ridge: float = RIDGE,
    measures: np.ndarray | None = None,
) -> Calibration:
    """Return the weights and offset of least prior-weighted cross entropy, by Newton's method from zero.

    Parameters
    ----------
    scores : (P,) or (P, K), target : (P,) bool
    p_target : the prior where the LLRs are to be best, which moves the solution little
    ridge : times half the squared weights of scores of unit variance is added to the cross entropy: enough for a
        finite solution where the scores tell all trials apart (fact `separable`), else too little to notice
    measures : (P, Q) quality measures, whose weights bear MEASURE_RIDGE

    Returns
    -------
    Calibration with facts p_target, ridge, targets, nontargets, iterations, separable, and the cross entropy, in
    nats, of the plain mean of the scores (`cross_entropy_before`) and of the LLRs (`cross_entropy`).

    Raises SreError as `sre.metrics.check_scores` does, naming the system, where a single system's scores are upside
    down, and where a measure is the same of all trials. A fusion may have weights below zero.
    """
    assert 0 < p_target < 1 and ridge > 0
    given, target = _columns(scores), np.asarray(target).astype(bool)
    _check_columns(given, target)
    columns, ridges = given, np.full(given.shape[1], ridge)
    if measures is not None and measures.shape[1]:
        _check_measures(measures)
        columns = np.concatenate([given, measures], axis=1)
        ridges = np.append(ridges, np.full(measures.shape[1], MEASURE_RIDGE))
    mean, std = columns.mean(axis=0), columns.std(axis=0)
    z = np.column_stack(((columns - mean) / std, np.ones(len(columns))))  # (P, K + Q + 1)
    problem = _Problem(z, target, p_target, np.append(ridges, 0))
    solution, iterations = _newton(problem)
    weights = solution[:-1] / std
    is_down = given[target, 0].mean() <= given[~target, 0].mean() if len(weights) > given.shape[1] else weights[0] <= 0
    if given.shape[1] == 1 and is_down:
        raise SreError(
            "the scores are upside down, target trials score no higher than nontarget trials on average (the"
            f" weight is {weights[0]:.3g}); look at the labels of the development list, or change the scores' sign"
        )
    offset = float(solution[-1] - mean @ weights)
    facts = {"ridge": ridge, "iterations": iterations}
    facts |= {"cross_entropy_before": problem.cross_entropy(given.mean(axis=1))}
    return Calibration(weights, offset, facts | problem.facts(columns @ weights + offset))


def _columns(scores: np.ndarray) -> np.ndarray:
    scores = np.asarray(scores, np.float64)
    return scores[:, None] if scores.ndim == 1 else scores


def _check_columns(columns: np.ndarray, target: np.ndarray) -> None:
    if columns.ndim != 2 or columns.shape[1] == 0:
        raise SreError(f"scores of shape {columns.shape}; give one column of scores a system")
    for number, column in enumerate(columns.T, 1):
        try:
            check_scores(column, target)
            if not LEAST < np.ptp(column) <= np.abs(column).max() * 2 < MOST:
                raise SreError(f"scores from {column.min():.3g} to {column.max():.3g} cannot be calibrated; scale them")
        except SreError as error:
            if columns.shape[1] == 1:
                raise
            raise SreError(f"system {number} of {columns.shape[1]}: {error}") from None


def _check_measures(measures: np.ndarray) -> None:
    if not np.isfinite(measures).all():
        raise SreError("a quality measure is not known of all trials; measure it again, or take it out")
    spread = np.ptp(measures, axis=0)
    if not (spread > 1e-9 * np.maximum(np.abs(measures).max(axis=0), 1)).all():
        raise SreError(
            "a quality measure is the same of all trials that it is fitted on; give them in other lengths or noises"
            " too, or take it out"
        )


@dataclass
class _Problem:
    """f(w) = p/N_t Σ_targets ln(1 + e^-(z w + λ)) + (1 - p)/N_n Σ_nontargets ln(1 + e^(z w + λ)) + Σ ridge_k w_k² / 2

    with λ = logit p.
    z : (P, K + Q + 1) standardised scores and measures, and a column of ones, whose weight bears no ridge
    ridges : (K + Q + 1,)
    """

    z: np.ndarray
    target: np.ndarray
    p_target: float
    ridges: np.ndarray

    def __post_init__(self) -> None:
        targets = np.count_nonzero(self.target)
        shares = self.p_target / targets, (1 - self.p_target) / (len(self.target) - targets)
        self.share = np.where(self.target, *shares)
        self.sign = np.where(self.target, -1.0, 1.0)
        self.prior = log(self.p_target / (1 - self.p_target))

    def cross_entropy(self, llrs: np.ndarray) -> float:
        return float(self.share @ np.logaddexp(0, self.sign * (llrs + self.prior)))

    def facts(self, llrs: np.ndarray) -> dict[str, object]:
        targets = int(np.count_nonzero(self.target))
        facts: dict[str, object] = {"p_target": self.p_target}
        facts |= {"targets": targets, "nontargets": len(llrs) - targets, "cross_entropy": self.cross_entropy(llrs)}
        return facts | {"separable": bool(llrs[self.target].min() > llrs[~self.target].max())}

    def value(self, w: np.ndarray) -> float:
        return self.cross_entropy(self.z @ w) + 0.5 * float(self.ridges @ w**2)

    def derivatives(self, w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the gradient and the Hessian in the (K + Q + 1,) weights."""
        logits = self.sign * (self.z @ w + self.prior)
        wrong, right = np.exp(-np.logaddexp(0, -logits)), np.exp(-np.logaddexp(0, logits))  # probabilities
        gradient = self.z.T @ (self.share * self.sign * wrong) + self.ridges * w
        return gradient, (self.z.T * (self.share * wrong * right)) @ self.z + np.diag(self.ridges)


def _newton(problem: _Problem) -> tuple[np.ndarray, int]:
    """The minimum (K + Q + 1,) and the number of steps; a step that would not go down is halved until it does."""
    w = np.zeros(problem.z.shape[1])
    unseen = 0
    for iteration in range(ITERATIONS):
        gradient, hessian = problem.derivatives(w)
        if unseen >= POLISH and np.abs(gradient).max() < GRADIENT:
            return w, iteration
        step = -np.linalg.solve(hessian, gradient)
        if -gradient @ step < SEEN:
            unseen += 1
        else:
            now = problem.value(w)
            while problem.value(w + step) > now:
                step /= 2
        w = w + step
    raise SreError(
        f"calibration has not converged in {ITERATIONS} steps; look for scores that are far out of the others' range"
    )
