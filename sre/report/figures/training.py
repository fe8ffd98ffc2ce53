"""The curves of a training by epoch: loss, accuracy, validation EER, learning rate and margin."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

from sre.report import blocks
from sre.report.figures.style import COLOURS, LINES, drawing, legend_below, svg
from sre.training.summary import Epoch

PANELS = (  # title, and the legend of each column of the history
    ("loss", {"loss": "training chunks", "valid_loss": "validation"}),
    ("accuracy, % of speakers right", {"accuracy": "training chunks", "valid_accuracy": "validation"}),
    ("validation EER, %", {"valid_eer": "validation EER"}),
    ("learning rate", {"lr": "learning rate", "margin": "margin"}),
)
INPUT_EER = "input_eer_"  # columns of a trial list's EER without the network
GROWN = 0.9985  # of the margin at a step short of its end
FEW = 12  # epochs that have a mark each
GROWING, GREY = "#dfe6ee", "#555555"


@dataclass(frozen=True)
class Curve:
    """The training of one run.

    history : its epochs
    final : those of its epochs that final.pt is made of
    bases : histories of what it started from, the first of all first; its own epochs count on from theirs, and of
        theirs as many are drawn as it has itself
    began : what it started from, where no history of that is known; "": nothing
    """

    history: Sequence[Epoch]
    final: Sequence[int] = ()
    bases: Sequence[Sequence[Epoch]] = field(default_factory=list)
    began: str = ""

    @property
    def before(self) -> int:
        """The epochs of what it started from."""
        return sum(map(last_epoch, self.bases))

    @property
    def first(self) -> int:
        """The last epoch that is not drawn."""
        return max(0, self.before - last_epoch(self.history))

    def parts(self) -> Iterator[tuple[int, Sequence[Epoch]]]:
        """Yield each history, what is drawn of it, with the epochs before it."""
        done = 0
        for history in self.bases:
            if drawn := [row for row in history if done + (row["epoch"] or 0) > self.first]:
                yield done, drawn
            done += last_epoch(history)
        yield done, self.history

    def growths(self) -> Iterator[tuple[float, float]]:
        """Yield (begin, end), in epochs, of each part in which the margin grows."""
        done = 0
        for history in (*self.bases, self.history):
            span = margin_growth(history)
            if span and done + span[1] > self.first:
                yield max(self.first, done + span[0]), done + span[1]
            done += last_epoch(history)


def last_epoch(history: Sequence[Epoch]) -> int:
    """Return the number of the last epoch of a history, 0 of an empty one."""
    return int(history[-1]["epoch"] or 0) if history else 0


def margin_growth(history: Sequence[Epoch]) -> tuple[int, int] | None:
    """Return the last epoch that ended before the margin grew, and the one at whose end it has grown; None: never.

    A history has the margin of each epoch's last step, which is a little below the last one's where it stops growing.
    """
    told = [(int(row["epoch"] or 0), row.get("margin") or 0.0) for row in history]
    most = max((margin for _, margin in told), default=0.0)
    begin = max((epoch for epoch, margin in told if margin == told[0][1]), default=0)
    end = min((epoch for epoch, margin in told if margin >= GROWN * most), default=0)
    return (begin, end) if told and most > told[0][1] else None


def list_panels(curves: Mapping[str, Curve]) -> list[tuple[str, dict[str, str]]]:
    """Return a panel for each trial list whose EER the histories tell, of networks on embeddings."""
    columns = dict.fromkeys(key for curve in curves.values() for row in curve.history for key in row)
    names = [key.removeprefix(INPUT_EER) for key in columns if key.startswith(INPUT_EER)]
    shown = {"eer_": "as the network gives them", INPUT_EER: "embeddings as they are"}
    return [(f"EER on {name}, %", {key + name: text for key, text in shown.items()}) for name in names]


def training_panels(curves: Mapping[str, Curve], name: str) -> list[blocks.Figure]:
    """Return figures of loss, accuracy, validation EER, EER on trial lists, learning rate and margin by epoch.

    A line a run. What no run has recorded has no panel.
    """
    drawn = []
    for number, (title, series) in enumerate([*PANELS[:-1], *list_panels(curves), PANELS[-1]]):
        told = {key: text for key, text in series.items() if any(_is_told(curve, key) for curve in curves.values())}
        if told:
            caption = f"{title[0].upper()}{title[1:]}{' and margin' * ('margin' in told)} by epoch"
            drawn.append(blocks.Figure(caption, _panel(curves, title, told, f"{name}-{number}", caption)))
    return drawn


def _is_told(curve: Curve, key: str) -> bool:
    """Return whether a run has the series; a margin that is always 0 is none."""
    values = [_series(history, key)[1] for _, history in curve.parts()]
    return any(part.any() if key == "margin" else part.size for part in values)


def _series(history: Sequence[Epoch], key: str) -> tuple[np.ndarray, np.ndarray]:
    told = [line for line in history if line.get(key) is not None and np.isfinite(line[key] or 0)]
    return np.array([line["epoch"] for line in told], np.float64), np.array([line[key] for line in told], np.float64)


def _panel(curves: Mapping[str, Curve], title: str, series: Mapping[str, str], name: str, label: str) -> str:
    colours = dict(zip(series, COLOURS, strict=False))
    handles: list[Artist] = [Line2D([], [], color=colours[key], label=text) for key, text in series.items()]
    with drawing(4.2, 2.9) as (figure, axes):
        for key, colour in colours.items():
            ours = _margin_axis(axes) if key == "margin" else axes
            drawn: list[Curve] = []
            for curve, line in zip(curves.values(), cycle(LINES), strict=False):
                if not any(_alike(curve, other, key) for other in drawn):  # learning rates of seeds are one
                    _draw(ours, curve, key, colour, line)
                    drawn.append(curve)
        handles += _marks(axes, curves, next(iter(series)), colours)
        if "lr" in series:
            _log_where_wide(axes, np.concatenate([_series(h, "lr")[1] for c in curves.values() for _, h in c.parts()]))
        axes.set(xlabel="epoch", ylabel=title)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        longest = max(curve.before + last_epoch(curve.history) for curve in curves.values())
        first = min(curve.first for curve in curves.values())
        axes.set_xlim(*((first, longest + 0.02 * (longest - first)) if longest > 1 else (0.5, 1.5)))
        if len(curves) > 1:
            runs = zip(curves, cycle(LINES), strict=False)
            handles += [Line2D([], [], color=GREY, linestyle=line, label=run) for run, line in runs]
        if len(handles) > 1:
            legend_below(figure, handles)
        return svg(figure, name, label)


def _alike(one: Curve, other: Curve, key: str) -> bool:
    """Return whether a schedule of two runs is the same; what is measured always has a line of its own."""
    if key not in ("lr", "margin") or one.before != other.before:
        return False
    return all(
        np.array_equal(_series(a, key), _series(b, key))
        for (_, a), (_, b) in zip(one.parts(), other.parts(), strict=False)
    )


def _draw(axes: Axes, curve: Curve, key: str, colour: str, line: object) -> None:
    for before, history in curve.parts():
        x, y = _series(history, key)
        mark = "o" if len(x) < FEW else None
        own = history is curve.history
        look: dict[str, Any] = {
            "color": colour,
            "linestyle": line,
            "marker": mark,
            "markersize": 3,
            "alpha": 1.0 if own else 0.45,
        }
        axes.plot(before + x, y, linewidth=1.4, **look)


def _marks(axes: Axes, curves: Mapping[str, Curve], key: str, colours: Mapping[str, str]) -> list[Artist]:
    """Mark where the margin grows, where a run started from another, and what became final.pt; return the legend."""
    handles: list[Artist] = []
    grow = sorted({span for curve in curves.values() for span in curve.growths()})
    for begin, end in grow:
        axes.axvspan(begin, end, color=GROWING, linewidth=0, zorder=0)
    if grow:
        handles.append(Patch(color=GROWING, label="margin grows"))
    starts = sorted({curve.before for curve in curves.values() if curve.before})
    for start in starts:
        axes.axvline(start, color=GREY, linewidth=0.9, linestyle=":")
    if starts:
        handles.append(Line2D([], [], color=GREY, linewidth=0.9, linestyle=":", label="starts from its base"))
    for curve in curves.values():
        x, y = _series(curve.history, key)
        chosen = np.isin(x, curve.final)
        axes.plot(curve.before + x[chosen], y[chosen], "D", color=colours[key], markersize=3.6, markerfacecolor="white")
    if any(curve.final for curve in curves.values()):
        look: dict[str, Any] = {"color": colours[key], "markerfacecolor": "white", "markersize": 3.6}
        handles.append(Line2D([], [], linestyle="none", marker="D", label="in final.pt", **look))
    return handles


def _margin_axis(axes: Axes) -> Axes:
    ours = axes.twinx()
    ours.set_ylabel("margin")
    ours.spines["right"].set_visible(True)
    ours.grid(False)
    return ours


def _log_where_wide(axes: Axes, values: np.ndarray) -> None:
    """A logarithmic axis where the values span more than two decades."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if len(values) and values.min() > 0 and values.max() > 100 * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
