"""Sides, pairs and their scores, which are of one form for all back-ends, and pieces that back-ends share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sre import SreError

BLOCK_BYTES = 16 << 20  # a block of scores: what a matrix product may take at once
Groups = Sequence[np.ndarray] | np.ndarray  # the row indices of each group; an (E, M) array: M of each
EQUAL = 1e-12  # of the total variance: less than this is rounding
DENSE_PAIRS = 64  # where trials are denser than one pair in so many, blocks of the whole matrix are quicker


class NoSpread(SreError):
    """The embeddings that a chain has left do not differ: all of them, or (`within`) those of each speaker."""

    def __init__(self, text: str, within: bool = False) -> None:
        super().__init__(text)
        self.within = within


@dataclass
class Side:
    """One side of many trials: (M, K) vectors and (M,) constants, float64.

    starts : of an enrolment side whose models have several rows each, from starts[m] on; their largest score counts
    zeros : so many columns at the end of the vectors are zero, and left out
    """

    vectors: np.ndarray
    constants: np.ndarray
    starts: np.ndarray | None = None
    zeros: int = 0

    def __len__(self) -> int:
        return len(self.constants if self.starts is None else self.starts)

    def take(self, models: np.ndarray | slice) -> "Side":
        """Return the side of some models, by index array or slice."""
        if self.starts is None:
            return Side(self.vectors[models], self.constants[models], zeros=self.zeros)
        ends = np.append(self.starts[1:], len(self.constants))
        groups = [np.arange(a, b) for a, b in zip(self.starts[models], ends[models], strict=True)]
        rows = np.concatenate(groups) if groups else np.empty(0, int)
        return Side(self.vectors[rows], self.constants[rows], group_starts(groups), self.zeros)


@dataclass
class Pairs:
    """P trials: the sides of E models and T tests, and for each trial the indices (P,) of its model and of its test."""

    enrol: Side
    test: Side
    model_of: np.ndarray
    test_of: np.ndarray

    def __len__(self) -> int:
        return len(self.model_of)


def score_matrix(enrol: Side, test: Side, by_test: bool = False) -> np.ndarray:
    """Return (E, T) scores, or (T, E) `by_test`. Raises SreError for sides of embeddings of two dimensions."""
    if by_test and enrol.starts is None:
        scores = _matched(enrol, test) @ enrol.vectors.T
        scores += test.constants[:, None]
        scores += enrol.constants
        return scores
    if by_test:
        return np.ascontiguousarray(score_matrix(enrol, test).T)
    scores = enrol.vectors @ _matched(enrol, test).T
    scores += enrol.constants[:, None]
    scores += test.constants
    return scores if enrol.starts is None else np.maximum.reduceat(scores, enrol.starts, axis=0)


def _matched(enrol: Side, test: Side) -> np.ndarray:
    width = enrol.vectors.shape[1]
    if width + enrol.zeros != test.vectors.shape[1]:
        raise SreError(
            f"embeddings of dimensions {width + enrol.zeros} and {test.vectors.shape[1]} cannot be compared;"
            " give embeddings of one model"
        )
    return test.vectors[:, :width]


def scores_of_pairs(pairs: Pairs) -> np.ndarray:
    """Return the (P,) scores of pairs, in bounded memory. Raises SreError for one that is no float32."""
    scores = _scores_of_pairs(pairs)
    good = np.abs(scores) <= np.finfo(np.float32).max
    if not good.all():
        raise SreError(
            f"{np.count_nonzero(~good)} of {len(scores)} scores are beyond what float32 holds; look"
            " for embeddings far out of the others' range, or put length_norm into the chain"
        )
    return scores


def _scores_of_pairs(pairs: Pairs) -> np.ndarray:
    enrol, test, e, t = pairs.enrol, pairs.test, pairs.model_of, pairs.test_of
    if enrol.starts is not None or len(enrol) * len(test) <= DENSE_PAIRS * len(e):
        return _pairs_of_blocks(pairs)
    scores, vectors = np.empty(len(e)), _matched(enrol, test)
    rows = max(1, BLOCK_BYTES // (32 * enrol.vectors.shape[1]))
    for start in range(0, len(e), rows):
        a, b = e[start : start + rows], t[start : start + rows]
        products = np.einsum("ij,ij->i", enrol.vectors[a], vectors[b])
        scores[start : start + rows] = products + enrol.constants[a] + test.constants[b]
    return scores


def _pairs_of_blocks(pairs: Pairs) -> np.ndarray:
    """Score so many models against all tests at a time that they fill BLOCK_BYTES, and take the scores of pairs."""
    enrol, test, e, t = pairs.enrol, pairs.test, pairs.model_of, pairs.test_of
    scores, order = np.empty(len(e)), np.argsort(e, kind="stable")
    rows = max(1, BLOCK_BYTES // (8 * max(len(test), 1)))
    starts = range(0, len(enrol), rows)
    for start, trials in zip(starts, np.split(order, np.searchsorted(e[order], starts[1:])), strict=False):
        if len(trials):
            block = enrol.take(slice(start, start + rows))
            scores[trials] = score_matrix(block, test)[e[trials] - start, t[trials]]
    return scores


def group_starts(groups: Groups) -> np.ndarray:
    """Return the place at which each of the groups begins in their concatenation."""
    return np.cumsum([0, *(len(group) for group in groups)])[:-1]


def group_means(x: np.ndarray, groups: Groups) -> np.ndarray:
    """Return (E, …) means of (N, …) over E groups of row indices."""
    if isinstance(groups, np.ndarray) and groups.shape[1] == 1:  # a million models of one utterance, at once
        return x[groups[:, 0]]
    sizes = np.array([len(group) for group in groups])
    rows = x[np.concatenate(groups)]
    if (sizes == 1).all():
        return rows
    return (np.add.reduceat(rows, group_starts(groups), axis=0).T / sizes).T


def speaker_means(x: np.ndarray, speakers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the speakers (S,) of (N, D) embeddings in bytewise order, their means (S, D) float64 and counts (S,)."""
    names, inverse, counts = np.unique(np.asarray(speakers), return_inverse=True, return_counts=True)
    rows = np.split(np.argsort(inverse, kind="stable"), np.cumsum(counts)[:-1])
    return names, np.stack([x[some].mean(axis=0, dtype=np.float64) for some in rows]), counts


