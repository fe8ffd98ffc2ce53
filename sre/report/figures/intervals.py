"""The interval plot: the EER of each system with its 95 % interval."""

from collections.abc import Sequence
from typing import NamedTuple

from sre.report.figures.style import COLOURS, LINES, drawing, svg

MAX_ROWS = 24


class IntervalRow(NamedTuple):
    """One system's EER in per cent and the ends of its interval (NaN: none is known)."""

    label: str
    eer: float
    low: float
    high: float
    emphasised: bool


def interval_plot(rows: Sequence[IntervalRow], name: str, label: str) -> str:
    """EERs with their intervals, one system a row from above as given, at most MAX_ROWS; a line at the first's EER.

    The emphasised are filled and bold. `name` and `label` as in `sre.report.figures.det.det_plot`.
    """
    assert 0 < len(rows) <= MAX_ROWS
    with drawing(5.2, 0.75 + 0.23 * len(rows)) as (figure, axes):
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
