"""Cosine similarity and squared Euclidean distance, after any chain."""

import numpy as np

from sre.backends.backend import Backend
from sre.backends.sides import Groups, Side, group_means, length_normalise


class Cosine(Backend):
    """A model of several utterances is the mean of its length-normalised embeddings, length-normalised again."""

    kind = "cosine"

    def _model(self, x: np.ndarray, groups: Groups) -> Side:
        vectors = length_normalise(group_means(length_normalise(x), groups))
        return Side(vectors, np.zeros(len(vectors)))

    def _test(self, x: np.ndarray) -> Side:
        return Side(length_normalise(x), np.zeros(len(x)))


class Euclidean(Backend):
    """The score is -|a - b|^2. A model of several utterances is the mean of its embeddings."""

    kind = "euclidean"

    def _model(self, x: np.ndarray, groups: Groups) -> Side:
        a = group_means(x, groups)
        return Side(2 * a, -np.sum(a * a, axis=1))

    def _test(self, x: np.ndarray) -> Side:
        return Side(x, -np.sum(x * x, axis=1))
