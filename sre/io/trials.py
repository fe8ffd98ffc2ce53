"""Trial lists, enrolment maps and score files, as index arrays: no Python object a trial."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from sre import SreError
from sre.io.atomic import atomic_output
from sre.io.tables import read_table


@dataclass
class Trials:
    """N trials over E enrolment models and T test utterances.

    Attributes
    ----------
    enrol_ids, test_ids : (E,) and (T,) arrays of str, sorted, unique
    enrol, test : (N,) int32, indices into them, in the order of the list
    target : (N,) bool, or None for an unlabelled list
    """

    enrol_ids: np.ndarray
    test_ids: np.ndarray
    enrol: np.ndarray
    test: np.ndarray
    target: np.ndarray | None

    def __len__(self) -> int:
        return len(self.enrol)


def _read_columns(path: Path, names: list[str]) -> pd.DataFrame:
    if not path.is_file():
        raise SreError(f"{path}: no such file; check the path")
    try:
        frame = pd.read_csv(path, sep=r"\s+", header=None, dtype=str, keep_default_na=False, engine="c")
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise SreError(f"{path}: {str(error).strip()}; each line needs {' '.join(names)}") from None
    if frame.shape[1] != len(names) or (frame == "").to_numpy().any():
        raise SreError(f"{path}: {frame.shape[1]} columns found; each line needs {' '.join(names)}")
    return frame.set_axis(names, axis=1)


def read_trials(path: str | Path) -> Trials:
    """Read `enrol test target|nontarget` lines, or VoxCeleb's `1|0 enrol test`.

    Raises SreError for a label that is neither, or a pair that stands twice.
    """
    path = Path(path)
    frame = _read_columns(path, ["enrol", "test", "target|nontarget"])
    label = frame["target|nontarget"]
    if set(frame["enrol"].unique()) <= {"0", "1"} and not label.isin(["target", "nontarget"]).all():
        frame = frame.set_axis(["label", "enrol", "test"], axis=1)
        label = frame["label"].map({"1": "target", "0": "nontarget"})
    odd = ~label.isin(["target", "nontarget"])
    if odd.any():
        line = int(np.argmax(odd)) + 1
        raise SreError(f"{path}:{line}: label '{label[line - 1]}'; write target or nontarget (or 1/0 first)")
    trials = index_trials(frame["enrol"], frame["test"], (label == "target").to_numpy())
    pair = trials.enrol.astype(np.int64) * len(trials.test_ids) + trials.test
    order = np.argsort(pair, kind="stable")
    twice = np.flatnonzero(np.diff(pair[order]) == 0)
    if len(twice):
        row = order[twice[0] + 1]
        raise SreError(
            f"{path}:{row + 1}: the pair {frame['enrol'][row]} {frame['test'][row]} stands twice"
            f" ({len(twice)} such lines); delete the copies"
        )
    return trials


def index_trials(enrol: Iterable[str], test: Iterable[str], target: np.ndarray | None) -> Trials:
    enrol_index, enrol_ids = pd.factorize(np.asarray(enrol, dtype=object), sort=True)
    test_index, test_ids = pd.factorize(np.asarray(test, dtype=object), sort=True)
    return Trials(enrol_ids, test_ids, enrol_index.astype(np.int32), test_index.astype(np.int32), target)


def write_trials(path: str | Path, rows: Iterable[tuple[str, str, bool]]) -> None:
    with atomic_output(path) as file:
        file.writelines(f"{enrol} {test} {'target' if is_target else 'nontarget'}\n" for enrol, test, is_target in rows)


def read_enroll_map(path: str | Path | None, trials: Trials) -> dict[str, list[str]]:
    """Enrolment model -> its utterances. Without a map each model is the utterance of its own name."""
    if path is None:
        return {model: [model] for model in trials.enrol_ids}
    table = {model: utts.split() for model, utts in read_table(path).items()}
    missing = [model for model in trials.enrol_ids if not table.get(model)]
    if missing:
        raise SreError(
            f"{path}: {len(missing)} enrolment models of the trials are not in this map, e.g. {missing[0]};"
            " add a line `model utt1 utt2 …` for each"
        )
    return {model: table[model] for model in trials.enrol_ids}


def needed_utterances(path: str | Path, enroll_map: str | Path | None = None) -> set[str]:
    """The utterances that a list needs: its tests, and those of its enrolment models."""
    trials = read_trials(path)
    models = read_enroll_map(enroll_map, trials).values()
    return set(trials.test_ids).union(*models)


def write_scores(path: str | Path, trials: Trials, scores: np.ndarray) -> None:
    """Write `enrol test score` lines; nine digits give every float32 back exactly."""
    enrol, test = trials.enrol_ids[trials.enrol], trials.test_ids[trials.test]
    with atomic_output(path) as file:
        for start in range(0, len(trials), 1 << 18):
            part = slice(start, start + (1 << 18))
            values = scores[part].astype(np.float32).tolist()
            file.writelines(map("%s %s %.9g\n".__mod__, zip(enrol[part], test[part], values, strict=True)))


def read_scores(path: str | Path) -> tuple[Trials, np.ndarray]:
    """Read `enrol test score`: the pairs (unlabelled) and their (N,) float64 scores."""
    path = Path(path)
    frame = _read_columns(path, ["enrol", "test", "score"])
    scores = pd.to_numeric(frame["score"], errors="coerce").to_numpy(np.float64)
    if not np.isfinite(scores).all():
        line = int(np.argmax(~np.isfinite(scores))) + 1
        raise SreError(f"{path}:{line}: score '{frame['score'][line - 1]}' is not a finite number; score it again")
    return index_trials(frame["enrol"], frame["test"], None), scores


def align_scores(score_path: str | Path, trial_path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Scores in the order of the trial list, and its labels: (N,) float64 and (N,) bool.

    Raises SreError where a trial has no score (scores without a trial are an error too: another list's file).
    """
    trials = read_trials(trial_path)
    pairs, scores = read_scores(score_path)
    known = pd.MultiIndex.from_arrays([pairs.enrol_ids[pairs.enrol], pairs.test_ids[pairs.test]])
    wanted = pd.MultiIndex.from_arrays([trials.enrol_ids[trials.enrol], trials.test_ids[trials.test]])
    if known.has_duplicates:
        raise SreError(f"{score_path}: a trial is scored twice; score it again")
    position = known.get_indexer(wanted)
    if (position < 0).any() or len(known) != len(wanted):
        missing = int((position < 0).sum())
        raise SreError(
            f"{score_path}: {missing} of {len(wanted)} trials of {trial_path} have no score and"
            f" {len(known) - len(wanted) + missing} scores have no trial; give the list that was scored"
        )
    return scores[position], trials.target
