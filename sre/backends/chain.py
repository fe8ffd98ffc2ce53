"""What stands before a back-end: a chain of steps in the order of the config, each fitted on the output of the last.

centre, centre:adapt    subtract the mean of the training embeddings; of the adaptation set
length_norm             scale each embedding to length sqrt(D), Kaldi's ivector-normalize-length
whiten:pca, whiten:zca  make the total covariance the unit matrix, along its axes or turned back
wccn                    make the within-class covariance the unit matrix (A. Hatch et al., Interspeech 2006)
lda:K                   linear discriminant analysis to at most K dimensions, as Kaldi's
lda:K:S                 the same with the within-class covariance shrunk by S, e.g. lda:128:0.05
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from sre import SreError
from sre.backends.lda import apply_affine, fit_lda, normalising_transform
from sre.backends.sides import check_speakers, check_training, length_normalise, speaker_means

Facts = dict[str, object]


@dataclass
class Chain:
    """The names of the steps, and the array of each: (D,) to subtract, (d, D + 1) affine, empty for length_norm."""

    steps: list[str] = field(default_factory=list)
    arrays: list[np.ndarray] = field(default_factory=list)

    @property
    def dimension(self) -> int | None:
        """The dimension D of what it takes; None where no step knows it."""
        sizes = [a.shape[-1] - (a.ndim - 1) for a in self.arrays if a.size]
        return sizes[0] if sizes else None

    def check(self) -> int | None:
        """Return the dimension of what it gives, None where no step knows it.

        Raises ValueError for arrays of other steps.
        """
        dimension = None
        for number, (step, array) in enumerate(zip(self.steps, self.arrays, strict=True)):
            kind = step.partition(":")[0] if isinstance(step, str) else ""
            if kind not in STEPS or array.ndim != STEPS[kind].axes or (array.size == 0) != (kind == "length_norm"):
                raise ValueError(f"chain_{number} of shape {array.shape} is none of step {step!r}")
            if kind == "length_norm":
                continue
            takes = array.shape[-1] - (array.ndim - 1)
            if dimension not in (None, takes) or takes < 1:
                raise ValueError(f"chain_{number} takes {takes} values, the step before it gives {dimension}")
            dimension = array.shape[0]
        return dimension

    def apply(self, embeddings: np.ndarray) -> np.ndarray:
        """Return (N, d) float64 of (N, D). Raises SreError for another dimension than the chain was fitted on."""
        check_dimension(embeddings, self.dimension)
        x = embeddings.astype(np.float64)
        for array in self.arrays:
            x = apply_step(array, x)
        return x


def check_dimension(embeddings: np.ndarray, expected: int | None) -> None:
    """Raise SreError where (N, D) embeddings are not of the dimension that is expected; None: any."""
    if expected not in (None, embeddings.shape[1]):
        raise SreError(
            f"embeddings of dimension {embeddings.shape[1]}, the back-end was fitted on {expected};"
            " fit it on embeddings of this model"
        )


def apply_step(array: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return (N, d) embeddings after a step, whose kind its array tells.

    No value: length_norm. One axis: subtract. Two axes: an affine transform.
    """
    if not array.size:
        return length_normalise(x, np.sqrt(x.shape[1]))
    return x - array if array.ndim == 1 else apply_affine(array, x)


@dataclass
class ChainOutput:
    """A chain, what it makes of training (N, d) and adaptation (A, d) embeddings, and what was asked and used."""

    chain: Chain
    train: np.ndarray
    adapt: np.ndarray | None
    facts: dict[str, object]


def fit_chain(
    steps: Sequence[str], embeddings: np.ndarray, speakers: np.ndarray, adapt: np.ndarray | None = None
) -> ChainOutput:
    """Fit on (N, D) training embeddings and their (N,) speakers; `adapt` (A, D) are those of the target domain.

    centre:adapt centres training by its own mean and everything else by the adaptation set's (Kaldi's sre16 recipe).
    Raises SreError for a name that is no step's, where centre:adapt has no adaptation set, and as `check_speakers`
    does for lda and wccn; ValueError for a step whose array is not as `STEPS` says.
    """
    for step in steps:
        if not any(re.fullmatch(form, step) for form in FORMS):
            raise SreError(f"chain: '{step}' is no step; there are {', '.join(FORMS)}")
    chain, facts = Chain(), Facts(embeddings=len(embeddings), chain=list(steps))
    x = embeddings.astype(np.float64)
    adapt = None if adapt is None else adapt.astype(np.float64)
    for step in steps:
        kind, *options = step.split(":")
        array, more = STEPS[kind].fit(x, speakers, options)
        later, facts = array, facts | more
        if step == "centre:adapt":
            if adapt is None:
                raise SreError("chain step centre:adapt needs an adaptation set; give its embeddings (--adapt)")
            later = adapt.mean(axis=0)
        chain.steps.append(step)
        chain.arrays.append(later)
        x = apply_step(array, x)
        adapt = None if adapt is None else apply_step(later, adapt)
    chain.check()
    return ChainOutput(chain, x, adapt, facts)


def _whiten(x: np.ndarray, speakers: np.ndarray, options: list[str]) -> tuple[np.ndarray, Facts]:
    check_training(x)
    centred = x - x.mean(axis=0)
    transform, floored = normalising_transform(centred.T @ centred / len(x))
    if options == ["zca"]:
        transform = (transform / np.linalg.norm(transform, axis=1, keepdims=True)).T @ transform
    return _about_mean(transform, x), {"whiten_floored": floored}


def _wccn(x: np.ndarray, speakers: np.ndarray, options: list[str]) -> tuple[np.ndarray, Facts]:
    check_speakers(x, speakers, "WCCN")
    transform, floored = normalising_transform(within_covariance(x, speakers))
    return _about_mean(transform, x), {"wccn_floored": floored}


def _about_mean(transform: np.ndarray, x: np.ndarray) -> np.ndarray:
    """(D, D) and (N, D) -> (D, D + 1), the affine transform that maps the mean to 0."""
    return np.hstack([transform, -(transform @ x.mean(axis=0))[:, None]])


def _lda(x: np.ndarray, speakers: np.ndarray, options: list[str]) -> tuple[np.ndarray, Facts]:
    return fit_lda(x, speakers, int(options[0]), *map(float, options[1:]))


def within_covariance(x: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """Return (D, D), the mean outer product of each embedding's difference from its speaker's mean."""
    names, means, _ = speaker_means(x, speakers)
    difference = x - means[np.searchsorted(names, speakers)]
    return difference.T @ difference / len(x)


@dataclass(frozen=True)
class Step:
    """A kind of chain step.

    fit : (N, d) embeddings, (N,) speakers and what follows the colons of its name -> its array, and the facts
    axes : of its array, which `apply_step` tells the kinds apart by
    forms : regular expressions of the names that it may have in a config
    """

    fit: Callable[[np.ndarray, np.ndarray, list[str]], tuple[np.ndarray, Facts]]
    axes: int
    forms: tuple[str, ...]


STEPS = {
    "centre": Step(lambda x, *_: (x.mean(axis=0), {}), 1, ("centre", "centre:adapt")),
    "length_norm": Step(lambda *_: (np.empty(0), {}), 1, ("length_norm",)),
    "whiten": Step(_whiten, 2, ("whiten:pca", "whiten:zca")),
    "wccn": Step(_wccn, 2, ("wccn",)),
    "lda": Step(_lda, 2, ("lda:[1-9][0-9]*(:0[.][0-9]+)?",)),
}
FORMS = [form for step in STEPS.values() for form in step.forms]
