"""The quality measures of a list's trials, and the trials of a development list in all its versions.

Legend: N utterances, E models, T tests, P trials, V versions: whole, and cut or with noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sre import SreError
from sre.backends.quality import side_measures
from sre.io.atomic import sha256_arrays
from sre.io.embeddings import Embeddings
from sre.io.quality import as_arrays, read_qualities
from sre.io.trials import LabelledTrials
from sre.machine.log import say
from sre.scoring.evaluation import Evaluation

MOST_TRIALS = 1_000_000  # of all versions: beyond them, nontarget trials are drawn
LEAST_SHARE = 0.5  # of the utterances that a version has to have


class Version(NamedTuple):
    """The utterances of the development list under another condition: their embeddings, and their utt2quality."""

    embeddings: Path
    quality: Path


@dataclass
class Measured:
    """A list whose utterances were measured.

    qualities : speech_s and snr_db, (N,) each, of the evaluation's N embeddings; NaN where it is not known
    """

    evaluation: Evaluation
    qualities: dict[str, np.ndarray]

    @classmethod
    def read(cls, evaluation: Evaluation, quality: Path) -> "Measured":
        """Read the qualities of a list's utterances."""
        return cls(evaluation, as_arrays(read_qualities(quality), evaluation.embeddings.ids))

    @property
    def digest(self) -> str:
        """The SHA-256 of the embeddings, of what was measured, and of the trials."""
        embeddings, trials = self.evaluation.embeddings, self.evaluation.trials
        named = np.concatenate([embeddings.ids.astype(str), trials.enrol_ids.astype(str), trials.test_ids.astype(str)])
        numbers = [*self.qualities.values(), trials.enrol, trials.test]
        return sha256_arrays(embeddings.vectors, named) + sha256_arrays(np.concatenate(numbers), named[:0])

    def sides(self, measures: Sequence[str]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Return measure -> (P,) of each trial's model, and of its test; cohort_mean is none of them.

        Raises SreError where an utterance was not measured.
        """
        trials = self.evaluation.trials
        tests = self.evaluation.embeddings.rows(trials.test_ids, "test utterances")
        found = []
        for groups, places in ((self.evaluation.groups, trials.enrol), (tests[:, None], trials.test)):
            rows = np.concatenate(groups)
            counts = np.cumsum([len(group) for group in groups])[:-1]
            part = {name: values[rows] for name, values in self.qualities.items()}
            of_side = side_measures(
                measures, self.evaluation.embeddings.vectors[rows], part, np.split(np.arange(len(rows)), counts)
            )
            found.append({measure: values[places] for measure, values in of_side.items()})
        return found[0], found[1]


def pooled(whole: Measured, versions: Sequence[Version]) -> Measured:
    """Return the trials of a list whose models are utterances, each side in each of its versions: V x V of each trial.

    Beyond MOST_TRIALS nontarget trials are drawn, with a seed that is always the same. What a version lacks is counted
    and left out. Raises SreError where a version lacks half of the utterances.
    """
    listed = whole.evaluation
    utts = np.union1d(listed.trials.enrol_ids.astype(str), listed.trials.test_ids.astype(str))
    parts = [_Part.of(listed.embeddings, whole.qualities, utts, "the development list")]
    for version in versions:
        known = Embeddings.read([version.embeddings])
        measured = as_arrays(read_qualities(version.quality), known.ids)
        parts.append(_Part.of(known, measured, utts, str(version.embeddings)))
    ids = [f"{number:03d} {utt}" for number, part in enumerate(parts) for utt in utts[part.there]]  # sorted
    trials = _all_pairs(listed, utts, parts, np.array(ids, dtype=object))
    speakers = _speakers(listed, utts)
    own = None if speakers is None else np.concatenate([speakers[part.there] for part in parts])
    embeddings = Embeddings(trials.enrol_ids, np.concatenate([part.vectors for part in parts]))
    groups = list(np.arange(len(ids))[:, None])
    qualities = {name: np.concatenate([part.qualities[name] for part in parts]) for name in whole.qualities}
    say(f"{len(trials)} trials of {len(utts)} utterances in {len(parts)} versions, to calibrate with quality measures")
    return Measured(Evaluation(trials, groups, embeddings, None if own is None else (own, own)), qualities)


@dataclass
class _Part:
    """What one version has of N utterances: (N,) bool which, and of these the vectors and qualities."""

    there: np.ndarray
    vectors: np.ndarray
    qualities: dict[str, np.ndarray]

    @classmethod
    def of(cls, known: Embeddings, qualities: Mapping[str, np.ndarray], utts: np.ndarray, where: str) -> "_Part":
        """Return the part; says how many utterances it lacks. Raises SreError where these are half of them."""
        ids = known.ids.astype(str)
        at = np.minimum(np.searchsorted(ids, utts), len(ids) - 1)
        there = ids[at] == utts
        if lost := int(np.count_nonzero(~there)):
            said = f"{where}: {lost} of {len(utts)} development utterances have no embedding"
            if lost > LEAST_SHARE * len(utts):
                raise SreError(f"{said}; look what rejected them, or take this version out")
            say(f"{said}, and are left out")
        rows = at[there]
        return cls(there, known.vectors[rows], {name: values[rows] for name, values in qualities.items()})


def _all_pairs(listed: Evaluation, utts: np.ndarray, parts: Sequence[_Part], ids: np.ndarray) -> LabelledTrials:
    """Return the trials of all pairs of versions; `ids` are of the parts' utterances, one part after the other."""
    there = np.stack([part.there for part in parts])  # (V, N)
    place = np.where(there, np.cumsum(there).reshape(there.shape) - 1, -1)
    trials, target = listed.trials, listed.target
    enrol, test = (
        np.searchsorted(utts, side.astype(str))[of]
        for side, of in ((trials.enrol_ids, trials.enrol), (trials.test_ids, trials.test))
    )
    targets = int(np.count_nonzero(target))
    room = max(MOST_TRIALS / len(parts) ** 2 - targets, 0)
    share = room / max(len(target) - targets, 1)
    generator, found = np.random.default_rng(1), []
    for of_enrol in place:
        for of_test in place:
            a, b = of_enrol[enrol], of_test[test]
            kept = (a >= 0) & (b >= 0) & (target | (generator.random(len(target)) < share))
            found.append((a[kept], b[kept], target[kept]))
    e, t, labels = (np.concatenate(column) for column in zip(*found, strict=True))
    return LabelledTrials(ids, ids, e.astype(np.int32), t.astype(np.int32), labels)


def _speakers(evaluation: Evaluation, utts: np.ndarray) -> np.ndarray | None:
    """Return the (N,) speakers of the utterances; None where nobody knows them."""
    if evaluation.speakers is None:
        return None
    trials = evaluation.trials
    found: Mapping[str, str] = dict(zip(trials.enrol_ids, evaluation.speakers[0], strict=True))
    found = {**found, **dict(zip(trials.test_ids, evaluation.speakers[1], strict=True))}
    return np.array([found[utt] for utt in utts])
