"""The two sides of a trial list of a data directory: enrolment models and tests, with what is known of them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sre import SreError
from sre.datadir.datadir import DataDir
from sre.datadir.draws import Draw
from sre.io.tables import invert
from sre.machine.log import warn

UNKNOWN = "unknown"  # the gender of whom no table tells


@dataclass(frozen=True)
class TrialRules:
    """Which trials are made.

    Attributes
    ----------
    seed : of all draws
    per_speaker : target trials that a speaker has at most; None: all
    nontargets : nontarget trials for each target trial, about equally many of each speaker; None: all
    enrol : utterances of an enrolment model, which are no tests; None: a model is an utterance, and a pair stands once
    models : enrolment models of a speaker, where `enrol` is given
    other_sessions : a target trial's test is of another session than its model, where a speaker has two
    same_gender : a nontarget trial is of one gender, where spk2gender tells it
    labelled : the lines have their labels
    """

    seed: int = 1
    per_speaker: int | None = None
    nontargets: float | None = None
    enrol: int | None = None
    models: int = 1
    other_sessions: bool = True
    same_gender: bool = True
    labelled: bool = True


@dataclass
class Sides:
    """The models and tests that trials are made of.

    Attributes
    ----------
    models : model -> its utterances, in the order of the sorted ids; E of them
    tests : (T,) sorted ids
    speakers : sorted
    enrol_speaker, test_speaker : (E,) and (T,) places among the speakers
    test_session, model_sessions : (T,) sessions of the tests as numbers, and those of each model
    gender : of each speaker, as a number
    mirrored : models are the tests themselves, and a pair stands once
    """

    models: dict[str, list[str]]
    tests: list[str]
    speakers: list[str]
    enrol_speaker: np.ndarray
    test_speaker: np.ndarray
    test_session: np.ndarray
    model_sessions: list[np.ndarray]
    gender: np.ndarray
    mirrored: bool

    def codes(self, enrol: np.ndarray, test: np.ndarray) -> np.ndarray:
        """Return the codes of pairs, of which mirrored ones have the earlier utterance first."""
        if self.mirrored:
            enrol, test = np.minimum(enrol, test), np.maximum(enrol, test)
        return enrol.astype(np.int64) * len(self.tests) + test


def sides_of(data: DataDir, rules: TrialRules, remarks: list[str]) -> Sides:
    utts = data.utts
    utt2spk = data.utt2spk or {utt: utt for utt in utts}
    sessions = data.sessions if rules.other_sessions else None
    if sessions is not None and (lost := [utt for utt in utts if utt not in sessions]):
        raise SreError(f"{data.path}: {len(lost)} utterances have no session, e.g. {lost[0]}; add them to its table")
    of_speaker = invert({utt: utt2spk[utt] for utt in utts})
    if sessions and all(len({sessions[utt] for utt in some}) == 1 for some in of_speaker.values()):
        warn(f"{data.path}: no speaker has two sessions: target trials are within one, which is easier than across two")
        sessions = None
    if rules.enrol is None:
        models, tests = {utt: [utt] for utt in utts}, utts
    else:
        models = _draw_models(of_speaker, sessions, rules, remarks)
        taken = {utt for model in models.values() for utt in model}
        tests = [utt for utt in utts if utt not in taken]
    speakers = {speaker: place for place, speaker in enumerate(of_speaker)}
    # without sessions each utterance is one of its own
    number = {name: place for place, name in enumerate(dict.fromkeys((sessions or {}).values()))}
    session = [number[sessions[utt]] for utt in tests] if sessions else range(len(tests))
    inside = [{number[sessions[utt]] for utt in model} if sessions else () for model in models.values()]
    genders = (data.tables.get("spk2gender") or {}) if rules.same_gender else {}
    kinds = {kind: place for place, kind in enumerate(sorted({*genders.values(), UNKNOWN}))}
    return Sides(
        models,
        tests,
        list(of_speaker),
        enrol_speaker=np.array([speakers[utt2spk[utts[0]]] for utts in models.values()], np.int32),
        test_speaker=np.array([speakers[utt2spk[utt]] for utt in tests], np.int32),
        test_session=np.array(session, np.int32),
        model_sessions=[np.array(sorted(those), np.int32) for those in inside],
        gender=np.array([kinds[genders.get(speaker, UNKNOWN)] for speaker in of_speaker], np.int32),
        mirrored=rules.enrol is None,
    )


def _draw_models(
    of_speaker: Mapping[str, list[str]], sessions: Mapping[str, str] | None, rules: TrialRules, remarks: list[str]
) -> dict[str, list[str]]:
    """Return model -> utterances, sorted by model; a model is of one session where one has enough utterances."""
    assert rules.enrol is not None
    models: dict[str, list[str]] = {}
    without = []
    for speaker, utts in of_speaker.items():
        if len(utts) <= rules.enrol * rules.models:
            without.append(speaker)
            continue
        draw = Draw("enrol", rules.seed, speaker)
        groups = invert({utt: sessions[utt] if sessions else "" for utt in utts})
        left = [draw.shuffled(groups[session]) for session in draw.shuffled(list(groups))]
        for number in range(1, rules.models + 1):
            group = next((group for group in left if len(group) >= rules.enrol), None)
            chosen = (group if group is not None else [utt for group in left for utt in group])[: rules.enrol]
            left = [[utt for utt in group if utt not in chosen] for group in left]
            models[speaker if rules.models == 1 else f"{speaker}-{number}"] = sorted(chosen)
    if without:
        need = rules.enrol * rules.models + 1
        remarks.append(f"{len(without)} speakers have no model, with fewer than {need} utterances, e.g. {without[0]}")
    return dict(sorted(models.items()))


def rows_by(speaker: np.ndarray) -> dict[int, np.ndarray]:
    """Return speaker -> its rows, both ascending."""
    order = np.argsort(speaker, kind="stable")
    found, starts = np.unique(speaker[order], return_index=True)
    return dict(zip(found.tolist(), np.split(order, starts[1:]), strict=False))  # of nothing, split makes one part
