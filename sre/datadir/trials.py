"""Trial lists made of a data directory: all pairs or a seeded draw, across sessions, within a gender, with models.

The order of the tables' lines changes nothing. Legend: E enrolment models, T test utterances; the code of a pair is
model x T + test, of places among the sorted ids.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sre import SreError
from sre.datadir.datadir import DataDir
from sre.datadir.draws import Draw
from sre.datadir.nontargets import all_nontargets, draw_nontargets
from sre.datadir.trial_sides import Sides, TrialRules, rows_by, sides_of
from sre.io.tables import write_table
from sre.io.trials import Block, arrow_labels, write_trial_blocks

AT_ONCE = 1 << 17  # trials that are written at a time


@dataclass
class MadeTrials:
    """What was written: counts, and sentences on whom it leaves out."""

    targets: int = 0
    nontargets: int = 0
    models: int = 0
    tests: int = 0
    speakers: int = 0
    remarks: list[str] = field(default_factory=list)


def make_trials(data: DataDir, rules: TrialRules, out: str | Path, enroll_map: str | Path | None = None) -> MadeTrials:
    """Write a trial list in bytewise order, and with `rules.enrol` the utterances of each model to `enroll_map`.

    data : read with every table; utt2session or utt2chapter and spk2gender are used where they are there
    Of all nontarget pairs, only those of one model are in memory at a time. Without utt2spk all pairs can be made, if
    no label is asked for. Raises SreError where labels are asked for and there is no target or no nontarget trial.
    """
    made = MadeTrials()
    sides = sides_of(data, rules, made.remarks)
    targets = _targets(sides, rules, made.remarks)
    nontargets = None
    if rules.nontargets is not None:
        nontargets = draw_nontargets(sides, round(rules.nontargets * len(targets)), rules.seed, made.remarks)
    if rules.labelled:
        _check_kinds(data, sides, targets, nontargets, made.remarks)
    ids = np.array(list(sides.models), dtype=object), np.array(sides.tests, dtype=object)
    if enroll_map is not None:
        write_table(enroll_map, {model: " ".join(utts) for model, utts in sides.models.items()})
    write_trial_blocks(out, *ids, _written(sides, targets, nontargets, rules.labelled, made))
    made.models, made.tests, made.speakers = len(sides.models), len(sides.tests), len(sides.speakers)
    return made


def _check_kinds(
    data: DataDir, sides: Sides, targets: np.ndarray, nontargets: np.ndarray | None, remarks: list[str]
) -> None:
    """Raise SreError where there is no target or no nontarget trial."""
    some = any(len(tests) for _, tests in all_nontargets(sides)) if nontargets is None else len(nontargets)
    if not (len(targets) and some):
        kind = "nontarget" if len(targets) else "target"
        raise SreError(
            f"{data.path}: no {kind} trial can be made of its {len(sides.speakers)} speakers and"
            f" {len(data.utts)} utterances ({'; '.join(remarks) or 'there are too few'}); take more of them, or allow"
            " trials of one session or of both genders"
        )


def _targets(sides: Sides, rules: TrialRules, remarks: list[str]) -> np.ndarray:
    """Return the sorted codes of the target trials."""
    by_test, by_model = rows_by(sides.test_speaker), rows_by(sides.enrol_speaker)
    codes, without = [np.empty(0, np.int64)], []
    for place in by_model:
        tests = by_test.get(place, np.empty(0, np.int64))
        if sides.mirrored:
            first, second = (tests[side] for side in np.triu_indices(len(tests), 1))
            apart = sides.test_session[first] != sides.test_session[second]
            found = sides.codes(first[apart], second[apart])
        else:
            others = [
                sides.codes(np.array(model), tests[~np.isin(sides.test_session[tests], sides.model_sessions[model])])
                for model in by_model[place].tolist()
            ]
            found = np.concatenate(others)
        if not len(found):
            without.append(sides.speakers[place])
        if rules.per_speaker is not None and len(found) > rules.per_speaker:
            draw = Draw("target", rules.seed, sides.speakers[place])
            found = found[draw.distinct(rules.per_speaker, len(found))]
        codes.append(found)
    if without and len(without) < len(sides.tests):  # else each utterance is a speaker, for want of utt2spk
        remarks.append(
            f"{len(without)} speakers have no target trial, for want of a second utterance or session,"
            f" e.g. {without[0]}"
        )
    return np.sort(np.concatenate(codes))


def _rows(sides: Sides, targets: np.ndarray, nontargets: np.ndarray | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield sorted codes of the trials, and whether they are targets, in the order of the list."""
    if nontargets is not None:
        codes = np.concatenate([targets, nontargets])
        order = np.argsort(codes, kind="stable")
        yield codes[order], order < len(targets)
        return
    T = len(sides.tests)
    ends = np.searchsorted(targets, np.arange(len(sides.models) + 1) * T).tolist()
    for model, tests in all_nontargets(sides):
        own = targets[ends[model] : ends[model + 1]]
        codes = np.concatenate([own, model * T + tests])
        order = np.argsort(codes, kind="stable")
        yield codes[order], order < len(own)


def _written(
    sides: Sides, targets: np.ndarray, nontargets: np.ndarray | None, labelled: bool, made: MadeTrials
) -> Iterator[Block]:
    """Yield what is written, and count it."""
    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    count = 0
    for codes, target in _rows(sides, targets, nontargets):
        made.targets += int(target.sum())
        made.nontargets += int((~target).sum())
        waiting.append((codes, target))
        count += len(codes)
        if count >= AT_ONCE:
            yield from _blocks(waiting, len(sides.tests), labelled)
            waiting, count = [], 0
    yield from _blocks(waiting, len(sides.tests), labelled)


def _blocks(rows: list[tuple[np.ndarray, np.ndarray]], T: int, labelled: bool) -> Iterator[Block]:
    if not rows:
        return
    codes, target = (np.concatenate([row[side] for row in rows]) for side in (0, 1))
    for start in range(0, len(codes), AT_ONCE):
        enrol, test = (side.astype(np.int32) for side in np.divmod(codes[start : start + AT_ONCE], T))
        yield enrol, test, arrow_labels(target[start : start + AT_ONCE]) if labelled else None
