"""Score normalisation with a cohort: Z, T, ZT, S, AS-norm1 and AS-norm2, for every back-end.

The model's side of a trial is scored against the cohort as tests, the test's side against the cohort as models:
  znorm    (s - mean_e) / std_e, with the model's cohort scores (K. P. Li, J. E. Porter 1988)
  tnorm    (s - mean_t) / std_t, with the test's (R. Auckenthaler et al. 2000)
  ztnorm   tnorm of znormed scores, the test's cohort scores being znormed too
  snorm    mean of znorm and tnorm (P. Kenny 2010)
  asnorm1  snorm, each side with its own nearest N of the cohort (P. Matějka et al., Interspeech 2017, eq. 5)
  asnorm2  snorm, each side with the other side's nearest N (eq. 6)
With a top_n the others take each side's nearest N too. Cohort speakers that are in a trial are not used for that trial.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from sre import SreError
from sre.backends.cohort import NOBODY, Cohort
from sre.backends.sides import BLOCK_BYTES, Pairs, Side, score_matrix
from sre.machine.cores import available_cores

CORES = available_cores()
THREADS = ThreadPoolExecutor(CORES)  # numpy partitions and sorts without the interpreter's lock


@dataclass
class _CohortRows:
    """The rows of cohort scores of one side: one for each pair of a model and the speaker that it is tested with.

    In a row the cohort's speakers of both are left out. For the side of the tests it is a test and the model's speaker.
    side : (R, …) vectors, of the row's model or test
    left_out : (R, 2) codes of the row's two speakers
    row_of_trial : (P,) indices
    is_test_side : whether the cohort's members are the models
    """

    side: Side
    left_out: np.ndarray
    row_of_trial: np.ndarray
    is_test_side: bool

    @classmethod
    def make(
        cls, side: Side, speakers: np.ndarray, places: np.ndarray, others: np.ndarray, is_test_side: bool
    ) -> "_CohortRows":
        """Return the rows of a side of M models (or tests).

        speakers : (M,) codes of their speakers
        places : (P,) for each trial, its model's index on the side
        others : (P,) for each trial, the code of the speaker on the other side
        """
        if (speakers == NOBODY).all() and (others == NOBODY).all():
            return cls(side, np.full((len(side), 2), NOBODY), places, is_test_side)
        keys, row_of_trial = np.unique(np.stack([places, others]), axis=1, return_inverse=True)
        left_out = np.stack([speakers[keys[0]], keys[1]], axis=1)
        return cls(side.take(keys[0]), left_out, row_of_trial.ravel(), is_test_side)

    def blocks(self, cohort: Cohort) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield (r, C) cohort scores of a block of rows at a time; what is left out is -inf."""
        step = max(1, BLOCK_BYTES // (8 * len(cohort)))
        for start in range(0, len(self.left_out), step):
            rows = slice(start, min(start + step, len(self.left_out)))
            part = self.side.take(rows)
            sides = (cohort.enrol, part) if self.is_test_side else (part, cohort.test)
            scores = score_matrix(*sides, by_test=self.is_test_side)
            for column in self.left_out[rows].T:
                if (column != NOBODY).any():
                    scores[column[:, None] == cohort.codes] = -np.inf
            yield rows, scores


Facts = dict[str, object]
Speakers = tuple[np.ndarray, np.ndarray]  # of the (E,) models and the (T,) tests


@dataclass
class _Task:
    """What a norm is computed from: (P,) raw scores, the rows of both sides, the cohort, how many members count."""

    raw: np.ndarray
    of_enrol: _CohortRows
    of_test: _CohortRows
    cohort: Cohort
    top_n: int


def _znorm(task: _Task) -> np.ndarray:
    mean, std = _statistics(task.of_enrol, task.cohort, task.top_n)
    return (task.raw - mean[task.of_enrol.row_of_trial]) / std[task.of_enrol.row_of_trial]


def _tnorm(task: _Task) -> np.ndarray:
    mean, std = _statistics(task.of_test, task.cohort, task.top_n)
    return (task.raw - mean[task.of_test.row_of_trial]) / std[task.of_test.row_of_trial]


def _ztnorm(task: _Task) -> np.ndarray:
    z, cohort = _znorm(task), task.cohort
    each, nobody = np.arange(len(cohort)), np.full(len(cohort), NOBODY)
    own = _CohortRows.make(cohort.enrol, cohort.codes, each, nobody, is_test_side=False)
    mean, std = _statistics(task.of_test, cohort, task.top_n, _statistics(own, cohort, task.top_n))
    return (z - mean[task.of_test.row_of_trial]) / std[task.of_test.row_of_trial]


def _snorm(task: _Task) -> np.ndarray:
    return 0.5 * (_znorm(task) + _tnorm(task))


def _asnorm2(task: _Task) -> np.ndarray:
    raw, of_enrol, of_test, cohort = task.raw, task.of_enrol, task.of_test, task.cohort
    mean, std = _cross(of_enrol, _nearest(of_test, cohort, task.top_n), of_test.row_of_trial, cohort)
    z = (raw - mean) / std
    mean, std = _cross(of_test, _nearest(of_enrol, cohort, task.top_n), of_enrol.row_of_trial, cohort)
    return 0.5 * (z + (raw - mean) / std)


@dataclass(frozen=True)
class Method:
    """What a norm computes, and how many cohort members count where nobody says; 0: all."""

    compute: Callable[[_Task], np.ndarray]
    top_n: int = 0


METHODS = {
    "znorm": Method(_znorm),
    "tnorm": Method(_tnorm),
    "ztnorm": Method(_ztnorm),
    "snorm": Method(_snorm),
    "asnorm1": Method(_snorm, 300),  # adaptive S-norm is S-norm over the nearest 300, WeSpeaker's number
    "asnorm2": Method(_asnorm2, 300),
}


def normalise(
    raw: np.ndarray,
    pairs: Pairs,
    cohort: Cohort,
    method: str,
    top_n: int | None = None,
    speakers: Speakers | None = None,
) -> tuple[np.ndarray, Facts]:
    """Return (P,) normalised scores of (P,) raw ones, and the facts: cohort size, top_n asked and used.

    method : one of METHODS
    top_n : nearest cohort members; 0 or more than there are: all of them; None: the method's default
    speakers : of the (E,) models and (T,) tests, so that a trial's own speakers are left out of its cohort
    Raises SreError where a side has fewer than two cohort members left, scores without spread, or for another top_n.
    """
    top_n = METHODS[method].top_n if top_n is None else top_n
    task = _task(raw, pairs, cohort, top_n, speakers)
    asked = {"top_n_asked": top_n} if top_n else {}
    facts: Facts = {"cohort": len(cohort), "top_n": task.top_n, **asked}
    return METHODS[method].compute(task), facts


def cohort_means(pairs: Pairs, cohort: Cohort, top_n: int, speakers: Speakers | None = None) -> list[np.ndarray]:
    """Return (P,) means over the top_n highest cohort scores of each trial's model, and (P,) those of its test.

    Arguments and errors are those of `normalise`.
    """
    task = _task(np.empty(0), pairs, cohort, top_n, speakers)
    sides = task.of_enrol, task.of_test
    return [_statistics(rows, cohort, task.top_n)[0][rows.row_of_trial] for rows in sides]


def _task(raw: np.ndarray, pairs: Pairs, cohort: Cohort, top_n: int, speakers: Speakers | None) -> _Task:
    if top_n < 0 or top_n == 1:
        raise SreError(f"top_n is {top_n}, of which there is no deviation; give 2 or more, or 0 for the whole cohort")
    enrol, test, e, t = pairs.enrol, pairs.test, pairs.model_of, pairs.test_of
    who_e, who_t = speakers or (None, None)
    own_e, own_t = cohort.code(who_e, len(enrol)), cohort.code(who_t, len(test))
    of_enrol = _CohortRows.make(enrol, own_e, e, own_t[t], is_test_side=False)
    of_test = _CohortRows.make(test, own_t, t, own_e[e], is_test_side=True)
    return _Task(raw, of_enrol, of_test, cohort, min(top_n or len(cohort), len(cohort)))


def _statistics(
    rows: _CohortRows, cohort: Cohort, top_n: int, znorm: tuple[np.ndarray, np.ndarray] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and population standard deviation (R,) over the top_n highest cohort scores of each row."""
    mean, std = np.empty(len(rows.left_out)), np.empty(len(rows.left_out))
    for block, scores in rows.blocks(cohort):
        if znorm is not None:
            scores = (scores - znorm[0]) / znorm[1]
        mean[block], std[block] = top_statistics(scores, top_n)
    return mean, std


def top_statistics(scores: np.ndarray, top_n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and population standard deviation (M,) of the top_n highest of (M, C); -inf is left out."""
    if top_n < scores.shape[1]:
        scores = highest(scores, top_n)
    kept = scores != -np.inf
    if kept.all():
        return _checked(scores.mean(axis=1), scores.std(axis=1), np.full(len(scores), scores.shape[1]))
    count = kept.sum(axis=1)
    divisor = np.maximum(count, 1)
    mean = np.where(kept, scores, 0).sum(axis=1) / divisor
    difference = np.where(kept, scores - mean[:, None], 0)
    return _checked(mean, np.sqrt((difference**2).sum(axis=1) / divisor), count)


def highest(scores: np.ndarray, top_n: int) -> np.ndarray:
    """Return (M, top_n), the highest of (M, C) ascending.

    The order within a partition is not defined, and a sum in another order is rounded otherwise.
    """

    def of(rows: np.ndarray) -> np.ndarray:
        return np.sort(np.partition(rows, scores.shape[1] - top_n, axis=1)[:, -top_n:], axis=1)

    return np.concatenate(list(THREADS.map(of, np.array_split(scores, 2 * CORES))))


def _checked(mean: np.ndarray, std: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if (count < 2).any():
        raise SreError(
            "fewer than 2 cohort members are left for some trials, after their own speakers; give a larger cohort"
        )
    if not (std > 1e-12 * np.maximum(np.abs(mean), 1)).all():
        raise SreError(
            "a model's scores against the cohort are all equal, so they cannot be normalised; look at the embeddings"
        )
    return mean, std


def _nearest(rows: _CohortRows, cohort: Cohort, top_n: int) -> np.ndarray:
    """(R, top_n) indices of each row's nearest cohort members, ascending; len(cohort) where fewer are left."""
    nearest = np.empty((len(rows.left_out), top_n), np.int32)
    for block, scores in rows.blocks(cohort):
        least = np.partition(scores, scores.shape[1] - top_n, axis=1)[:, [-top_n]]
        above, equal = scores > least, scores == least
        # of equal scores the first, so that the set does not depend on how a partition is done
        above |= equal & (np.cumsum(equal, axis=1) <= top_n - above.sum(axis=1, keepdims=True))
        members = np.nonzero(above)[1].reshape(-1, top_n)
        out = np.take_along_axis(scores, members, axis=1) == -np.inf
        nearest[block] = np.where(out, len(cohort), members)
    return nearest


def _cross(
    rows: _CohortRows, chosen: np.ndarray, chosen_of: np.ndarray, cohort: Cohort
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation (P,) of each trial's row over the cohort members that its other side has chosen."""
    mean, std = np.empty(len(rows.row_of_trial)), np.empty(len(rows.row_of_trial))
    order = np.argsort(rows.row_of_trial, kind="stable")
    sorted_rows = rows.row_of_trial[order]
    at_once = max(1, BLOCK_BYTES // (8 * chosen.shape[1]))
    for block, scores in rows.blocks(cohort):
        scores = np.hstack([scores, np.full((len(scores), 1), -np.inf)])
        a, b = np.searchsorted(sorted_rows, [block.start, block.stop])
        for start in range(a, b, at_once):
            some = order[start : min(start + at_once, b)]
            picked = scores[rows.row_of_trial[some][:, None] - block.start, chosen[chosen_of[some]]]
            mean[some], std[some] = top_statistics(picked, picked.shape[1])
    return mean, std
