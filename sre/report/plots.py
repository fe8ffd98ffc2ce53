"""The report's figures as inline SVG text: no display, no network, the same bytes for the same input."""

import html
import io
import re
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

# Okabe and Ito's palette, told apart by colour-blind readers; its yellow is too faint on white, so grey
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#767676")
LINES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (2, 1)), (0, (4, 1, 1, 1)))
MAX_CURVES = len(COLOURS)
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
STYLE = {
    "svg.hashsalt": "sre",  # else element names are random
    "svg.fonttype": "path",  # looks the same whatever fonts the reader has
    "text.parse_math": False,  # names are names, also with a dollar sign
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.constrained_layout.use": True,
}


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
    columns = 1 if max(len(curve.label) for curve in curves) > 24 else 2
    legend_rows = -(-len(curves) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 4.5 + 0.19 * legend_rows))
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
        figure.legend(loc="outside lower center", ncols=columns, handlelength=3.2)
        return _svg(figure, name, label)


def _rate_range(curves: list[tuple[np.ndarray, np.ndarray, int, float]]) -> tuple[float, float]:
    """Limits of one axis from (rate, other rate, trials, EER): half an error to where the other kind ends."""
    low = max(1e-5, min(0.5 / trials for _, _, trials, _ in curves))
    rate = max(rate for _, _, _, rate in curves)
    reach = max(float(rates[other > 0].max()) for rates, other, _, _ in curves)
    ceiling = min(max(0.6, 1.3 * rate), 0.98)
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


def histogram(scores: np.ndarray, target: np.ndarray, threshold: float, name: str, label: str) -> str:
    """Densities of the target and the nontarget scores (N,), each of area 1, and the EER threshold."""
    low, high = np.quantile(scores, (0.0005, 0.9995))
    low, high = min(low, threshold), max(high, threshold)
    edges = np.linspace(low, high, 51)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 4.5))
        axes = figure.add_subplot()
        kinds = (target, "target", COLOURS[0], "-"), (~target, "nontarget", COLOURS[1], "--")
        for some, word, colour, line in kinds:
            count, _ = np.histogram(scores[some], edges)
            density = count / (np.count_nonzero(some) * (edges[1] - edges[0]))
            axes.stairs(density, edges, fill=True, color=colour, alpha=0.25)
            axes.stairs(density, edges, color=colour, linestyle=line, linewidth=1.5, label=f"{word} trials")
        axes.axvline(threshold, color="black", lw=1.2, ls=":", label=f"EER threshold {threshold:.4g}")
        axes.set(xlabel="score", ylabel="density", ylim=(0, None))
        figure.legend(loc="outside lower center", ncols=3, handlelength=2.4)
        return _svg(figure, name, label)


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
        figure = Figure(figsize=(4.2, 3.1))
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
            figure.legend(handles=handles, loc="outside lower center", ncols=3, handlelength=2.6, columnspacing=1)
        return _svg(figure, name, label)


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


def _svg(figure: Figure, name: str, label: str) -> str:
    """SVG for HTML: no header, no namespaces, ids that begin with `name`, size by the page."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    box = re.search(r'viewBox="([^"]*)"', text).group(1)
    text = text[text.index(">") + 1 :]
    text = re.sub(r"<style[^>]*>.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # nothing refers to these, and every figure has them
    text = re.sub(r'id="', f'id="{name}-', text)
    text = re.sub(r'(href="|url\()#', rf"\g<1>#{name}-", text)
    text = re.sub(r"\n\s*", "\n", text)
    return f'<svg viewBox="{box}" role="img" aria-label="{html.escape(label, quote=True)}">{text.strip()}\n'
