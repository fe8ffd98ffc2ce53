"""More figures of the report, as `sre.report.plots`: calibration, accuracy against cost, and intervals."""

from collections.abc import Sequence
from typing import NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from scipy.optimize import isotonic_regression
from scipy.special import expit, logit

from sre.metrics.rates import operating_points
from sre.report.style import COLOURS, LINES, MARKERS, MAX_CURVES, STYLE, legend_below, place_labels, svg

LOG_ODDS = np.linspace(-8, 4, 121)  # of the prior, natural: P_target 0.0003 to 0.98
PRIOR_TICKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.9)
MOST_COST = 1.5  # of the calibration plot's axis: scores that are no LLRs cost many times as much
MAX_ROWS = 24  # of the interval plot
MAX_NAMES = 12  # of the accuracy-cost front


class BayesCurve(NamedTuple):
    """One system's `bayes_error_curves` (G,) at prior log odds (G,)."""

    label: str
    log_odds: np.ndarray
    actual: np.ndarray
    minimum: np.ndarray


class CostPoint(NamedTuple):
    """One system's cost (above 0), its EER in per cent and the ends of the EER's interval (NaN: none is known)."""

    label: str
    cost: float
    eer: float
    low: float
    high: float


class IntervalRow(NamedTuple):
    """One system's EER in per cent and the ends of its interval (NaN: none is known)."""

    label: str
    eer: float
    low: float
    high: float
    emphasised: bool


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
    Costs above MOST_COST are cut off. `name` and `label` as in `sre.report.plots.det_plot`.
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


def accuracy_cost_front(points: Sequence[CostPoint], name: str, label: str, x_label: str) -> str:
    """EER with its interval against cost; filled and on the line: those that none beats in both.

    Of more than MAX_NAMES systems only these have their names. `x_label` says what the cost is, with its unit. `name`
    and `label` as in `sre.report.plots.det_plot`.
    """
    assert points and all(cost > 0 for _, cost, *_ in points)
    points = [CostPoint(*point) for point in points]
    front = undominated(points)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 4.5))
        axes = figure.add_subplot()
        steps = np.array([(p.cost, p.eer) for p in front])
        axes.plot(*steps.T, drawstyle="steps-post", color=COLOURS[0], linewidth=1.2, alpha=0.7)
        for point in points:
            look = (COLOURS[0], COLOURS[0], "o") if point in front else ("#555555", "white", "s")
            axes.plot([point.cost] * 2, [point.low, point.high], color=look[0], linewidth=1)
            axes.plot(point.cost, point.eer, look[2], color=look[0], markerfacecolor=look[1], markersize=5.5)
        axes.margins(0.08)
        axes.set(xlabel=x_label, ylabel="EER, %")
        _log_cost_axis(axes, [point.cost for point in points])
        axes.set_ylim(max(0, axes.get_ylim()[0]), axes.get_ylim()[1])
        named = points if len(points) <= MAX_NAMES else front
        heads = [(p.label, p.cost, p.eer) for p in sorted(named, key=lambda point: point not in front)]
        place_labels(axes, heads, _ink(points, steps))
        return svg(figure, name, label)


def undominated(points: Sequence[CostPoint]) -> list[CostPoint]:
    """By rising cost, those with a lower EER than all that cost no more (of equal ones, the first by label)."""
    front: list[CostPoint] = []
    for point in sorted(points, key=lambda point: (point.cost, point.eer, point.label)):
        if not front or point.eer < front[-1].eer:
            front.append(point)
    return front


def _ink(points: Sequence[CostPoint], steps: np.ndarray) -> np.ndarray:
    """(P, 2) places on the intervals, on the marks (which weigh more) and on the front's steps: not for labels."""
    places = [(p.cost, y) for p in points for y in np.linspace(p.low, p.high, 21) if np.isfinite(y)]
    places += [(p.cost, p.eer) for p in points for _ in range(20)]
    for (x, y), (to_x, to_y) in zip(steps, steps[1:], strict=False):
        places += [(some, y) for some in np.geomspace(x, to_x, 41)]
        places += [(to_x, some) for some in np.linspace(y, to_y, 21)]
    return np.array(places)


def _log_cost_axis(axes: Axes, costs: Sequence[float]) -> None:
    axes.set_xscale("log")
    low, high = min(costs), max(costs)
    room = 1.2 * (high / low) ** 0.1
    axes.set_xlim(low / room, high * room)
    wide = LogLocator(subs=(1.0, 2.0, 5.0) if high < 300 * low else (1.0,))
    axes.xaxis.set_major_locator(wide if high > 5 * low else MaxNLocator(5))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def interval_plot(rows: Sequence[IntervalRow], name: str, label: str) -> str:
    """EERs with their intervals, one system a row from above as given, at most MAX_ROWS; a line at the first's EER.

    The emphasised are filled and bold. `name` and `label` as in `sre.report.plots.det_plot`.
    """
    assert 0 < len(rows) <= MAX_ROWS
    rows = [IntervalRow(*row) for row in rows]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 0.75 + 0.23 * len(rows)))
        axes = figure.add_subplot()
        axes.axvline(rows[0].eer, color="#555555", linewidth=1, linestyle=LINES[1])
        for y, row in enumerate(rows):
            colour, fill = (COLOURS[1],) * 2 if row.emphasised else (COLOURS[0], "white")
            axes.plot([row.low, row.high], [y, y], "|-", color=colour, linewidth=1.4, markersize=5)
            axes.plot(row.eer, y, "D" if row.emphasised else "o", color=colour, markerfacecolor=fill, markersize=5)
        axes.set(xlabel="EER, %", ylim=(len(rows) - 0.4, -0.6))
        axes.set_yticks(range(len(rows)), [row.label for row in rows])
        for text, row in zip(axes.get_yticklabels(), rows, strict=True):
            text.set_fontweight("bold" if row.emphasised else "normal")
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="y", visible=False)
        return svg(figure, name, label)
