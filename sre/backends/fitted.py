"""What all back-ends have: a chain, arrays, facts, and how several enrolment utterances become one model."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from sre.backends.base import Side, group_means, group_starts
from sre.backends.chain import Chain, check_dimension

ENROL = ("mean", "by_the_book", "score_mean", "score_max")


@dataclass
class Fitted:
    """Subclasses score embeddings that went through the chain: `_model` (x, groups) and `_test` (x) give Sides.

    facts["enrol"] says what a model of several utterances is:
      mean         what the back-end makes of their mean (cosine: of unit vectors; PLDA: as Kaldi, told their number)
      by_the_book  PLDA: the joint likelihood of all of them, each through the chain
      score_mean, score_max   the mean, or the largest, of the scores of each
    """

    kind: ClassVar[str]
    SHAPES: ClassVar[dict[str, str]] = {}  # part -> a letter an axis, the same for the same size; d: the chain's
    POSITIVE: ClassVar[tuple[str, ...]] = ()  # parts of which no value is below 0
    FACTS: ClassVar[dict[str, tuple[type, ...]]] = {}  # that scoring needs
    chain: Chain = field(default_factory=Chain)
    parts: dict[str, np.ndarray] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)

    def check(self, dimension: int | None) -> None:
        """Raise ValueError where parts or facts are not of this kind; dimension: of what the chain gives."""
        sizes = {} if dimension is None else {"d": dimension}
        for name, axes in self.SHAPES.items():
            shape = self.parts[name].shape
            expected = tuple(sizes.setdefault(axis, size) for axis, size in zip(axes, shape, strict=False))
            if len(shape) != len(axes) or shape != expected or 0 in shape:
                raise ValueError(f"{name} of shape {shape} does not fit the rest")
        for name in self.POSITIVE:
            if (self.parts[name] < 0).any():
                raise ValueError(f"{name} has values below 0")
        for name, kinds in self.FACTS.items():
            if type(self.facts.get(name)) not in kinds:
                raise ValueError(f"its fact {name} is {self.facts.get(name)!r}")
        if self.facts.get("enrol", "mean") not in ENROL:
            raise ValueError(f"its fact enrol is {self.facts['enrol']!r}")

    def enrol(self, embeddings: np.ndarray, groups: Sequence[np.ndarray]) -> Side:
        """(N, D) embeddings and, for each of E models, the indices of its utterances."""
        how = self.facts.get("enrol", "mean")
        rows = np.concatenate(groups)
        starts = group_starts(groups)
        if how in ("score_mean", "score_max") and len(rows) > len(groups):
            each = self._model(self._prepared(embeddings[rows]), np.arange(len(rows))[:, None])
            if how == "score_max":
                return Side(each.vectors, each.constants, starts, each.zeros)
            within = np.split(np.arange(len(rows)), starts[1:])
            return Side(group_means(each.vectors, within), group_means(each.constants, within), zeros=each.zeros)
        return self._enrol(embeddings[rows], np.split(np.arange(len(rows)), starts[1:]))

    def _enrol(self, embeddings: np.ndarray, groups: Sequence[np.ndarray]) -> Side:
        return self._model(self._prepared(embeddings), groups)

    def _prepared(self, embeddings: np.ndarray) -> np.ndarray:
        """What the chain makes of (N, D). Raises SreError for another dimension than was fitted on."""
        x = self.chain.apply(embeddings)
        mean = self.parts.get("plda_mean", self.parts.get("mean"))
        check_dimension(x, None if mean is None else len(mean))
        return x

    def _model(self, x: np.ndarray, groups: Sequence[np.ndarray]) -> Side:
        raise NotImplementedError

    def test(self, embeddings: np.ndarray) -> Side:
        """(T, D) embeddings."""
        return self._test(self._prepared(embeddings))

    def _test(self, x: np.ndarray) -> Side:
        raise NotImplementedError
