"""What all back-ends are: a chain, arrays and options, and how several enrolment utterances become one model."""

from dataclasses import asdict, dataclass, field
from typing import ClassVar, Self

import numpy as np

from sre import SreError
from sre.backends.chain import Chain, ChainOutput, check_dimension
from sre.backends.options import Asked, Options
from sre.backends.sides import Groups, Side, group_means, group_starts, score_matrix


@dataclass
class Backend:
    """A back-end. Its kinds score embeddings that went through the chain, by `_model` (x, groups) and `_test` (x).

    parts : its arrays
    options : settings that change scores
    facts : settings and statistics of the fit, with the options; for people to read, nothing depends on it
    """

    kind: ClassVar[str]
    OPTIONS: ClassVar[type[Options]] = Options
    ENROL: ClassVar[tuple[str, ...]] = ("mean", "score_mean", "score_max")  # what its option enrol may be
    ADAPTS: ClassVar[bool] = False  # whether it has an adaptation
    NEEDS_RANK: ClassVar[bool] = False
    SHAPES: ClassVar[dict[str, str]] = {}  # part -> a letter an axis, the same for the same size; d: the chain's
    POSITIVE: ClassVar[tuple[str, ...]] = ()  # parts of which no value is below 0
    chain: Chain = field(default_factory=Chain)
    parts: dict[str, np.ndarray] = field(default_factory=dict)
    options: Options = None  # type: ignore[assignment]  # of OPTIONS; None: their defaults
    facts: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.options = self.options or self.OPTIONS()
        self.facts = self.facts | asdict(self.options)

    @classmethod
    def check_asked(cls, asked: Asked) -> None:
        """Raise SreError for what this kind does not have, or needs."""
        if asked.enrol not in cls.ENROL:
            raise SreError(f"{cls.kind}: enrol '{asked.enrol}' is not of this type; give one of {', '.join(cls.ENROL)}")
        if asked.adapt and not cls.ADAPTS:
            raise SreError(f"{cls.kind}: this type has no adaptation; leave adapt out, or give type plda")
        if cls.NEEDS_RANK and not asked.rank:
            raise SreError(f"{cls.kind}: it needs rank, the dimension of the speaker subspace; 100 to 200 is usual")

    @classmethod
    def fit(cls, asked: Asked, prepared: ChainOutput, speakers: np.ndarray) -> Self:
        """Fit it on what the chain made of (N, D) embeddings, and their (N,) speakers as codes from 0.

        This is the one of a kind that has no arrays. Raises SreError where it cannot be fitted on these.
        """
        return cls(prepared.chain, {}, cls.OPTIONS.asked(asked), prepared.facts)

    def check(self, dimension: int | None) -> None:
        """Raise ValueError where parts or options are not of this kind; dimension: of what the chain gives."""
        if self.options.enrol not in self.ENROL:
            raise ValueError(f"its fact enrol is {self.options.enrol!r}")
        sizes = {} if dimension is None else {"d": dimension}
        for name, axes in self.SHAPES.items():
            shape = self.parts[name].shape
            expected = tuple(sizes.setdefault(axis, size) for axis, size in zip(axes, shape, strict=False))
            if len(shape) != len(axes) or shape != expected or 0 in shape:
                raise ValueError(f"{name} of shape {shape} does not fit the rest")
        for name in self.POSITIVE:
            if (self.parts[name] < 0).any():
                raise ValueError(f"{name} has values below 0")

    def score(self, enrol: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Return (E, T) scores of (E, D) embeddings, each a model of one utterance, against (T, D) tests.

        A vector (D,) on a side has no axis in the result: the score of two vectors is a number.
        """
        enrol, test = np.asarray(enrol), np.asarray(test)
        models = np.atleast_2d(enrol)
        sides = self.enrol(models, np.arange(len(models))[:, None]), self.test(np.atleast_2d(test))
        return score_matrix(*sides).reshape(enrol.shape[:-1] + test.shape[:-1])[()]

    def enrol(self, embeddings: np.ndarray, groups: Groups) -> Side:
        """Return the side of E models: (N, D) embeddings and, for each model, the indices of its utterances."""
        how = self.options.enrol
        if isinstance(groups, np.ndarray) and groups.shape[1] == 1:
            return self._enrol(embeddings[groups[:, 0]], np.arange(len(groups))[:, None])
        rows = np.concatenate(groups)
        starts = group_starts(groups)
        if how in ("score_mean", "score_max") and len(rows) > len(groups):
            each = self._model(self._prepared(embeddings[rows]), np.arange(len(rows))[:, None])
            if how == "score_max":
                return Side(each.vectors, each.constants, starts, each.zeros)
            within = np.split(np.arange(len(rows)), starts[1:])
            return Side(group_means(each.vectors, within), group_means(each.constants, within), zeros=each.zeros)
        return self._enrol(embeddings[rows], np.split(np.arange(len(rows)), starts[1:]))

    def _enrol(self, embeddings: np.ndarray, groups: Groups) -> Side:
        return self._model(self._prepared(embeddings), groups)

    def _prepared(self, embeddings: np.ndarray) -> np.ndarray:
        """What the chain makes of (N, D). Raises SreError for another dimension than was fitted on."""
        x = self.chain.apply(embeddings)
        sizes = [self.parts[name].shape[axes.index("d")] for name, axes in self.SHAPES.items() if "d" in axes]
        check_dimension(x, sizes[0] if sizes else None)
        return x

    def _model(self, x: np.ndarray, groups: Groups) -> Side:
        raise NotImplementedError

    def test(self, embeddings: np.ndarray) -> Side:
        """Return the side of T tests, (T, D) embeddings."""
        return self._test(self._prepared(embeddings))

    def _test(self, x: np.ndarray) -> Side:
        raise NotImplementedError
