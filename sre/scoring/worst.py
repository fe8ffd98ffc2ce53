"""The worst of one system on one trial list: speakers, utterances and pairs, and each wrong trial.

As sre/scoring/described.py; legend: P trials, E enrolment models, T test utterances, S speakers.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from sre.scoring.described import DescribedTrials, ErrorRow, outcomes, rates_of


def worst_speakers(scores: np.ndarray, described: DescribedTrials, threshold: float, top: int = 10) -> list[ErrorRow]:
    """The speakers with the greatest sum of P_miss and P_fa, the worst first.

    P_miss of his target trials is high for a "goat", P_fa of the nontarget trials with him on either side for a "lamb"
    or "wolf" (G. Doddington et al., ICSLP, 1998).
    """
    enrol, test, size = described.enrol_speaker, described.test_speaker, len(described.speakers)

    def involved(some: np.ndarray) -> list[int]:
        twice = np.bincount(enrol[some], minlength=size) + np.bincount(test[some], minlength=size)
        return (twice - np.bincount(enrol[some & (enrol == test)], minlength=size)).tolist()

    counts = zip(*map(involved, outcomes(scores, described, threshold)), strict=True)
    return _worst((ErrorRow(speaker=name) for name in described.speakers), counts, top)


def _worst(things: Iterable[ErrorRow], counts: Iterable[Sequence[int]], top: int) -> list[ErrorRow]:
    rows = [thing | rates_of(*four) for thing, four in zip(things, counts, strict=True)]
    return sorted(rows, key=lambda row: -((row["p_miss"] or 0) + (row["p_fa"] or 0)))[:top]


def worst_utterances(scores: np.ndarray, described: DescribedTrials, threshold: float, top: int = 10) -> list[ErrorRow]:
    """Return the utterances with the greatest sum of P_miss and P_fa, the worst first, each with its file.

    The rates are of the trials with the utterance as the test, or in the enrolment of the model.
    """
    utts = sorted(set(described.trials.test_ids).union(*described.models))
    place = {utt: at for at, utt in enumerate(utts)}
    tests = np.array([place[utt] for utt in described.trials.test_ids])  # (T,)
    members = np.array([(model, place[utt]) for model, of in enumerate(described.models) for utt in dict.fromkeys(of)])

    def involved(some: np.ndarray) -> list[int]:
        of_model = np.bincount(described.trials.enrol[some], minlength=len(described.models))  # (E,)
        count = np.bincount(tests[described.trials.test[some]], minlength=len(utts))
        np.add.at(count, members[:, 1], of_model[members[:, 0]])
        return count.tolist()

    counts = zip(*map(involved, outcomes(scores, described, threshold)), strict=True)
    worst = _worst((ErrorRow(utterance=utt, speaker=described.utt2spk[utt]) for utt in utts), counts, top)
    return [row | {"file": described.file([row["utterance"]])} for row in worst]


def confusing_pairs(scores: np.ndarray, described: DescribedTrials, threshold: float, top: int = 10) -> list[ErrorRow]:
    """The `top` nontarget trials with the highest scores, then the target trials with the lowest; columns of _table."""

    def lowest(values: np.ndarray, kind: np.ndarray) -> np.ndarray:
        return np.flatnonzero(kind)[np.argsort(values[kind], kind="stable")[:top]]

    at = np.concatenate([lowest(-scores, ~described.trials.target), lowest(scores, described.trials.target)])
    return _table(at, ("nontarget", "target"), scores, described, threshold).astype(object).to_dict("records")


def trial_errors(scores: np.ndarray, described: DescribedTrials, threshold: float) -> pd.DataFrame:
    """Each trial that the threshold decides wrongly, the largest |score - threshold| first; columns of _table."""
    at = np.flatnonzero((scores >= threshold) != described.trials.target)
    at = at[np.argsort(-np.abs(scores[at] - threshold), kind="stable")]
    return _table(at, ("false alarm", "miss"), scores, described, threshold)


def _table(
    at: np.ndarray, kinds: Sequence[str], scores: np.ndarray, described: DescribedTrials, threshold: float
) -> pd.DataFrame:
    """Trials at (n,) places: kind (of a nontarget, of a target), enrol, test, score, margin (score - threshold),
    both speakers, enrol_<name> and test_<name> of each attribute, enrol_files and test_file; all text is categorical.
    """
    models, tests = described.trials.enrol[at], described.trials.test[at]
    columns = {
        "kind": pd.Categorical.from_codes(described.trials.target[at].astype(np.int8), kinds),
        "enrol": _column(models, described.trials.enrol_ids),
        "test": _column(tests, described.trials.test_ids),
        "score": scores[at],
        "margin": (scores[at] - threshold).astype(np.float32),  # the digits of a float32 say enough
        "enrol_speaker": _column(described.enrol_speaker[at], described.speakers),
        "test_speaker": _column(described.test_speaker[at], described.speakers),
    }
    for name in described.tables:
        columns[f"enrol_{name[4:]}"] = _column(models, described.models, partial(described.value, name))
        columns[f"test_{name[4:]}"] = _column(tests, described.tests, partial(described.value, name))
    columns["enrol_files"] = _column(models, described.models, described.file)
    return pd.DataFrame(columns | {"test_file": _column(tests, described.tests, described.file)})


def _column(places: np.ndarray, things: Sequence | np.ndarray, text_of: Callable[..., str] = str) -> pd.Categorical:
    used, codes = np.unique(places, return_inverse=True)
    texts, text_codes = np.unique(np.array([text_of(things[place]) for place in used], object), return_inverse=True)
    return pd.Categorical.from_codes(text_codes[codes], texts)
