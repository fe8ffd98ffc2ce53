"""A trial list and its enrolment map held against who speaks: labels, models of several speakers, tests of themselves.

Legend: P trials, E enrolment models, T test utterances.
"""

from collections.abc import Iterable, Mapping

import numpy as np

from sre import SreError
from sre.io.ids import shown
from sre.io.trials import LabelledTrials, Trials, pair_codes, speakers_of_sides

MOST_OWN = 0.01  # of the target trials may test a model with one of its own utterances


def check_labels(
    what: object, trials: LabelledTrials, models: Mapping[str, list[str]], utt2spk: Mapping[str, str]
) -> None:
    """Raise SreError if a model has several speakers, or a label is not that of its two speakers.

    The error has counts and an example of each. `what` names the list. Utterances of unknown speakers are passed over;
    nothing is checked if utt2spk `speaks_for_itself`.
    """
    if speaks_for_itself(utt2spk):
        return
    problems = [*several_speakers(what, trials, models, utt2spk), *_contradicted(what, trials, models, utt2spk)]
    if problems:
        raise SreError("\n".join(problems))


def speaks_for_itself(utt2spk: Mapping[str, str]) -> bool:
    """Return whether each utterance is named as a speaker of its own, as Kaldi's tables do for want of speakers."""
    return all(utt == speaker for utt, speaker in utt2spk.items())


def check_pairs(what: object, trials: LabelledTrials) -> None:
    """Raise SreError if `a b` is a target and `b a` a nontarget trial; for models that are utterances."""
    names, codes = np.unique(np.concatenate([trials.enrol_ids, trials.test_ids]).astype(str), return_inverse=True)
    sides = codes[: len(trials.enrol_ids)][trials.enrol], codes[len(trials.enrol_ids) :][trials.test]
    pairs = np.minimum(*sides).astype(np.int64) * len(names) + np.maximum(*sides)
    both = np.intersect1d(pairs[trials.target], pairs[~trials.target])
    if len(both):
        a, b = (shown(names[place]) for place in divmod(int(both[0]), len(names)))
        raise SreError(
            f"{what}: {len(both)} pairs are target in one order and nontarget in the other, e.g. {a} {b}; keep one"
        )


def own_tests(trials: Trials, models: Mapping[str, Iterable[str]]) -> np.ndarray:
    """Return (P,) bool: whether the test is among the utterances of its model."""
    place = {utt: at for at, utt in enumerate(trials.test_ids)}
    members = ((model, utt) for model, name in enumerate(trials.enrol_ids) for utt in models[name])
    own = [model * len(place) + place[utt] for model, utt in members if utt in place]
    return np.isin(pair_codes(trials), np.array(own, np.int64))


def own_targets(what: object, trials: Trials, models: Mapping[str, Iterable[str]]) -> tuple[int, str]:
    """Return the number of target trials of a model with an utterance of its own, and a sentence on them, or "".

    A trial without a label that is of such a pair is a target trial, too.
    """
    own = own_tests(trials, models) & (True if trials.target is None else trials.target)
    if not own.any():
        return 0, ""
    row, count = int(np.argmax(own)), int(own.sum())
    of = f"{len(trials)} trials" if trials.target is None else f"{int(trials.target.sum())} target trials"
    return count, (
        f"{what}: {count} of {of} test a model with one of its own utterances, e.g."
        f" {trials.enrol_ids[trials.enrol[row]]} with {trials.test_ids[trials.test[row]]}; error rates are too low"
    )


def check_own_tests(what: object, trials: LabelledTrials, models: Mapping[str, list[str]]) -> str:
    """Return the sentence of `own_targets`. Raises SreError if they are more than MOST_OWN of the target trials."""
    count, said = own_targets(what, trials, models)
    if count > MOST_OWN * trials.target.sum():
        raise SreError(f"{said}: take these trials out, or these utterances out of the enrolment map")
    return said


def several_speakers(
    what: object, trials: Trials, models: Mapping[str, list[str]], utt2spk: Mapping[str, str]
) -> list[str]:
    """Return one sentence on the models with utterances of several speakers, or none if there are no such models."""
    found = {model: sorted({utt2spk[utt] for utt in models[model] if utt in utt2spk}) for model in trials.enrol_ids}
    several = [model for model in trials.enrol_ids if len(found[model]) > 1]
    if not several:
        return []
    example = f"{shown(several[0])} has {', '.join(map(shown, found[several[0]][:3]))}"
    return [
        f"{what}: {len(several)} of {len(found)} models have utterances of several speakers by utt2spk, e.g. {example};"
        " mend the enrolment map or utt2spk"
    ]


def _contradicted(
    what: object, trials: LabelledTrials, models: Mapping[str, list[str]], utt2spk: Mapping[str, str]
) -> list[str]:
    speakers, codes = np.unique(np.concatenate(speakers_of_sides(trials, models, utt2spk)), return_inverse=True)
    enrol, test = codes[: len(trials.enrol_ids)][trials.enrol], codes[len(trials.enrol_ids) :][trials.test]
    known = speakers != ""
    wrong = ((enrol == test) != trials.target) & known[enrol] & known[test]
    count = int(wrong.sum())
    if not count:
        return []
    row = int(np.argmax(wrong))
    label = "target" if trials.target[row] else "nontarget"
    inverted = "; they seem to be inverted" if count > 0.9 * len(wrong) else ""
    return [
        f"{what}: {count} of {len(wrong)} labels are not those of utt2spk{inverted}, e.g."
        f" {shown(trials.enrol_ids[trials.enrol[row]])} {shown(trials.test_ids[trials.test[row]])} is {label}, of the"
        f" speakers {shown(speakers[enrol[row]])} and {shown(speakers[test[row]])}; mend the list or utt2spk"
    ]
