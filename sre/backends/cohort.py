"""The cohort of score normalisation: which of the training embeddings it is, and its two sides for a back-end.

Legend: C cohort members.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from sre import SreError
from sre.backends.backend import Backend
from sre.backends.sides import Side, speaker_means
from sre.io.embeddings import Embeddings

NOBODY = -1


@dataclass(frozen=True)
class CohortRule:
    """The members of a cohort: `of` "speakers" (the mean of each) or "utterances"; `size` drawn by `seed`, 0: all.

    first : so many utterances of each speaker are taken, the first in bytewise order of their ids; 0: all
    """

    of: str = "speakers"
    size: int = 0
    seed: int = 1
    first: int = 0

    @classmethod
    def of_norm(cls, norm: Mapping[str, Any]) -> "CohortRule":
        """Return the rule that a norm of a resolved config names."""
        return cls(norm["cohort"], norm["cohort_size"], norm["cohort_seed"], norm.get("cohort_utterances", 0))

    @property
    def name(self) -> str:
        """The stem of the file that names the members."""
        first = f"_first{self.first}" if self.first else ""
        return f"{self.of}{first}_{f'{self.size}_seed{self.seed}' if self.size else 'all'}"

    def choose(self, training: Embeddings) -> Embeddings:
        """Return the C members, in the order of their ids; the id of a speaker's mean is the speaker.

        Raises SreError for speakers, or the first utterances of each, where nobody knows the speakers.
        """
        if (self.of == "speakers" or self.first) and training.speakers is None:
            raise SreError("a cohort of speakers needs the training embeddings' speakers; give their utt2spk")
        members = training = first_of_each(training, self.first) if self.first else training
        if self.of == "speakers":
            assert training.speakers is not None
            names, means, _ = speaker_means(training.vectors, training.speakers)
            members = Embeddings(names, means, names)
        if not 0 < self.size < len(members):
            return members
        return members.subset(np.sort(np.random.default_rng(self.seed).permutation(len(members))[: self.size]))


def first_of_each(embeddings: Embeddings, count: int) -> Embeddings:
    """Return at most `count` embeddings of each speaker, the first in the order of their ids."""
    speakers = np.asarray(embeddings.speakers, dtype=str)
    order = np.argsort(speakers, kind="stable")
    _, starts, counts = np.unique(speakers[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(starts, counts)  # of an embedding among its speaker's
    return embeddings.subset(np.sort(order[place < count]))


@dataclass
class Cohort:
    """C members as enrolment models and as tests of one back-end, and their speakers (or ids) as codes (C,)."""

    enrol: Side
    test: Side
    names: np.ndarray  # speakers, sorted, without a repetition
    codes: np.ndarray

    @classmethod
    def of(cls, backend: Backend, chosen: Embeddings) -> "Cohort":
        """Return the cohort of a back-end; each member is a speaker of its own where nobody knows the speakers.

        Raises SreError for fewer than two members.
        """
        if len(chosen) < 2:
            raise SreError(
                f"the cohort has {len(chosen)} member, score normalisation needs at least 2; add training speakers"
            )
        each = np.arange(len(chosen))[:, None]
        sides = backend.enrol(chosen.vectors, each), backend.test(chosen.vectors)
        own = chosen.ids if chosen.speakers is None else chosen.speakers
        return cls(*sides, *np.unique(np.asarray(own, dtype=str), return_inverse=True))

    def __len__(self) -> int:
        return len(self.test)

    def code(self, speakers: np.ndarray | None, count: int) -> np.ndarray:
        """Return the codes of (M,) speakers; NOBODY for one that is not in the cohort, or unknown."""
        if speakers is None or not len(self.names):
            return np.full(count, NOBODY)
        speakers = np.asarray(speakers, dtype=str)
        at = np.minimum(np.searchsorted(self.names, speakers), len(self.names) - 1)
        return np.where(self.names[at] == speakers, at, NOBODY)
