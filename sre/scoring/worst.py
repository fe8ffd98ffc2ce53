"""The worst of one system on one trial list: speakers, utterances and pairs, and each wrong trial.

As sre/scoring/sides.py; legend: N trials, E enrolment models, T test utterances, S speakers.
"""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from sre.scoring.sides import Row, Sides, outcomes, rates_of


def worst_speakers(scores: np.ndarray, sides: Sides, threshold: float, top: int = 10) -> list[Row]:
    """The speakers with the greatest sum of P_miss and P_fa, the worst first.

    P_miss of his target trials is high for a "goat", P_fa of the nontarget trials with him on either side for a "lamb"
    or "wolf" (G. Doddington et al., ICSLP, 1998).
    """
    enrol, test, size = sides.enrol_speaker, sides.test_speaker, len(sides.speakers)

    def involved(some: np.ndarray) -> list[int]:
        twice = np.bincount(enrol[some], minlength=size) + np.bincount(test[some], minlength=size)
        return (twice - np.bincount(enrol[some & (enrol == test)], minlength=size)).tolist()

    counts = zip(*map(involved, outcomes(scores, sides, threshold)), strict=True)
    rows: list[Row] = [{"speaker": name} | rates_of(*four) for name, four in zip(sides.speakers, counts, strict=True)]
    return sorted(rows, key=lambda row: -((row["p_miss"] or 0) + (row["p_fa"] or 0)))[:top]


def worst_utterances(scores: np.ndarray, sides: Sides, threshold: float, top: int = 10) -> list[Row]:
    """Return the utterances with the greatest sum of P_miss and P_fa, the worst first, each with its file.

    The rates are of the trials with the utterance as the test, or in the enrolment of the model.
    """
    utts = sorted(set(sides.trials.test_ids).union(*sides.models))
    place = {utt: at for at, utt in enumerate(utts)}
    tests = np.array([place[utt] for utt in sides.trials.test_ids])  # (T,)
    members = np.array([(model, place[utt]) for model, of in enumerate(sides.models) for utt in dict.fromkeys(of)])

    def involved(some: np.ndarray) -> np.ndarray:
        of_model = np.bincount(sides.trials.enrol[some], minlength=len(sides.models))  # (E,)
        count = np.bincount(tests[sides.trials.test[some]], minlength=len(utts))
        np.add.at(count, members[:, 1], of_model[members[:, 0]])
        return count

    counts = np.stack([involved(some) for some in outcomes(scores, sides, threshold)], axis=1).tolist()
    found: list[Row] = [
        {"utterance": utt, "speaker": sides.utt2spk[utt]} | rates_of(*four)
        for utt, four in zip(utts, counts, strict=True)
    ]
    worst = sorted(found, key=lambda row: -((row["p_miss"] or 0) + (row["p_fa"] or 0)))[:top]
    return [row | {"file": sides.file([str(row["utterance"])])} for row in worst]


def confusing_pairs(scores: np.ndarray, sides: Sides, threshold: float, top: int = 10) -> list[Row]:
    """The `top` nontarget trials with the highest scores, then the target trials with the lowest; columns of _table."""

    def lowest(values: np.ndarray, kind: np.ndarray) -> np.ndarray:
        return np.flatnonzero(kind)[np.argsort(values[kind], kind="stable")[:top]]

    at = np.concatenate([lowest(-scores, ~sides.trials.target), lowest(scores, sides.trials.target)])
    return _table(at, ("nontarget", "target"), scores, sides, threshold).astype(object).to_dict("records")


def trial_errors(scores: np.ndarray, sides: Sides, threshold: float) -> pd.DataFrame:
    """Each trial that the threshold decides wrongly, the largest |score - threshold| first; columns of _table."""
    at = np.flatnonzero((scores >= threshold) != sides.trials.target)
    at = at[np.argsort(-np.abs(scores[at] - threshold), kind="stable")]
    return _table(at, ("false alarm", "miss"), scores, sides, threshold)


def _table(at: np.ndarray, kinds: Sequence[str], scores: np.ndarray, sides: Sides, threshold: float) -> pd.DataFrame:
    """Trials at (n,) places: kind (of a nontarget, of a target), enrol, test, score, margin (score - threshold),
    both speakers, enrol_<name> and test_<name> of each attribute, enrol_files and test_file; all text is categorical.
    """
    models, tests = sides.trials.enrol[at], sides.trials.test[at]
    columns = {
        "kind": pd.Categorical.from_codes(sides.trials.target[at].astype(np.int8), kinds),
        "enrol": _column(models, sides.trials.enrol_ids),
        "test": _column(tests, sides.trials.test_ids),
        "score": scores[at],
        "margin": (scores[at] - threshold).astype(np.float32),  # the digits of a float32 say enough
        "enrol_speaker": _column(sides.enrol_speaker[at], sides.speakers),
        "test_speaker": _column(sides.test_speaker[at], sides.speakers),
    }
    for name in sides.tables:
        columns[f"enrol_{name[4:]}"] = _column(models, sides.models, partial(sides.value, name))
        columns[f"test_{name[4:]}"] = _column(tests, sides.tests, partial(sides.value, name))
    columns["enrol_files"] = _column(models, sides.models, sides.file)
    return pd.DataFrame(columns | {"test_file": _column(tests, sides.tests, sides.file)})


def _column(places: np.ndarray, things: Sequence | np.ndarray, text_of: Callable[..., str] = str) -> pd.Categorical:
    used, codes = np.unique(places, return_inverse=True)
    texts, text_codes = np.unique(np.array([text_of(things[place]) for place in used], object), return_inverse=True)
    return pd.Categorical.from_codes(text_codes[codes], texts)
