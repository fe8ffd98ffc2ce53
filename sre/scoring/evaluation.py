"""One trial list with the embeddings that it needs."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sre import SreError
from sre.backends import Backend, Side
from sre.backends.base import scores_of_pairs
from sre.backends.norm import Cohort, normalise
from sre.io.ids import alike, shown
from sre.io.trials import Trials
from sre.metrics.bootstrap import Bootstrap
from sre.metrics.speakers import bootstrap_of, speakers_of_sides


def rows_of(
    ids: np.ndarray, wanted: np.ndarray, what: str, cure: str = "extract it, or take its trials out of the list"
) -> np.ndarray:
    """Positions of `wanted` among the sorted ids; raises SreError naming what has no embedding, and the cure."""
    position = np.searchsorted(ids, wanted)
    found = position < len(ids)
    found[found] = ids[position[found]] == wanted[found]
    if not found.all():
        lost = wanted[~found]
        example = shown(lost[0]) + alike(lost[0], ids.tolist())
        raise SreError(f"{what}: {len(lost)} of {len(wanted)} have no embedding, e.g. {example}; {cure}")
    return position


@dataclass
class Evaluation:
    """One trial list with the embeddings it needs; speakers of its models and tests where they are known."""

    trials: Trials
    groups: list[np.ndarray]
    ids: np.ndarray
    embeddings: np.ndarray
    speakers: tuple[np.ndarray, np.ndarray] | None = None

    @classmethod
    def of(
        cls,
        trials: Trials,
        enrol_map: Mapping[str, list[str]],
        ids: np.ndarray,
        embeddings: np.ndarray,
        utt2spk: Mapping[str, str] | None = None,
    ) -> "Evaluation":
        utts = np.array([utt for model in trials.enrol_ids for utt in enrol_map[model]], dtype=object)
        cure = "extract it, or take its trials out of the list"
        if all(enrol_map[model] == [model] for model in trials.enrol_ids):
            cure += ", or give --enroll-map if models are no utterances"
        rows = rows_of(ids, utts, "enrolment utterances", cure)
        sizes = np.cumsum([len(enrol_map[model]) for model in trials.enrol_ids])
        new = cls(trials, np.split(rows, sizes[:-1]), ids, embeddings)
        if utt2spk is not None:
            new.speakers = speakers_of_sides(trials, enrol_map, utt2spk)
        return new

    def bootstrap(self, replicates: int, seed: int) -> Bootstrap:
        return bootstrap_of(self.trials, self.speakers, replicates, seed)

    def sides(self, backend: Backend) -> tuple[Side, Side]:
        tests = self.embeddings[rows_of(self.ids, self.trials.test_ids, "test utterances")]
        try:
            return backend.enrol(self.embeddings, self.groups), backend.test(tests)
        except SreError as error:
            used = np.unique(np.concatenate([*self.groups, rows_of(self.ids, self.trials.test_ids, "test utterances")]))
            zeros = self.ids[used[~self.embeddings[used].any(axis=1)]]
            if not len(zeros):
                raise
            raise SreError(
                f"{len(zeros)} embeddings are all zeros, e.g. '{zeros[0]}'; look at its audio, or take its trials out"
            ) from error

    def raw(self, enrol: Side, test: Side) -> np.ndarray:
        return scores_of_pairs(enrol, test, self.trials.enrol, self.trials.test)

    def normalised(
        self, raw: np.ndarray, enrol: Side, test: Side, cohort: Cohort, method: str, top_n: int
    ) -> tuple[np.ndarray, dict[str, object]]:
        pairs = self.trials.enrol, self.trials.test
        return normalise(raw, enrol, test, *pairs, cohort, method, top_n, self.speakers)
