"""Searching enrolled voices: exact, in blocks, several probes at once.

Nothing is approximated or left out: each probe is scored against each voice by the system itself, in float64. Scores
are put in order as float32, the precision of every score file; of equal ones the voice that was enrolled first is
first. Legend: V voices, N enrolled utterances, T probes, K best voices, D embedding.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sre import SreError
from sre.backends.sides import Groups
from sre.voices.database import Stored
from sre.voices.scoring import Prepared, System

VOICES_AT_ONCE = 16_384
PROBES_AT_ONCE = 64  # a block of scores is 8 MB then


@dataclass(frozen=True)
class Found:
    """The best voices of T probes.

    places : (T, K) in the gallery's names, best first
    scores : (T, K), theirs
    totals : (T,), the logarithm of the sum over all V voices of e to the score
    """

    places: np.ndarray
    scores: np.ndarray
    totals: np.ndarray


class Gallery:
    """The enrolled side of all voices of a database, in memory: 8 D bytes a voice, and a few for each norm.

    names : V, in the order of enrolment
    """

    def __init__(self, system: System, stored: Stored) -> None:
        self.system, self.names, self.token = system, stored.names, stored.token
        starts = np.searchsorted(stored.voice_of, np.arange(len(self.names) + 1))
        self.blocks = [
            self._enrolled(stored, starts[first : first + VOICES_AT_ONCE + 1])
            for first in range(0, len(self.names), VOICES_AT_ONCE)
        ]

    def _enrolled(self, stored: Stored, starts: np.ndarray) -> Prepared:
        """Return the side of the voices whose utterances begin at starts[:-1] and end at starts[1:]."""
        rows, begin = slice(starts[0], starts[-1]), starts - starts[0]
        sizes = np.diff(begin)
        groups: Groups = [np.arange(a, b) for a, b in zip(begin[:-1], begin[1:], strict=True)]
        if (sizes == sizes[0]).all():  # one array is quicker than many
            groups = np.arange(begin[-1]).reshape(len(sizes), -1)
        qualities = {name: values[rows] for name, values in stored.qualities.items()}
        return self.system.enrol(stored.vectors[rows], groups, qualities)

    def __len__(self) -> int:
        return len(self.names)

    def search(self, vectors: np.ndarray, qualities: Mapping[str, np.ndarray], top: int = 1) -> Found:
        """Return the `top` best voices of each of (T, D) probes, or all where there are fewer.

        qualities : name -> (T,) of the probes
        Raises SreError where no voice is enrolled.
        """
        if not self.names:
            raise SreError("no voice is enrolled, so there is nobody to identify; enrol one by `sre enroll`")
        parts = []
        for first in range(0, len(vectors), PROBES_AT_ONCE):
            some = slice(first, first + PROBES_AT_ONCE)
            tested = self.system.test(vectors[some], {name: values[some] for name, values in qualities.items()})
            parts.append(_best(self._scores(tested), len(vectors[some]), min(top, len(self.names))))
        return Found(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def _scores(self, tested: Prepared) -> Iterator[np.ndarray]:
        """Yield (v, T) scores of a block of voices at a time."""
        for enrolled in self.blocks:
            yield self.system.scores(enrolled, tested)


def _best(blocks: Iterator[np.ndarray], probes: int, top: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (T, top) places and scores of the highest of (V, T) scores that come in blocks of rows, and the totals."""
    best = [(np.empty(0, np.int64), np.empty(0)) for _ in range(probes)]
    totals, first = np.full(probes, -np.inf), 0
    for block in blocks:
        for probe, scores in enumerate(np.ascontiguousarray(block.T)):
            best[probe] = _merged(*best[probe], first, scores, top)
            most = scores.max()
            totals[probe] = np.logaddexp(totals[probe], most + np.log(np.exp(scores - most).sum()))
        first += len(block)
    places, scores = zip(*best, strict=True)
    return np.stack(places), np.stack(scores), totals


def _merged(
    places: np.ndarray, scores: np.ndarray, first: int, more: np.ndarray, top: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the places and scores of the best so far, at most `top`, and of further scores from place `first` on."""
    keys = more.astype(np.float32)
    least = np.float32(scores[-1]) if len(scores) == top else -np.inf
    here = np.flatnonzero(keys > least)  # an equal one stands behind, as it comes later
    if len(here) > top:
        least = np.partition(keys[here], len(here) - top)[len(here) - top]
        here = here[keys[here] >= least]  # at least `top`, with all that are equal to the last
    places, scores = np.append(places, first + here), np.append(scores, more[here])
    order = np.lexsort((places, -scores.astype(np.float32)))[:top]
    return places[order], scores[order]
