"""The calibration plot: normalised Bayes error rates by the prior of a target."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy.optimize import isotonic_regression
from scipy.special import expit, logit

from sre.metrics.rates import operating_points
from sre.report.figures.style import COLOURS, STYLE, legend_below, svg

LOG_ODDS = np.linspace(-8, 4, 121)  # of the prior, natural: P_target 0.0003 to 0.98
PRIOR_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.9)
MAX_PANELS = 4
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
    """Return a panel a system: actual costs by the prior solid, least costs dashed, and the gap shaded.

    A solid line far above its dashed one is bad calibration; above 1, not listening would have cost less (ibid.).
    Costs above MOST_COST are cut off. At most MAX_PANELS systems. `name` and `label` as in
    `sre.report.figures.det.det_plot`.
    """
    assert 0 < len(curves) <= MAX_PANELS
    columns = min(len(curves), 2)
    rows = -(-len(curves) // columns)
    most = max(float(curve.actual.max()) for curve in curves)
    ceiling = min(max(1.1, 1.05 * most), MOST_COST)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 0.4 + 2.2 * rows))
        panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for axes, curve in zip(panels.flat, curves, strict=False):
            _panel(axes, curve)
            axes.set(ylim=(0, ceiling), xlim=(curve.log_odds[0], curve.log_odds[-1]))
        for axes in list(panels.flat)[len(curves) :]:
            axes.set_visible(False)
        for axes in list(panels.flat)[max(0, len(curves) - columns) : len(curves)]:
            axes.set_xlabel("P_target")
            axes.tick_params(labelbottom=True)
        figure.supylabel("normalised cost" + (f", cut off at {MOST_COST:g}" if most > MOST_COST else ""), size=9)
        handles = [Line2D([], [], color=COLOURS[0], label="cost")]
        handles.append(Line2D([], [], color=COLOURS[0], linestyle="--", label="least"))
        handles.append(Line2D([], [], color="#333333", linewidth=1, linestyle=":", label="deciding unheard"))
        legend_below(figure, handles)
        return svg(figure, name, label)


def _panel(axes: Axes, curve: BayesCurve) -> None:
    axes.axhline(1, color="#333333", linewidth=1, linestyle=":")
    axes.fill_between(curve.log_odds, curve.minimum, curve.actual, color=COLOURS[0], alpha=0.18, linewidth=0)
    axes.plot(curve.log_odds, curve.actual, color=COLOURS[0], linewidth=1.5)
    axes.plot(curve.log_odds, curve.minimum, color=COLOURS[0], linewidth=1.2, linestyle="--")
    axes.set_xticks(logit(PRIOR_TICKS), [f"{prior:g}" for prior in PRIOR_TICKS], size=8)
    axes.set_title(curve.label, size=8.5, loc="left", wrap=True)
