"""Final scores of a packed system: back-ends, norms with their cohorts, calibrations and fusions, all at once.

Scores between two stages are rounded to float32, as the files of a recipe's score stage have them, so that the results
are the same. Legend: R, T embeddings, E enrolment models, D embedding, C cohort, P trials.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from sre import SreError
from sre.backends.backend import Backend
from sre.backends.calibration import Calibration
from sre.backends.cohort import Cohort
from sre.backends.norm import METHODS, normalise, top_statistics
from sre.backends.quality import COHORT_MEAN, Ranges, side_measures, trial_measures
from sre.backends.sides import BLOCK_BYTES, Groups, Pairs, Side, group_means, score_matrix, scores_of_pairs
from sre.io.embeddings import Embeddings

BY_ENROLLED, BY_TESTED = {"znorm", "snorm", "asnorm1"}, {"tnorm", "snorm", "asnorm1"}  # whose own statistics are enough
NO_NORM = "none"  # scores stay as they are, and the cohort is for the quality measure cohort_mean
Qualities = Mapping[str, np.ndarray]
Trials = tuple[np.ndarray, np.ndarray] | None  # (P,) places of models and of tests; None: each model with each test


@dataclass(frozen=True)
class Norm:
    """A score normalisation: its method, how many of the (C, D) cohort count (None: as is usual), the cohort."""

    method: str
    top_n: int | None
    cohort: np.ndarray

    @property
    def nearest(self) -> int:
        """How many cohort members count."""
        usual = METHODS[self.method].top_n if self.method in METHODS else 0
        asked = usual if self.top_n is None else self.top_n
        return min(asked or len(self.cohort), len(self.cohort))


@dataclass(frozen=True)
class Plain:
    """A system of one network: a back-end, perhaps a norm, and which columns of a voiceprint are the network's."""

    name: str
    backend: Backend
    columns: slice
    norm: Norm | None = None

    @cached_property
    def cohort(self) -> Cohort | None:
        """The cohort's two sides; None without a norm."""
        if self.norm is None:
            return None
        names = np.array([str(number) for number in range(len(self.norm.cohort))])
        return Cohort.of(self.backend, Embeddings(names, self.norm.cohort))


@dataclass(frozen=True)
class Combined:
    """A calibration of one system before it, or a fusion of several, by their places.

    measures : quality measures, which the calibration takes beside the score of the first of `of`, a plain system
    ranges : of each, see sre.backends.quality
    """

    name: str
    of: Sequence[int]
    calibration: Calibration
    measures: Sequence[str] = ()
    ranges: Ranges = ()


@dataclass(frozen=True)
class Prepared:
    """One side of trials, made ready once: for each plain system its side, and mean and deviation against the cohort.

    qualities : (M,) each, of models the means over their utterances
    measures : for each system with quality measures, measure -> (M,)
    """

    sides: Mapping[int, Side]
    statistics: Mapping[int, tuple[np.ndarray, np.ndarray]]
    qualities: Qualities
    measures: Mapping[int, Mapping[str, np.ndarray]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.sides.values())))

    def take(self, rows: np.ndarray | slice) -> "Prepared":
        """Return some of the models or tests, by index array or slice."""
        statistics = {n: (mean[rows], std[rows]) for n, (mean, std) in self.statistics.items()}
        qualities = {name: values[rows] for name, values in self.qualities.items()}
        measures = {n: {name: values[rows] for name, values in of.items()} for n, of in self.measures.items()}
        return Prepared({n: side.take(rows) for n, side in self.sides.items()}, statistics, qualities, measures)


