"""The map of a set's embeddings: points of many speakers in one plane."""

import numpy as np
from matplotlib.lines import Line2D

from sre import SreError
from sre.backends.sides import length_normalise, speaker_means
from sre.report.figures.style import COLOURS, MARKERS, drawing, legend_below, place_labels, svg

MAX_POINTS, MAX_SPEAKERS = 1000, 40
MAX_LABELS = 20  # speakers whose names there is room for
KINDS = {"f": "female, filled", "m": "male, open", "": "gender not known, pale"}


def embedding_map(
    embeddings: np.ndarray, speakers: np.ndarray, genders: np.ndarray | None, name: str, label: str
) -> tuple[str, str]:
    """(caption, SVG) of the embeddings in the plane of their two largest principal components.

    They are length-normalised and centred first. Principal components know nothing of the speakers: LDA's directions
    would pull apart the very speakers it saw, and t-SNE makes clusters and distances of its own. So what is apart here
    is apart in the embeddings, but what overlaps may be apart in other dimensions, of which the caption says how much
    there is. Of many speakers MAX_SPEAKERS are taken, evenly by their sorted names, and of these MAX_POINTS
    utterances, evenly from each; the components are those of what is shown.

    Parameters
    ----------
    embeddings : (N, D), D at least 2
    speakers : (N,)
    genders : (N,) "f", "m" or what else means not known; None where there are none
    name, label : as in `sre.report.figures.det.det_plot`

    Raises SreError where all embeddings are equal, or one has length 0.
    """
    speakers = np.asarray(speakers)
    shown = _chosen(speakers)
    who = speakers[shown]
    plane, share = principal_plane(length_normalise(np.asarray(embeddings)[shown].astype(np.float64)))
    told = None if genders is None else np.asarray(genders)[shown]
    kinds = None if told is None else np.array([gender if gender in KINDS else "" for gender in told])
    some, every = len(set(who)), len(set(speakers))
    caption = (
        f"Embeddings of {_of(len(shown), len(speakers), 'utterances')} of {_of(some, every, 'speakers')},"
        " length-normalised and centred, in the plane of their two largest principal components, which holds"
        f" {100 * share.sum():.1f} % of their variance. Colour and shape tell speakers apart"
        f"{'' if kinds is None else ', filling the gender'}."
        f"{' Large: the means of the named speakers.' if some <= MAX_LABELS else ''}"
    )
    return caption, _draw(plane, share, who, kinds, name, label)


def principal_plane(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, D) -> coordinates (N, 2) on the two largest principal components, and their shares (2,) of the variance.

    Of each component the loading that is largest in size is positive. Raises SreError where all rows are equal.
    """
    x = x - x.mean(axis=0)
    _, sizes, loadings = np.linalg.svd(x, full_matrices=False)
    loadings = np.vstack([loadings, np.zeros_like(loadings)])[:2]
    total = np.sum(x * x)
    if total < 1e-12 * len(x):
        raise SreError(
            "all embeddings have the same direction: the model has collapsed; look at the training curve, lower the"
            " learning rate and train again"
        )
    largest = np.take_along_axis(loadings, np.abs(loadings).argmax(axis=1)[:, None], axis=1)
    return x @ (loadings * np.where(largest < 0, -1, 1)).T, np.append(sizes, 0)[:2] ** 2 / total


def _chosen(speakers: np.ndarray) -> np.ndarray:
    """(N,) -> ascending indices of the utterances shown."""
    names = _evenly(np.unique(speakers), MAX_SPEAKERS)
    each = MAX_POINTS // len(names)
    return np.sort(np.concatenate([_evenly(np.flatnonzero(speakers == one), each) for one in names]))


def _evenly(items: np.ndarray, most: int) -> np.ndarray:
    return items[np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)]


def _of(shown: int, there: int, what: str) -> str:
    return f"all {there} {what}" if shown == there else f"{shown} of {there} {what}"


def _draw(
    plane: np.ndarray, share: np.ndarray, speakers: np.ndarray, kinds: np.ndarray | None, name: str, label: str
) -> str:
    names, means, _ = speaker_means(plane, speakers)
    with drawing(5.2, 4.5) as (figure, axes):
        for number, (speaker, mean) in enumerate(zip(names, means, strict=True)):
            colour, mark = COLOURS[number % 8], MARKERS[(number % 8 + number // 8) % 8]
            kind = "f" if kinds is None else kinds[speakers == speaker][0]
            axes.plot(*plane[speakers == speaker].T, mark, clip_on=False, **_look(kind, colour))
            if len(names) <= MAX_LABELS:
                axes.plot(*mean, mark, zorder=3, **_look_of_mean(kind, colour))
        axes.set_aspect("equal", adjustable="datalim")
        for axis, place, part in zip("xy", ("first", "second"), share, strict=True):
            axes.set(**{f"{axis}label": f"{place} principal component, {100 * part:.1f} % of the variance"})
        if kinds is not None:
            there = [kind for kind in KINDS if kind in kinds]
            heads = [Line2D([], [], ls="", marker="o", label=KINDS[kind], **_look(kind, "#333333")) for kind in there]
            legend_below(figure, heads)
        if len(names) <= MAX_LABELS:
            labels = [(str(text), x, y) for text, (x, y) in zip(names, means, strict=True)]
            place_labels(figure, axes, labels, np.vstack([plane, *[means] * 10]), size=7.5)
        return svg(figure, name, label)


def _look(kind: str, colour: str) -> dict:
    fill = {"f": colour, "m": "none", "": (colour, 0.3)}[kind]
    return {"color": colour, "markerfacecolor": fill, "markersize": 4.2, "markeredgewidth": 0.9}


def _look_of_mean(kind: str, colour: str) -> dict:
    fill = {"f": colour, "m": "white", "": "#dddddd"}[kind]
    return {"color": colour, "markerfacecolor": fill, "markersize": 9, "markeredgewidth": 1.6} | (
        {"markeredgecolor": "black", "markeredgewidth": 1} if kind == "f" else {}
    )
