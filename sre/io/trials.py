"""Trial lists, enrolment maps and score files, as index arrays: no Python object a trial."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from sre import SreError
from sre.io.atomic import atomic_output
from sre.io.columns import (
    NUMBER,
    Column,
    arrow_codes,
    arrow_numbers,
    arrow_strings,
    fault,
    line_of,
    read_columns,
    write_lines,
)
from sre.io.ids import alike, check_ids, shown
from sre.io.tables import read_table, warn_once
from sre.io.text import fields

WRITE_TRIALS = 1 << 17  # at a time
LABELS = {"target": True, "nontarget": False}
# Arrow writes the fewest digits that name a float32. Of all float32 only this one and its negative do not come back
# from them when they are read as a double that is then rounded, as Python and numpy do.
ROUNDED_TWICE = np.array([0x15AE43FD], np.uint32).view(np.float32)[0]  # 7.038531e-26


@dataclass
class Trials:
    """The P trials of a list, over E enrolment models and T test utterances.

    Attributes
    ----------
    enrol_ids, test_ids : (E,) and (T,) arrays of str, sorted, unique
    enrol, test : (P,) int32, indices into them, in the order of the list
    target : (P,) bool, or None for an unlabelled list
    """

    enrol_ids: np.ndarray
    test_ids: np.ndarray
    enrol: np.ndarray
    test: np.ndarray
    target: np.ndarray | None

    def __len__(self) -> int:
        return len(self.enrol)


@dataclass
class LabelledTrials(Trials):
    """Trials of which each is known to be a target or a nontarget; target : (P,) bool."""

    target: np.ndarray


def _indexed(enrol: Column, test: Column) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return enrol_ids, test_ids, enrol, test of Trials."""
    (enrol_ids, enrol_index), (test_ids, test_index) = enrol.sorted(), test.sorted()
    return enrol_ids, test_ids, enrol_index, test_index


def read_trials(path: str | Path) -> LabelledTrials:
    """Read `enrol test target|nontarget`, or VoxCeleb's `1|0 enrol test`, lines.

    Raises SreError for a label that is neither, or a pair that stands twice.
    """
    trials = read_pairs(path)
    if trials.target is None:
        raise SreError(
            f"{path}: its lines are `enrol test` without a label, and `enrol test target|nontarget` is needed here;"
            " give the list with its key (scoring alone takes it as it is)"
        )
    return LabelledTrials(trials.enrol_ids, trials.test_ids, trials.enrol, trials.test, trials.target)


def read_pairs(path: str | Path) -> Trials:
    """Read a trial list of `read_trials`, or one without labels: `enrol test` lines.

    Raises SreError for a label that is neither, or a pair that stands twice.
    """
    path, words = Path(path), LABELS
    (enrol, test, *labels), _ = read_columns(path, ["enrol", "test", "target|nontarget"], least=2)
    if not labels:
        trials = Trials(*_indexed(enrol, test), None)
        return _once(path, trials)
    (label,) = labels
    if set(enrol.strings) <= {"0", "1"} and not set(label.strings) <= words.keys():
        label, enrol, test = enrol, test, label
        words = {"1": True, "0": False}
    return _once(path, Trials(*_indexed(enrol, test), _labels(path, label, words)))


def _once(path: Path, trials: Trials) -> Trials:
    """Return the trials. Raises SreError if a pair stands twice."""
    if _any_twice(trials):
        raise _twice(path, trials)
    return trials


def _twice(path: Path, trials: Trials) -> SreError:
    codes = pair_codes(trials)
    copies = np.delete(np.arange(len(codes)), np.unique(codes, return_index=True)[1])
    target = np.zeros(len(codes), bool) if trials.target is None else trials.target
    contradicted = np.intersect1d(codes[target], codes[~target])
    row = copies[np.isin(codes[copies], contradicted)][0] if len(contradicted) else copies[0]
    where = f"{path}:{line_of(path, row)}: the pair"
    pair = f"{shown(trials.enrol_ids[trials.enrol[row]])} {shown(trials.test_ids[trials.test[row]])}"
    if len(contradicted):
        return SreError(f"{where} {pair} is target and nontarget ({len(contradicted)} such pairs); get the list again")
    name = shlex.quote(str(path))
    cure = f"delete the copies, e.g. awk '{{$1=$1}} !seen[$0]++' {name} > {name}.once"
    return SreError(f"{where} {pair} stands twice ({len(copies)} such lines); {cure}")


