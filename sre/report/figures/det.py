"""DET curves, detection error trade-off: misses against false alarms on normal-deviate axes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axis import Axis
from scipy.special import ndtri

from sre.report.figures.style import COLOURS, LINES, MAX_CURVES, drawing, legend_below, svg

# where there is no room for all, the later ones are left out
RATE_TICKS = [0.01, 0.1, 1e-3, 1e-4, 0.5, 0.05, 0.2, 0.02, 5e-3, 0.4, 0.6, 0.8, 0.9, 0.3, 0.7, 2e-3, 5e-4, 2e-4]


@dataclass(frozen=True)
class Curve:
    """One system's operating points, `sre.metrics.det_points`, and its EER as a share."""

    label: str
    p_miss: np.ndarray
    p_fa: np.ndarray
    eer: float
    targets: int
    nontargets: int


def det_plot(curves: Sequence[Curve], name: str, label: str) -> str:
    """DET curves on normal-deviate axes, the EER points marked; at most MAX_CURVES of them.

    `name` makes the SVG's ids unique on the page; `label` is what a screen reader says.
    """
    assert 0 < len(curves) <= MAX_CURVES
    with drawing(5.2, 4.5) as (figure, axes):
        x_range = _rate_range([(c.p_fa, c.p_miss, c.nontargets, c.eer) for c in curves])
        y_range = _rate_range([(c.p_miss, c.p_fa, c.targets, c.eer) for c in curves])
        for curve, colour, line in zip(curves, COLOURS, LINES, strict=False):
            x, y = _deviate(curve.p_fa, x_range), _deviate(curve.p_miss, y_range)
            axes.plot(x, y, color=colour, linestyle=line, linewidth=1.5, label=curve.label)
            at = ndtri(np.clip(curve.eer, *x_range)), ndtri(np.clip(curve.eer, *y_range))
            axes.plot(*at, "o", color=colour, ms=5.5, mec="white", clip_on=False, zorder=3)
        ends = ndtri(np.array([max(x_range[0], y_range[0]), min(x_range[1], y_range[1])]))
        axes.plot(ends, ends, color="#999999", linewidth=0.8, linestyle=(0, (1, 2)))
        _rate_axis(axes.xaxis, x_range)
        _rate_axis(axes.yaxis, y_range)
        axes.set(xlim=ndtri(x_range), ylim=ndtri(y_range))
        axes.set(xlabel="false alarms, % of nontarget trials", ylabel="misses, % of target trials")
        legend_below(figure, axes.get_legend_handles_labels()[0], 2)
        return svg(figure, name, label)


def _rate_range(curves: list[tuple[np.ndarray, np.ndarray, int, float]]) -> tuple[float, float]:
    """Limits of one axis from (rate, other rate, trials, EER): from half an error, or what is drawn of the curves."""
    rate = max(rate for _, _, _, rate in curves)
    reach = max(float(rates[other > 0].max()) for rates, other, _, _ in curves)
    ceiling = min(max(0.6, 1.3 * rate), 0.98)
    least = min(float(rates[other <= ceiling].min()) for rates, other, _, _ in curves)
    low = max(1e-5, min(0.5 / trials for _, _, trials, _ in curves), 0.7 * least)
    return low, min(max(reach, 2 * rate, 4 * low, 0.05), ceiling)


def _deviate(rates: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """Normal deviates; what lies past the limits (0 is at minus infinity) is drawn just past them."""
    return ndtri(np.clip(rates, 0.5 * limits[0], 1 - 0.5 * (1 - limits[1])))


def _rate_axis(axis: Axis, limits: tuple[float, float]) -> None:
    room = 0.055 * (ndtri(limits[1]) - ndtri(limits[0]))
    ticks: list[float] = []
    for tick in RATE_TICKS:
        if limits[0] <= tick <= limits[1] and all(abs(ndtri(tick) - ndtri(other)) > room for other in ticks):
            ticks.append(tick)
    axis.set_ticks(ndtri(ticks), [f"{100 * tick:g}" for tick in ticks])
