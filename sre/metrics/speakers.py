"""The speakers of a trial list's two sides, and the intervals that draw them.

Legend: P trials, E enrolment models, T test utterances.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sre import SreError
from sre.io.tables import read_utt2spk
from sre.io.trial_check import check_labels
from sre.io.trials import LabelledTrials, Trials, read_enroll_map, speakers_of_sides
from sre.machine.log import say
from sre.metrics.bootstrap import Bootstrap, interval_column, intervals, why_no_interval


def check_speakers_known(trials: Trials, sides: tuple[np.ndarray, np.ndarray], utt2spk: Path) -> None:
    """Raise SreError if a model or test has no speaker: drawing trials instead would claim far too much."""
    if lost := [*trials.enrol_ids[sides[0] == ""], *trials.test_ids[sides[1] == ""]]:
        raise SreError(
            f"{utt2spk}: no speaker of {len(lost)} models and tests, e.g. {lost[0]}, and intervals draw speakers;"
            " add them, or give --enroll-map where models are no utterances"
        )


def bootstrap_of(
    trials: Trials, speakers: tuple[np.ndarray, np.ndarray] | None, replicates: int, seed: int
) -> Bootstrap:
    """Return draws of the speakers of models (E,) and tests (T,), or of the trials if some have no speaker."""
    if speakers is None or "" in np.concatenate(speakers):
        return Bootstrap.of_trials(len(trials), replicates, seed)
    codes = np.unique(np.concatenate(speakers), return_inverse=True)[1]
    models, tests = codes[: len(speakers[0])], codes[len(speakers[0]) :]
    return Bootstrap.of_speakers(models[trials.enrol], tests[trials.test], replicates, seed)


def intervals_of(
    summary: dict,
    scores: np.ndarray,
    trials: LabelledTrials,
    files: tuple[Path, Path | None, Path],
    wanted: Mapping[str, str],
) -> dict:
    """Return `intervals` and `bootstrap` of a summary of (P,) scores; say which of `wanted` have none, and why.

    files : the trial list, the enrolment map (None: models are utterances), and utt2spk
    wanted : name that a person reads -> its key in the summary

    Raises SreError where a speaker is not known, or labels are not as utt2spk has them.
    """
    trials_file, enroll_map, utt2spk_file = files
    models, utt2spk = read_enroll_map(enroll_map, trials), read_utt2spk(utt2spk_file)
    speakers = speakers_of_sides(trials, models, utt2spk)
    check_speakers_known(trials, speakers, utt2spk_file)
    check_labels(trials_file, trials, models, utt2spk)
    drawn = bootstrap_of(trials, speakers, 1000, seed=1)
    draws = drawn.replicates(scores, trials.target)
    bounds = intervals(summary, draws, drawn.speakers)
    reasons: dict[str, list[str]] = {}
    for name, key in wanted.items():
        if bounds[key] is None:
            reason = why_no_interval(draws[interval_column(key, draws)], drawn.speakers)
            reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        say(f"no 95 % interval of {', '.join(names)}: {reason}")
    return {"intervals": bounds, "bootstrap": drawn.facts()}