def _labels(path: Path, column: Column, words: dict[str, bool]) -> np.ndarray:
    odd = np.array([string not in words for string in column.strings])[column.codes]
    if odd.any():
        row = int(np.argmax(odd))
        label = column.strings[column.codes[row]]
        cure = "write target or nontarget (or 1/0 first)"
        if NUMBER.fullmatch(label) and label not in ("0", "1"):
            cure = f"these look like scores, give the trial list, or {cure}"
        raise SreError(f"{path}:{line_of(path, row)}: label '{shown(label)}'; {cure}")
    return np.array([words[string] for string in column.strings])[column.codes]


def pair_codes(trials: Trials) -> np.ndarray:
    """Return (P,) int64: one number for each pair of enrolment model and test."""
    return trials.enrol.astype(np.int64) * len(trials.test_ids) + trials.test


def _any_twice(trials: Trials) -> bool:
    codes, cells = pair_codes(trials), len(trials.enrol_ids) * len(trials.test_ids)
    if cells <= 16 * len(codes):  # ten times as quick as sorting
        seen = np.zeros(cells, bool)
        seen[codes] = True
        return int(np.count_nonzero(seen)) < len(codes)
    codes.sort()
    return bool((codes[1:] == codes[:-1]).any())


def write_trials(path: str | Path, rows: Iterable[tuple[str, str, bool]]) -> None:
    """Write `enrol test target|nontarget` lines, of (enrol, test, is target)."""
    with atomic_output(path) as file:
        file.writelines(f"{enrol} {test} {'target' if is_target else 'nontarget'}\n" for enrol, test, is_target in rows)


def read_enroll_map(path: str | Path | None, trials: Trials) -> dict[str, list[str]]:
    """Read enrolment model -> its utterances, each once. Without a map each model is the utterance of its own name."""
    if path is None:
        return {model: [model] for model in trials.enrol_ids}
    table = {model: fields(utts) for model, utts in read_table(path, by_hand=True).items()}
    missing = [model for model in trials.enrol_ids if not table.get(model)]
    if missing:
        raise SreError(
            f"{path}: {len(missing)} enrolment models of the trials are not in this map, e.g. {shown(missing[0])}"
            f"{alike(missing[0], table)}; add a line `model utt1 utt2 …` for each"
        )
    models = {model: list(dict.fromkeys(table[model])) for model in trials.enrol_ids}
    for model, utts in models.items():
        check_ids(f"{path}: {model}", utts, "utterance")
    doubled = [model for model, utts in models.items() if len(utts) < len(table[model])]
    if doubled:
        warn_once(f"{path}: {len(doubled)} models name an utterance twice, e.g. {doubled[0]}; it counts once")
    return models


