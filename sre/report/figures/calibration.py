"""The calibration plot: normalised Bayes error rates by the prior of a target."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.optimize import isotonic_regression
from scipy.special import expit, logit

from sre.metrics.rates import operating_points
from sre.report.figures.style import COLOURS, MARKERS, MAX_CURVES, STYLE, legend_below, svg

LOG_ODDS = np.linspace(-8, 4, 121)  # of the prior, natural: P_target 0.0003 to 0.98
PRIOR_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.9)
MOST_COST = 1.5  # of the calibration plot's axis: scores that are no LLRs cost many times as much


class BayesCurve(NamedTuple):
    """One system's `bayes_error_curves` (G,) at prior log odds (G,)."""

    label: str
    log_odds: np.ndarray
    actual: np.ndarray
    minimum: np.ndarray


def bayes_error_curves(scores: np.ndarray, target: np.ndarray, log_odds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Normalised detection cost at each prior with C_miss = C_fa = 1: of the Bayes decisions, and the least.

    As `sre.metrics.act_dcf` and `min_dcf` at P_target = 1 / (1 + exp(-log odds)); the least is sought on the ROC's
    convex hull, where it must lie for every prior (N. Brümmer and E. de Villiers, BOSARIS toolkit, 2011).

    Parameters
    ----------
    scores, target : (N,) LLRs, natural logarithm, and (N,) bool
    log_odds : (G,) natural-log odds of a target

    Returns
    -------
    actual, minimum : (G,) float64

    Raises SreError as `sre.metrics.check_scores` does.
    """
    thresholds, p_miss, p_fa = operating_points(scores, target)
    at = np.searchsorted(thresholds, -log_odds)
    of_target, of_nontarget = expit(log_odds), expit(-log_odds)
    unheard = np.minimum(of_target, of_nontarget)
    actual = of_target * p_miss[at] + of_nontarget * p_fa[at]
    both = np.diff(p_miss) - np.diff(p_fa)
    hull = isotonic_regression(np.diff(p_miss) / both, weights=both).blocks  # indices of its corners
    costs = np.outer(of_target, p_miss[hull]) + np.outer(of_nontarget, p_fa[hull])
    return actual / unheard, costs.min(axis=1) / unheard


def calibration_plot(curves: Sequence[BayesCurve], name: str, label: str) -> str:
    """Normalised Bayes error rates by the prior: actual costs solid, least costs dashed; at most MAX_CURVES systems.

    A solid line far above its dashed one is bad calibration; above 1, not listening would have cost less (ibid.).
    Costs above MOST_COST are cut off. `name` and `label` as in `sre.report.figures.det.det_plot`.
    """
    assert 0 < len(curves) <= MAX_CURVES
    handles = [Line2D([], [], color="#333333", linestyle=s, label=t) for s, t in (("-", "actual"), ("--", "minimum"))]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 4.3))
        axes = figure.add_subplot()
        most = max(float(curve.actual.max()) for curve in curves)
        for number, (curve, colour, mark) in enumerate(zip(curves, COLOURS, MARKERS, strict=False)):
            x, every = curve.log_odds, len(curve.log_odds) // 8 + 1
            look = {"color": colour, "marker": mark, "markersize": 4.5, "linewidth": 1.4}
            apart = every * number // MAX_CURVES, every  # where the marks are
            axes.plot(x, curve.actual, markevery=apart, **look)
            axes.plot(x, curve.minimum, markevery=apart, linestyle="--", markerfacecolor="white", **look)
            handles.append(Line2D([], [], label=curve.label, **look))
        axes.axhline(1, color="#333333", linewidth=1, linestyle=":")
        handles.insert(2, Line2D([], [], color="#333333", linewidth=1, linestyle=":", label="deciding unheard"))
        axes.set(xlim=(min(c.log_odds[0] for c in curves), max(c.log_odds[-1] for c in curves)))
        axes.set(
            xlabel="prior log odds of a target (natural logarithm)", ylim=(0, min(max(1.1, 1.05 * most), MOST_COST))
        )
        axes.set_ylabel("normalised DCF" + (f", cut off at {MOST_COST:g}" if most > MOST_COST else ""))
        above = axes.secondary_xaxis("top")
        above.set_ticks(logit(PRIOR_TICKS), [f"{prior:g}" for prior in PRIOR_TICKS])
        above.set_xlabel("P_target")
        legend_below(figure, handles, 2)
        return svg(figure, name, label)
