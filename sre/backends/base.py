"""What every back-end answers to, and pieces they share."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from sre import SreError


@dataclass
class Side:
    """One side of many trials: (M, K) vectors and (M,) constants, float64."""

    vectors: np.ndarray
    constants: np.ndarray


class Backend(Protocol):
    """Arrays in `parts` and facts in `facts` are all of it; `facts` says what was asked and what was used."""

    kind: ClassVar[str]
    parts: dict[str, np.ndarray]
    facts: dict[str, object]

    def enrol(self, embeddings: np.ndarray, groups: Sequence[np.ndarray]) -> Side:
        """(N, D) embeddings and, for each of E models, the indices of its utterances."""

    def test(self, embeddings: np.ndarray) -> Side:
        """(T, D) embeddings."""


def scores_of_pairs(enrol: Side, test: Side, e: np.ndarray, t: np.ndarray) -> np.ndarray:
    """(P,) scores of the pairs (e, t) of indices, in bounded memory."""
    scores = np.empty(len(e))
    for start in range(0, len(e), 8192):
        a, b = e[start : start + 8192], t[start : start + 8192]
        scores[start : start + 8192] = (
            np.einsum("ij,ij->i", enrol.vectors[a], test.vectors[b]) + enrol.constants[a] + test.constants[b]
        )
    return scores


def score_matrix(enrol: Side, test: Side) -> np.ndarray:
    """(E, T) scores."""
    return enrol.vectors @ test.vectors.T + enrol.constants[:, None] + test.constants


def group_means(x: np.ndarray, groups: Sequence[np.ndarray]) -> np.ndarray:
    """(N, D) and E groups of row indices -> (E, D) means."""
    sizes = np.array([len(group) for group in groups])
    rows = x[np.concatenate(groups)]
    return np.add.reduceat(rows, np.concatenate([[0], sizes.cumsum()[:-1]]), axis=0) / sizes[:, None]


def speaker_means(x: np.ndarray, speakers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(N, D) and (N,) -> speakers (S,) in bytewise order, their means (S, D) and utterance counts (S,)."""
    names, inverse, counts = np.unique(np.asarray(speakers, dtype=str), return_inverse=True, return_counts=True)
    sums = np.zeros((len(names), x.shape[1]))
    np.add.at(sums, inverse, x)
    return names, sums / counts[:, None], counts


def length_normalise(x: np.ndarray, length: float = 1.0) -> np.ndarray:
    """Rows of (N, D) scaled to `length`. Raises SreError for a row of zeros."""
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    if not (norm > 0).all():
        raise SreError(
            f"embedding number {int(np.argmin(norm))} has length 0, so it has no direction; look at its utterance,"
            " or whether all embeddings are equal"
        )
    return x * (length / norm)


def check_dimension(backend: Backend, x: np.ndarray, expected: int) -> np.ndarray:
    """The embeddings as float64; raises SreError where the back-end was fitted on another dimension."""
    if x.shape[1] != expected:
        raise SreError(f"embeddings of dimension {x.shape[1]}, the {backend.kind} back-end was fitted on {expected}")
    return x.astype(np.float64)


def check_training(x: np.ndarray) -> None:
    """Raises SreError where (N, D) training embeddings are not finite, or all equal but for float32's rounding."""
    bad = ~np.isfinite(x).all(axis=1)
    if bad.any():
        raise SreError(f"training embedding number {int(np.argmax(bad))} has NaN or infinite values; extract it again")
    if np.ptp(x, axis=0).max() <= 1e-6 * np.abs(x).max():
        raise SreError(f"the {len(x)} training embeddings are all equal: the model has collapsed; train it again")


def check_speakers(x: np.ndarray, speakers: np.ndarray, what: str) -> None:
    """Raises SreError for fewer than two speakers, where none has two utterances, or where each one's are all equal."""
    names, means, counts = speaker_means(x, speakers)
    if len(names) < 2 or len(x) == len(names):
        raise SreError(
            f"{what} needs at least 2 speakers and one with 2 utterances, there are {len(names)} speakers of {len(x)}"
            " utterances; add data or use a cosine system"
        )
    within = np.sum((x - means[np.searchsorted(names, speakers)]) ** 2)
    if within <= 1e-12 * np.sum((x - x.mean(axis=0)) ** 2):
        raise SreError(
            "the within-class covariance is zero: the embeddings of each speaker are all equal; look at the model"
        )