def length_normalise(x: np.ndarray, length: float = 1.0) -> np.ndarray:
    """Return the rows of (N, D) scaled to `length`. Raises SreError for a row of zeros."""
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    if not (norm > 0).all():
        raise SreError(
            f"embedding number {int(np.argmin(norm))} has length 0, so it has no direction; look at its utterance,"
            " or whether all embeddings are equal"
        )
    return x * (length / norm)


def check_training(x: np.ndarray, what: str = "training") -> None:
    """Raise SreError where (N, D) training embeddings are not finite, or all equal but for float32's rounding."""
    if len(x) < 2:
        raise SreError(f"the {what} set has {len(x)} embeddings; give at least two, better some hundreds")
    bad = ~np.isfinite(x).all(axis=1)
    if bad.any():
        raise SreError(f"{what} embedding number {int(np.argmax(bad))} has NaN or infinite values; extract it again")
    if np.ptp(x, axis=0).max() <= 1e-6 * np.abs(x).max():
        raise NoSpread(f"the {len(x)} {what} embeddings are all equal: the model has collapsed; train it again")


def check_speakers(x: np.ndarray, speakers: np.ndarray, what: str) -> None:
    """Check that (N, D) embeddings of (N,) speakers tell how a speaker varies.

    Raises SreError for fewer than two speakers or where none has two utterances, NoSpread where those of each speaker
    are equal. `what` begins the sentence.
    """
    names = np.unique(speakers)
    if len(names) < 2 or len(x) == len(names):
        raise SreError(
            f"{what} needs at least 2 speakers and one with 2 utterances, there are {len(names)} speakers of {len(x)}"
            " utterances; add data or use a cosine system"
        )
    if within_share(x, speakers) <= EQUAL:
        raise NoSpread(
            "the within-class covariance is zero: the embeddings of each speaker are all equal; look at the model",
            within=True,
        )


def within_share(x: np.ndarray, speakers: np.ndarray) -> float:
    """Return the share of the total variance of (N, D) that is within speakers."""
    names, means, _ = speaker_means(x, speakers)
    total = np.sum((x - x.mean(axis=0)) ** 2)
    return float(np.sum((x - means[np.searchsorted(names, speakers)]) ** 2) / total) if total else 0.0
