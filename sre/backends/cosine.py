"""Cosine similarity, raw or after subtraction of the training mean, after LDA if asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from sre.backends.base import Side, check_dimension, group_means, length_normalise
from sre.backends.lda import apply_lda, fit_lda


@dataclass
class Cosine:
    """An enrolment model is the mean of its length-normalised embeddings, length-normalised again."""

    kind = "cosine"
    parts: dict[str, np.ndarray] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)

    @classmethod
    def fit(
        cls, embeddings: np.ndarray, speakers: np.ndarray, centre: bool, lda_dim: int = 0, **_unused: object
    ) -> "Cosine":
        """(N, D) embeddings and (N,) speakers; `centre` subtracts the mean, lda_dim > 0 adds LDA."""
        x = embeddings.astype(np.float64)
        parts, facts = {}, {"embeddings": len(x)}
        if centre:
            parts["mean"] = x.mean(axis=0)
        if lda_dim:
            parts["lda"], lda_facts = fit_lda(x - parts.get("mean", 0), speakers, lda_dim)
            facts |= lda_facts
        return cls(parts, facts)

    def _unit(self, embeddings: np.ndarray) -> np.ndarray:
        x = embeddings.astype(np.float64)
        if "mean" in self.parts:
            x = check_dimension(self, embeddings, len(self.parts["mean"])) - self.parts["mean"]
        return length_normalise(apply_lda(self.parts["lda"], x) if "lda" in self.parts else x)

    def enrol(self, embeddings: np.ndarray, groups: Sequence[np.ndarray]) -> Side:
        vectors = length_normalise(group_means(self._unit(embeddings), groups))
        return Side(vectors, np.zeros(len(vectors)))

    def test(self, embeddings: np.ndarray) -> Side:
        vectors = self._unit(embeddings)
        return Side(vectors, np.zeros(len(vectors)))
