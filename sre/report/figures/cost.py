"""The front of accuracy and cost: which models none beats in both."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from sre.report.figures.style import COLOURS, drawing, place_labels, svg

MAX_NAMES = 12  # systems whose names there is room for


class CostPoint(NamedTuple):
    """One system's cost (above 0), its EER in per cent and the ends of the EER's interval (NaN: none is known)."""

    label: str
    cost: float
    eer: float
    low: float
    high: float


def accuracy_cost_front(points: Sequence[CostPoint], name: str, label: str, x_label: str) -> str:
    """EER with its interval against cost; filled and on the line: those that none beats in both.

    Of more than MAX_NAMES systems only these have their names. `x_label` says what the cost is, with its unit. `name`
    and `label` as in `sre.report.figures.det.det_plot`.
    """
    assert points and all(point.cost > 0 for point in points)
    front = undominated(points)
    with drawing(5.2, 4.5) as (figure, axes):
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
        place_labels(figure, axes, heads, _ink(points, steps))
        return svg(figure, name, label)


def undominated(points: Sequence[CostPoint]) -> list[CostPoint]:
    """Return by rising cost the points with a lower EER than all that cost no more (the first label of equal ones)."""
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
