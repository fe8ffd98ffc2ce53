"""The curves of a training by epoch: loss, accuracy, learning rate and margin, validation EER."""

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from sre.report import blocks
from sre.report.figures.style import COLOURS, LINES, drawing, legend_below, svg

PANELS = (  # title, and the legend of each column of the history
    ("loss", {"loss": "training"}),
    ("accuracy, % of speakers right", {"accuracy": "training chunks", "valid_accuracy": "validation"}),
    ("learning rate", {"lr": "learning rate", "margin": "margin"}),
    ("validation EER, %", {"valid_eer": "validation EER"}),
)


def training_panels(histories: Mapping[str, Sequence[dict]], name: str) -> list[blocks.Figure]:
    """Return figures of loss, accuracy, learning rate and margin, validation EER by epoch; a line a run.

    What no run has recorded has no panel.
    """
    drawn = []
    for number, (title, series) in enumerate(PANELS):
        told = {key: text for key, text in series.items() if any(_is_told(h, key) for h in histories.values())}
        if told:
            caption = f"{title[0].upper()}{title[1:]}{' and margin' * ('margin' in told)} by epoch"
            drawn.append(blocks.Figure(caption, _panel(histories, title, told, f"{name}-{number}", caption)))
    return drawn


def _is_told(history: Sequence[dict], key: str) -> bool:
    """Return whether a history has the series; a margin that is always 0 is none."""
    values = _series(history, key)[1]
    return bool(values.any() if key == "margin" else values.size)


def _series(history: Sequence[dict], key: str) -> tuple[np.ndarray, np.ndarray]:
    told = [line for line in history if line.get(key) is not None and np.isfinite(line[key])]
    return np.array([line["epoch"] for line in told]), np.array([line[key] for line in told], np.float64)


def _panel(
    histories: Mapping[str, Sequence[dict]], title: str, series: Mapping[str, str], name: str, label: str
) -> str:
    handles = [Line2D([], [], color=colour, label=text) for text, colour in zip(series.values(), COLOURS, strict=False)]
    with drawing(4.2, 2.9) as (figure, axes):
        for key, colour in zip(series, COLOURS, strict=False):
            ours = _margin_axis(axes) if key == "margin" else axes
            for history, line in zip(histories.values(), cycle(LINES), strict=False):
                x, y = _series(history, key)
                mark = "o" if len(x) < 12 else None
                ours.plot(x, y, color=colour, linestyle=line, marker=mark, markersize=3, linewidth=1.4)
        if "lr" in series:
            _log_where_wide(axes, np.concatenate([_series(history, "lr")[1] for history in histories.values()]))
        axes.set(xlabel="epoch", ylabel=title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(histories) > 1:
            runs = zip(histories, cycle(LINES), strict=False)
            handles += [Line2D([], [], color="#555555", linestyle=line, label=run) for run, line in runs]
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
