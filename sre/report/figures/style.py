"""What the report's figures share: colours, line styles, marks, labels without overlap, and the way to SVG text."""

import html
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

# Okabe and Ito's palette, told apart by colour-blind readers; its yellow is too faint on white, so grey
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9", "#767676")
LINES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (8, 2)), (0, (2, 1)), (0, (4, 1, 1, 1)))
MARKERS = "os^DvPX*"
MAX_CURVES = len(COLOURS)
LEGEND_SIZE = 8.5
STYLE: dict[Any, Any] = {
    "figure.dpi": 72,  # as in SVG, so that a pixel is a point
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
    "legend.fontsize": LEGEND_SIZE,
    "figure.constrained_layout.use": True,
}

_DISTANCES = (4.0, 9, 15, 22, 30, 40, 52, 66)  # pt
_ANGLES = np.tile(np.arange(12), len(_DISTANCES)) * np.pi / 6
_DIRECTIONS = np.clip(1.5 * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1), -1, 1).round(3)  # on a square
_RADII = np.repeat(_DISTANCES, 12)


@contextmanager
def drawing(width: float, height: float) -> Iterator[tuple[Figure, Axes]]:
    """A figure of so many inches with one pair of axes; the report's style holds while it is drawn and written."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        yield figure, figure.add_subplot()


def legend_below(figure: Figure, handles: Sequence[Artist], most: int = 3) -> None:
    """A legend under the axes, of as many columns as fit, at most `most`; the figure grows by its rows."""
    size = LEGEND_SIZE
    widest = max(TextPath((0, 0), str(handle.get_label()), size=size).get_extents().width for handle in handles)
    columns = int(np.clip(72 * figure.get_figwidth() // (widest + 6.2 * size), 1, min(most, len(handles))))
    figure.set_figheight(figure.get_figheight() + 0.19 * -(-len(handles) // columns))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=3.2)


def place_labels(
    figure: Figure, axes: Axes, labels: Sequence[tuple[str, float, float]], points: np.ndarray, size: float = 8
) -> None:
    """Write each (text, x, y) beside its place: off the texts before it and off `points` (P, 2) where it can.

    Of many places around it a text takes the one that covers least, and a line leads to one that is far. To be
    called when the axes' limits and scales are final.
    """
    figure.draw_without_rendering()  # the layout
    points, frame = axes.transData.transform(points), np.asarray(axes.get_window_extent().extents)
    taken = np.empty((0, 4))  # left, bottom, right, top
    for text, x, y in labels:
        extent = TextPath((0, 0), text, size=size).get_extents()
        half = np.array([extent.width, size]) / 2 + 1.5
        offsets = _DIRECTIONS * (_RADII[:, None] + half)
        centres = axes.transData.transform((x, y)) + offsets
        boxes = np.hstack([centres - half, centres + half])
        best = int(np.argmin(_covered(boxes, taken, points, frame) + 0.3 * _RADII))
        taken = np.vstack([taken, boxes[best]])
        far = _RADII[best] > 12
        axes.annotate(
            text,
            (x, y),
            offsets[best],
            textcoords="offset points",
            ha="center",
            va="center",
            size=size,
            in_layout=False,
            bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5},
            arrowprops={"arrowstyle": "-", "color": "#777777", "lw": 0.5, "shrinkB": 3} if far else None,
        )


def _covered(boxes: np.ndarray, taken: np.ndarray, points: np.ndarray, frame: np.ndarray) -> np.ndarray:
    """(B,) what each of the boxes (B, 4) covers: area of other texts, points, and most of all the frame's outside."""
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    common = np.clip(np.minimum(high, taken[:, 2:]) - np.maximum(low, taken[:, :2]), 0, None)
    inside = ((points > low - 2) & (points < high + 2)).all(axis=2)  # points have a size
    outside = (boxes[:, :2] < frame[:2]).any(axis=1) | (boxes[:, 2:] > frame[2:]).any(axis=1)
    return 3 * common.prod(axis=2).sum(axis=1) + 4 * inside.sum(axis=1) + 1e6 * outside


def svg(figure: Figure, name: str, label: str) -> str:
    """SVG for HTML: no header, no namespaces, ids that begin with `name`, size by the page, hundredths of a point."""
    buffer = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", metadata=nothing)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    box = re.findall(r'viewBox="([^"]*)"', text)[0]
    text = text[text.index(">") + 1 :]
    text = re.sub(r"<style[^>]*>.*?</style>|<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)  # nothing refers to these, and every figure has them
    text = text.replace("xlink:href", "href").replace("DejaVuSans-", "")
    text = re.sub(r'id="', f'id="{name}-', text)
    text = re.sub(r'(href="|url\()#', rf"\g<1>#{name}-", text)
    text = re.sub(r'(?<= [dxy]=")[^"]*|translate\([^)]*', _rounded, text)
    text = re.sub(r"\n\s*", "\n", text)
    text = re.sub(r'<g((?: clip-path="[^"]*")?)>\n((?:<use [^>]* style="([^"]*)"/>\n)+)</g>', _style_said_once, text)
    return f'<svg viewBox="{box}" role="img" aria-label="{html.escape(label, quote=True)}">{text.strip()}\n'


def _rounded(numbers: re.Match) -> str:
    return re.sub(
        r"\d+\.\d{3,}", lambda number: f"{float(number.group()):.2f}".rstrip("0").rstrip("."), numbers.group()
    )


def _style_said_once(group: re.Match) -> str:
    """Marks of one look: it is the group's instead of each mark's."""
    clip, marks, look = group.groups()
    own = f' style="{look}"'
    return (
        f"<g{clip}{own}>\n{marks.replace(own, '')}</g>" if marks.count(own) == marks.count(" style=") else group.group()
    )