@dataclass(frozen=True)
class System:
    """Systems of which each may be combined from those before it; the last one gives the scores.

    dimension : D of a voiceprint
    """

    nodes: Sequence[Plain | Combined]
    dimension: int

    @property
    def name(self) -> str:
        """The name of the last system."""
        return self.nodes[-1].name

    @property
    def calibrated(self) -> bool:
        """Whether scores are log-likelihood ratios."""
        return isinstance(self.nodes[-1], Combined)

    def enrol(self, vectors: np.ndarray, groups: Groups | None = None, qualities: Qualities | None = None) -> Prepared:
        """Return E models made ready: (R, D) embeddings, and the rows of each; None: each row is a model.

        qualities : name -> (R,)
        Raises SreError for another dimension, for an embedding without a direction, and where a calibration takes
        quality measures that are not known.
        """
        vectors = self._checked(vectors)
        groups = np.arange(len(vectors))[:, None] if groups is None else groups
        sides = {n: node.backend.enrol(vectors[:, node.columns], groups) for n, node in self._plain()}
        means = {name: group_means(np.asarray(values), groups) for name, values in (qualities or {}).items()}
        prepared = self._prepared(sides, means, BY_ENROLLED)
        return replace(prepared, measures=self._measures(vectors, groups, qualities or {}, prepared, of_tests=False))

    def test(self, vectors: np.ndarray, qualities: Qualities | None = None) -> Prepared:
        """Return T tests made ready, (T, D) embeddings. Raises SreError as `enrol`."""
        vectors = self._checked(vectors)
        sides = {n: node.backend.test(vectors[:, node.columns]) for n, node in self._plain()}
        prepared, each = self._prepared(sides, dict(qualities or {}), BY_TESTED), np.arange(len(vectors))[:, None]
        return replace(prepared, measures=self._measures(vectors, each, qualities or {}, prepared, of_tests=True))

    def scores(self, enrolled: Prepared, tested: Prepared) -> np.ndarray:
        """Return (E, T) float64 final scores: log-likelihood ratios where the system is calibrated."""
        scores = np.empty((len(enrolled), len(tested)))
        rows = max(1, BLOCK_BYTES // (8 * max(len(tested), 1)))
        for start in range(0, len(enrolled), rows):
            block = enrolled.take(slice(start, start + rows))
            scores[start : start + rows] = self._final(block, tested, None)
        return scores

    def pairs(self, enrolled: Prepared, tested: Prepared, e: np.ndarray, t: np.ndarray) -> np.ndarray:
        """Return (P,) float64 final scores of trials: (P,) places of the models and of the tests."""
        return self._final(enrolled, tested, (np.asarray(e), np.asarray(t)))

    def _plain(self) -> list[tuple[int, Plain]]:
        return [(n, node) for n, node in enumerate(self.nodes) if isinstance(node, Plain)]

    def _checked(self, vectors: np.ndarray) -> np.ndarray:
        vectors = np.atleast_2d(vectors)
        if vectors.shape[1] != self.dimension:
            raise SreError(
                f"embeddings of {vectors.shape[1]} values, and the model's have {self.dimension}; embed by this model"
            )
        return vectors

    def _prepared(self, sides: dict[int, Side], qualities: Qualities, methods: set[str]) -> Prepared:
        statistics = {}
        for n, node in self._plain():
            if node.norm and node.cohort and node.norm.method in methods:
                statistics[n] = _statistics(sides[n], node.cohort, node.norm.nearest, methods is BY_TESTED)
        return Prepared(sides, statistics, qualities)

    def _measures(
        self, vectors: np.ndarray, groups: Groups, qualities: Qualities, prepared: Prepared, of_tests: bool
    ) -> dict[int, dict[str, np.ndarray]]:
        """Return measure -> (M,) of each model, or test, for each system that takes quality measures."""
        found: dict[int, dict[str, np.ndarray]] = {}
        for n, node in enumerate(self.nodes):
            plain = self.nodes[node.of[0]] if isinstance(node, Combined) and node.measures else None
            if not (isinstance(node, Combined) and isinstance(plain, Plain)):
                continue
            found[n] = side_measures(node.measures, vectors[:, plain.columns], qualities, groups)
            if COHORT_MEAN in node.measures and plain.norm and plain.cohort:
                known = prepared.statistics.get(node.of[0])
                side = prepared.sides[node.of[0]]
                mean, _ = known or _statistics(side, plain.cohort, plain.norm.nearest, of_tests)
                found[n][COHORT_MEAN] = mean
        return found

    def _final(self, enrolled: Prepared, tested: Prepared, trials: Trials) -> np.ndarray:
        found: list[np.ndarray] = []
        for n, node in enumerate(self.nodes):
            if isinstance(node, Plain):
                scores = _plain_scores(n, node, enrolled, tested, trials)
            else:
                columns = np.stack([found[one] for one in node.of], axis=-1)
                if node.measures:
                    sides = enrolled.measures[n], tested.measures[n]
                    quality = _trial_measures(node, sides, trials, columns[..., 0])
                    columns = np.concatenate([columns, quality], axis=-1)
                flat = columns.reshape(-1, columns.shape[-1])
                scores = node.calibration.apply(flat).reshape(columns.shape[:-1])
            is_last = n == len(self.nodes) - 1
            found.append(scores if is_last else scores.astype(np.float32).astype(np.float64))
        return found[-1]


def _trial_measures(
    node: Combined, sides: tuple[Qualities, Qualities], trials: Trials, scores: np.ndarray
) -> np.ndarray:
    """Return the quality measures of trials, (P, Q) of (P,) scores, or of all pairs, (E, T, Q) of (E, T)."""
    if trials is None:
        of_enrol = {name: values[:, None] for name, values in sides[0].items()}
        return trial_measures(node.measures, of_enrol, sides[1], scores, node.ranges)
    of_enrol, of_test = (
        {name: values[of] for name, values in side.items()} for side, of in zip(sides, trials, strict=True)
    )
    return trial_measures(node.measures, of_enrol, of_test, scores, node.ranges)


def _plain_scores(n: int, node: Plain, enrolled: Prepared, tested: Prepared, trials: Trials) -> np.ndarray:
    """Return the scores of a system of one network: (P,) of trials, or (E, T) of all."""
    enrol, test = enrolled.sides[n], tested.sides[n]
    raw = score_matrix(enrol, test) if trials is None else scores_of_pairs(Pairs(enrol, test, *trials))
    if node.norm is None or node.cohort is None or node.norm.method == NO_NORM:
        return raw
    if node.norm.method not in BY_ENROLLED | BY_TESTED:  # a norm that looks at both sides of a trial at once
        e, t = trials or (index.ravel() for index in np.indices(raw.shape))
        pairs = Pairs(enrol, test, e, t)
        return normalise(raw.ravel(), pairs, node.cohort, node.norm.method, node.norm.top_n)[0].reshape(raw.shape)
    parts = []
    if n in enrolled.statistics:
        mean, std = (values[trials[0]] if trials else values[:, None] for values in enrolled.statistics[n])
        parts.append((raw - mean) / std)
    if n in tested.statistics:
        mean, std = (values[trials[1]] if trials else values for values in tested.statistics[n])
        parts.append((raw - mean) / std)
    return parts[0] if len(parts) == 1 else 0.5 * (parts[0] + parts[1])


def _statistics(side: Side, cohort: Cohort, nearest: int, of_tests: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and deviation (M,) of each model's, or test's, highest scores against the cohort."""
    mean, std = np.empty(len(side)), np.empty(len(side))
    rows = max(1, BLOCK_BYTES // (8 * len(cohort)))
    for start in range(0, len(side), rows):
        block = slice(start, start + rows)
        sides = (cohort.enrol, side.take(block)) if of_tests else (side.take(block), cohort.test)
        mean[block], std[block] = top_statistics(score_matrix(*sides, by_test=of_tests), nearest)
    return mean, std
