"""The cohort of score normalisation: which of the training embeddings it is, and its two sides for a back-end.

Legend: C cohort members.
"""

from dataclasses import dataclass

import numpy as np

from sre import SreError
from sre.backends.backend import Backend
from sre.backends.sides import Side, speaker_means
from sre.io.embeddings import Embeddings

NOBODY = -1


@dataclass(frozen=True)
class CohortRule:
    """The members of a cohort: `of` "speakers" (the mean of each) or "utterances"; `size` drawn by `seed`, 0: all."""

    of: str = "speakers"
    size: int = 0
    seed: int = 1

    @property
    def name(self) -> str:
        """The stem of the file that names the members."""
        return f"{self.of}_{f'{self.size}_seed{self.seed}' if self.size else 'all'}"

    def choose(self, training: Embeddings) -> Embeddings:
        """Return the C members, in the order of their ids; the id of a speaker's mean is the speaker.

        Raises SreError for a cohort of speakers where nobody knows them.
        """
        members = training
        if self.of == "speakers":
            if training.speakers is None:
                raise SreError("a cohort of speakers needs the training embeddings' speakers; give their utt2spk")
            names, means, _ = speaker_means(training.vectors, training.speakers)
            members = Embeddings(names, means, names)
        if not 0 < self.size < len(members):
            return members
        return members.subset(np.sort(np.random.default_rng(self.seed).permutation(len(members))[: self.size]))


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
