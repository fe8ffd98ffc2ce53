"""One trial list with the embeddings that it needs."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from sre import SreError
from sre.backends.backend import Backend
from sre.backends.sides import Pairs
from sre.io.embeddings import NO_EMBEDDING, Embeddings
from sre.io.tables import read_utt2spk
from sre.io.trial_check import several_speakers
from sre.io.trials import Trials, read_enroll_map, speakers_of_sides
from sre.machine.log import warn


@dataclass
class Evaluation:
    """One trial list with the embeddings that it needs.

    groups : for each of the E models, the rows of its utterances among the embeddings
    speakers : of the models (E,) and of the tests (T,), "" for one that nobody knows; None: no table was given
    """

    trials: Trials
    groups: list[np.ndarray]
    embeddings: Embeddings
    speakers: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def target(self) -> np.ndarray:
        """The (P,) labels of a list that has them."""
        assert self.trials.target is not None, "what is judged is labelled"
        return self.trials.target

    @classmethod
    def read(
        cls, trials: Trials, enroll_map: Path | None, embeddings: Sequence[Path], *utt2spks: Path | None
    ) -> "Evaluation":
        """Read what a list needs; the speaker of an utterance is that of the first of utt2spks that has it.

        enroll_map : lines `model utt1 utt2 …`; None: each model is an utterance
        utt2spks : tables, or None for one that was not given
        Warns of models whose utterances are of several speakers. Raises SreError where an embedding is missing.
        """
        speakers: dict[str, str] = {}
        given = [path for path in utt2spks if path]
        for path in reversed(given):
            speakers |= read_utt2spk(path)
        models = read_enroll_map(enroll_map, trials)
        for sentence in several_speakers(enroll_map, trials, models, speakers):
            warn(sentence)
        known = Embeddings.read(embeddings)
        cure = NO_EMBEDDING
        if all(utts == [model] for model, utts in models.items()):
            cure += ", or give --enroll-map if models are no utterances"
        rows = known.rows(np.array(list(chain(*models.values())), dtype=object), "enrolment utterances", cure)
        groups = np.split(rows, np.cumsum(list(map(len, models.values())))[:-1])
        return cls(trials, groups, known, speakers_of_sides(trials, models, speakers) if given else None)

    def models(self) -> dict[str, np.ndarray]:
        """Return each model's utterances, in the order of the models."""
        ids = self.embeddings.ids
        return {model: ids[rows] for model, rows in zip(self.trials.enrol_ids, self.groups, strict=True)}

    def pairs(self, backend: Backend) -> Pairs:
        """Return the list's trials as a back-end scores them.

        Raises SreError where a test has no embedding, or an embedding is of zeros only or of another dimension.
        """
        vectors, trials = self.embeddings.vectors, self.trials
        tests = self.embeddings.rows(trials.test_ids, "test utterances")
        try:
            return Pairs(backend.enrol(vectors, self.groups), backend.test(vectors[tests]), trials.enrol, trials.test)
        except SreError as error:
            used = np.unique(np.concatenate([*self.groups, tests]))
            zeros = self.embeddings.ids[used[~vectors[used].any(axis=1)]]
            if not len(zeros):
                raise
            raise SreError(
                f"{len(zeros)} embeddings are all zeros, e.g. '{zeros[0]}'; look at its audio, or take its trials out"
            ) from error