def speakers_of_sides(
    trials: Trials, models: Mapping[str, list[str]], utt2spk: Mapping[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the speakers of the models (E,) and of the tests (T,); "" where nobody knows.

    models : model -> its utterances; its speaker is that of the first utterance whose speaker is known
    """
    sides = [next((utt2spk[utt] for utt in models[model] if utt in utt2spk), "") for model in trials.enrol_ids]
    return np.array(sides), np.array([utt2spk.get(utt, "") for utt in trials.test_ids])


def needed_utterances(path: str | Path, enroll_map: str | Path | None = None) -> set[str]:
    """Return the utterances that a list needs: its tests, and those of its enrolment models."""
    trials = read_pairs(path)
    models = read_enroll_map(enroll_map, trials).values()
    return set(trials.test_ids).union(*models)


Block = tuple[np.ndarray, np.ndarray, pa.Array | None]  # (P,) int32 places of enrolment models and tests, third column


def write_trial_blocks(path: str | Path, enrol_ids: np.ndarray, test_ids: np.ndarray, blocks: Iterable[Block]) -> None:
    """Write lines of some trials after those of others; a block's third column, if it has one, comes after its ids."""
    sides = arrow_strings(enrol_ids), arrow_strings(test_ids)
    quotes = any('"' in name for ids in (enrol_ids, test_ids) for name in ids)
    with atomic_output(path, "wb") as file:
        for enrol, test, third in blocks:
            columns = [arrow_codes(index, ids) for index, ids in zip((enrol, test), sides, strict=True)]
            columns += [] if third is None else [third]
            write_lines(pa.record_batch(columns, names=["enrol", "test", "third"][: len(columns)]), file, quotes)


def arrow_labels(target: np.ndarray) -> pa.Array:
    """Return (P,) bool as the words of a trial list."""
    return arrow_codes((~target).astype(np.int32), arrow_strings(list(LABELS)))


def write_scores(path: str | Path, trials: Trials, scores: np.ndarray) -> None:
    """Write `enrol test score` lines of (P,) scores; the digits give every float32 back exactly."""

    def blocks() -> Iterator[Block]:
        for start in range(0, len(trials), WRITE_TRIALS):
            part = slice(start, start + WRITE_TRIALS)
            values = scores[part].astype(np.float32)
            if (np.abs(values) == ROUNDED_TWICE).any():
                values = values.astype(np.float64)
            yield trials.enrol[part].astype(np.int32), trials.test[part].astype(np.int32), arrow_numbers(values)

    write_trial_blocks(path, trials.enrol_ids, trials.test_ids, blocks())


def read_scores(path: str | Path) -> tuple[Trials, np.ndarray]:
    """Read `enrol test score [target|nontarget]`: the pairs, labelled if all are, and their (P,) float64 scores."""
    path, names = Path(path), ["enrol", "test", "score", "target|nontarget"]  # WeSpeaker writes labels too
    (enrol, test, *labels), scores = read_columns(path, names)
    if not np.isfinite(scores).all():
        raise fault(path, names[: 3 + len(labels)])
    return Trials(*_indexed(enrol, test), _labels(path, labels[0], LABELS) if labels else None), scores


def align_scores(score_path: str | Path, trial_path: str | Path) -> tuple[np.ndarray, LabelledTrials]:
    """Return scores in the order of a labelled trial list, (P,) float64, and the list.

    Raises SreError as `scores_of` does, and where the one file is given for the other.
    """
    try:
        trials = read_trials(trial_path)
    except SreError:
        _check_swapped(score_path, trial_path)
        raise
    return scores_of(score_path, trials, trial_path), trials


def scores_of(score_path: str | Path, trials: Trials, trial_path: str | Path) -> np.ndarray:
    """Return the scores of a file in the order of trials, (P,) float64; `trial_path` names these in errors.

    Raises SreError where a trial has no score or two, or a score has no trial or another label.
    """
    pairs, scores = read_scores(score_path)
    if _any_twice(pairs):
        raise SreError(f"{score_path}: a trial is scored twice; score it again")
    wanted, known = pair_codes(trials), _codes_among(pairs, trials)
    by_pair, order = [slice(None)] * 2 if np.array_equal(known, wanted) else map(np.argsort, (known, wanted))
    if not np.array_equal(known[by_pair], wanted[order]):
        raise _other_trials(score_path, trial_path, trials, pairs, ~np.isin(wanted, known), ~np.isin(known, wanted))
    labels = None if pairs.target is None else pairs.target[by_pair]
    known_labels = None if trials.target is None else trials.target[order]
    if labels is not None and known_labels is not None and (differ := np.count_nonzero(labels != known_labels)):
        raise SreError(f"{score_path}: {differ} labels are not those of {trial_path}; give the list that was scored")
    aligned = np.empty(len(wanted))
    aligned[order] = scores[by_pair]
    return aligned


def _other_trials(
    score_path: str | Path, trial_path: str | Path, trials: Trials, pairs: Trials, lost: np.ndarray, more: np.ndarray
) -> SreError:
    """Return the error where some trials (P,) are `lost`, and some of the scored pairs are `more` than these."""
    found = []
    for some, of in ((trials, lost), (pairs, more)):
        row = int(np.argmax(of))
        pair = f"{shown(some.enrol_ids[some.enrol[row]])} {shown(some.test_ids[some.test[row]])}"
        found.append(f", e.g. {pair}" * bool(of.any()))
    return SreError(
        f"{score_path}: {lost.sum()} of {len(trials)} trials of {trial_path} have no score{found[0]}, and"
        f" {more.sum()} scores have no trial{found[1]}; give the list that was scored"
    )


def _check_swapped(score_path: str | Path, trial_path: str | Path) -> None:
    """Raise SreError if the one is a trial list and the other has scores."""
    try:
        read_trials(score_path), read_scores(trial_path)
    except SreError:
        return
    raise SreError(f"{trial_path} has scores and {score_path} trials; give the scores first, then the trials")


def _codes_among(pairs: Trials, trials: Trials) -> np.ndarray:
    """Return (P,) int64: the pairs' numbers in `pair_codes(trials)`; -1 for ids that it does not have."""
    places = []
    for ids, among in ((pairs.enrol_ids, trials.enrol_ids), (pairs.test_ids, trials.test_ids)):
        table = {name: place for place, name in enumerate(among)}
        places.append(np.array([table.get(name, -1) for name in ids], np.int64))
    enrol, test = places[0][pairs.enrol], places[1][pairs.test]
    return np.where((enrol < 0) | (test < 0), -1, enrol * len(trials.test_ids) + test)
