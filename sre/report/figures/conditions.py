"""The EER of each model against the noise, or against the length, of what it hears."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sre.report.figures.style import COLOURS, LINES, MARKERS, MAX_CURVES, drawing, legend_below, svg

GAP = 0.5  # between the scale and what stands beside it, in steps of the scale
SPREAD = 0.07  # between the marks of two models, so that their intervals are seen


@dataclass(frozen=True)
class ConditionCurve:
    """The EERs of a model, (N,) in per cent, a condition each, and the ends of their intervals; NaN: not known."""

    label: str
    eer: np.ndarray
    low: np.ndarray
    high: np.ndarray


def condition_plot(
    curves: Sequence[ConditionCurve], ticks: Sequence[str], xlabel: str, name: str, label: str, beside: int = 0
) -> str:
    """EERs with their intervals, a line a model, over conditions at equal distances; at most MAX_CURVES.

    beside : how many of the last conditions are not on the scale of the others; no line leads to them
    `name` and `label` as in `sre.report.figures.det.det_plot`.
    """
    assert 0 < len(curves) <= MAX_CURVES
    places = np.arange(len(ticks), dtype=float)
    on_scale = len(ticks) - beside
    places[on_scale:] += GAP
    with drawing(5.2, 3.4) as (figure, axes):
        handles = []
        for number, curve in enumerate(curves):
            x = places + SPREAD * (number - (len(curves) - 1) / 2)
            look: dict[str, Any] = {"color": COLOURS[number], "marker": MARKERS[number], "markersize": 5}
            margins = np.stack([curve.eer - curve.low, curve.high - curve.eer])
            axes.errorbar(x, curve.eer, margins, fmt="none", ecolor=COLOURS[number], elinewidth=1, capsize=2.5)
            handles += axes.plot(
                x[:on_scale], curve.eer[:on_scale], linestyle=LINES[number], label=curve.label, linewidth=1.4, **look
            )
            axes.plot(x[on_scale:], curve.eer[on_scale:], linestyle="", **look)
        axes.set_xticks(places, ticks)
        axes.set(xlabel=xlabel, ylabel="EER, %", xlim=(places[0] - 0.4, places[-1] + 0.4))
        axes.set_ylim(bottom=0)
        axes.grid(axis="x", visible=False)
        if beside:
            axes.axvline(places[on_scale - 1] + (1 + GAP) / 2, color="#bbbbbb", linewidth=0.8)
        legend_below(figure, handles, most=2)
        return svg(figure, name, label)
