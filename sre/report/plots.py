"""The report's figures as inline SVG text: no display, no network, the same bytes for the same input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter
from scipy.special import ndtri

from sre.report.style import COLOURS, LINES, MAX_CURVES, STYLE, legend_below, svg

# where there is no room for all, the later ones are left out
RATE_TICKS = [
    0.01,
    0.1,
    1e-3,
    1e-4,
    0.5,
    0.05,
    0.2,
    0.02,
    5e-3,
    0.4,
    0.6,
    0.8,
    0.9,
    0.3,
    0.7,
    2e-3,
    5e-4,
    2e-4,
]
THRESHOLD_LINES = (0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (7, 3)), (0, (5, 1, 1, 1, 1, 1))
THRESHOLD_COLOURS = "#000000", COLOURS[2], COLOURS[3], COLOURS[7]


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
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 4.5))
        axes = figure.add_subplot()
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
        inside = limits[0] <= tick <= limits[1]
        if inside and all(abs(ndtri(tick) - ndtri(other)) > room for other in ticks):
            ticks.append(tick)
    axis.set_ticks(ndtri(ticks), [f"{100 * tick:g}" for tick in ticks])


def histogram(
    scores: np.ndarray, target: np.ndarray, thresholds: Mapping[str, float] | float, name: str, label: str
) -> str:
    """Densities of the target and the nontarget scores (N,), each of area 1, and named thresholds as lines.

    A number alone is the EER threshold; an infinite one, at which every trial is rejected, is in the legend only.
    """
    if not isinstance(thresholds, Mapping):
        thresholds = {"EER": thresholds}
    finite = [threshold for threshold in thresholds.values() if np.isfinite(threshold)]
    ends = np.concatenate([np.quantile(scores[some], (0.001, 0.999)) for some in (target, ~target)])
    edges = np.linspace(min(*ends, *finite), max(*ends, *finite), 51)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 4))
        axes = figure.add_subplot()
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
    looks = zip(cycle(THRESHOLD_LINES), cycle(THRESHOLD_COLOURS), strict=False)
    for (text, threshold), (line, colour) in zip(thresholds.items(), looks, strict=False):
        if np.isfinite(threshold):
            axes.axvline(threshold, color=colour, lw=1.5, ls=line, label=f"{text} threshold {threshold:.4g}")
        else:
            axes.plot([], [], " ", label=f"{text} threshold above all scores")


def training_panels(histories: Mapping[str, Sequence[dict]], name: str) -> list[tuple[str, str]]:
    """(caption, SVG) of loss, accuracy, learning rate and margin, validation EER by epoch; a line a run.

    What no run has recorded has no panel.
    """
    panels = (
        ("loss", (("loss", "training"),), "linear"),
        (
            "accuracy, % of speakers right",
            (("accuracy", "training chunks"), ("valid_accuracy", "validation")),
            "linear",
        ),
        ("learning rate", (("lr", "learning rate"), ("margin", "margin")), "log"),
        ("validation EER, %", (("valid_eer", "validation EER"),), "linear"),
    )
    drawn = []
    for number, (title, series, scale) in enumerate(panels):
        present = [(key, text) for key, text in series if any(_series(h, key)[1].size for h in histories.values())]
        if present:
            caption = f"{title[0].upper()}{title[1:]} by epoch"
            if "margin" in dict(present):
                caption = "Learning rate and margin by epoch"
            drawn.append((caption, _training_panel(histories, title, present, scale, f"{name}-{number}", caption)))
    return drawn


def _series(history: Sequence[dict], key: str) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(line["epoch"], line[key]) for line in history if line.get(key) is not None]
    pairs = [pair for pair in pairs if np.isfinite(pair[1])]
    return np.array([epoch for epoch, _ in pairs]), np.array([value for _, value in pairs], np.float64)


def _training_panel(
    histories: Mapping[str, Sequence[dict]],
    title: str,
    series: list[tuple[str, str]],
    scale: str,
    name: str,
    label: str,
) -> str:
    handles = []
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 2.9))
        axes = figure.add_subplot()
        for (key, text), colour in zip(series, COLOURS, strict=False):
            ours = _margin_axis(axes) if key == "margin" else axes
            for history, line in zip(histories.values(), cycle(LINES), strict=False):
                x, y = _series(history, key)
                mark = "o" if len(x) < 12 else None
                ours.plot(x, y, color=colour, linestyle=line, marker=mark, markersize=3, linewidth=1.4)
            handles.append(Line2D([], [], color=colour, label=text))
        if scale == "log":
            _log_where_wide(axes, np.concatenate([_series(h, series[0][0])[1] for h in histories.values()]))
        axes.set(xlabel="epoch", ylabel=title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(histories) > 1:
            handles += [
                Line2D([], [], color="#555555", linestyle=s, label=r)
                for r, s in zip(histories, cycle(LINES), strict=False)
            ]
        if len(handles) > 1:
            legend_below(figure, handles)
        return svg(figure, name, label)


def _margin_axis(axes: Axes) -> Axes:
    ours = axes.twinx()
    ours.set_ylabel("margin")
    ours.spines["right"].set_visible(True)
    ours.grid(False)
    return ours


def _log_where_wide(axes: Axes, values: np.ndarray) -> None:
    """A logarithmic axis where the values span more than two decades."""
    if len(values) and values.min() > 0 and values.max() > 100 * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
