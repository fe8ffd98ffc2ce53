"""The histogram of one system's scores with its thresholds."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes

from sre.report.figures.style import COLOURS, drawing, legend_below, svg

LINES = (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (7, 3)), (0, (5, 1, 1, 1, 1, 1))
THRESHOLD_LOOKS = tuple(zip(LINES, ("#000000", COLOURS[2], COLOURS[3], COLOURS[7]), strict=True))


def histogram(scores: np.ndarray, target: np.ndarray, thresholds: Mapping[str, float], name: str, label: str) -> str:
    """Densities of the target and the nontarget scores (N,), each of area 1, and named thresholds as lines.

    An infinite threshold, at which every trial is rejected, is in the legend only.
    """
    finite = [threshold for threshold in thresholds.values() if np.isfinite(threshold)]
    ends = np.concatenate([np.quantile(scores[some], (0.001, 0.999)) for some in (target, ~target)])
    edges = np.linspace(min(*ends, *finite), max(*ends, *finite), 51)
    with drawing(5.2, 4) as (figure, axes):
        kinds = (target, "target", COLOURS[0], "-"), (~target, "nontarget", COLOURS[1], "--")
        for some, word, colour, line in kinds:
            count, _ = np.histogram(scores[some], edges)
            density = count / (np.count_nonzero(some) * (edges[1] - edges[0]))
            axes.stairs(density, edges, fill=True, color=colour, alpha=0.25)
            axes.stairs(density, edges, color=colour, linestyle=line, linewidth=1.5, label=f"{word} trials")
        _threshold_lines(axes, thresholds)
        axes.set(xlabel="score", ylabel="density", ylim=(0, None))
        legend_below(figure, axes.get_legend_handles_labels()[0], 2)
        return svg(figure, name, label)


def _threshold_lines(axes: Axes, thresholds: Mapping[str, float]) -> None:
    for (text, threshold), (line, colour) in zip(thresholds.items(), cycle(THRESHOLD_LOOKS), strict=False):
        if np.isfinite(threshold):
            axes.axvline(threshold, color=colour, lw=1.5, ls=line, label=f"{text} threshold {threshold:.4g}")
        else:
            axes.plot([], [], " ", label=f"{text} threshold above all scores")
