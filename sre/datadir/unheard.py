"""Utterances of training speakers that nothing is trained on: a network's closed-set accuracy is measured on them."""

from collections.abc import Mapping
from dataclasses import dataclass

from sre import SreError
from sre.datadir.datadir import SESSIONS, DataDir
from sre.datadir.draws import Draw
from sre.io.tables import invert

LEAST_SPEAKERS = 0.5  # share of the speakers that must give some


@dataclass(frozen=True)
class Cut:
    """The utterances of a data directory in two parts, each sorted, and the speakers that gave none, sorted."""

    heard: list[str]
    unheard: list[str]
    without: list[str]


def cut(data: DataDir, utterances: float, by: str = "utterance", seed: int = 1) -> Cut:
    """Draw utterances of each speaker by a seed.

    utterances : so many of each speaker; below 1: this share of the speaker's, rounded, at least one
    by : "utterance"; or "session": whole sessions, by utt2session or utt2chapter, until there are so many
    A speaker keeps at least as many as it gives, else it gives none. Raises SreError where sessions are not known, and
    where fewer than half of the speakers give any.
    """
    utt2spk, sessions = data.tables["utt2spk"], data.sessions if by == "session" else None
    if by == "session" and (sessions is None or any(utt not in sessions for utt in utt2spk)):
        raise SreError(
            f"{data.path}: {' and '.join(SESSIONS)} do not tell the session of every utterance, and"
            " identification.by is session; add a table, or take by: utterance"
        )
    unheard, without = list[str](), list[str]()
    speakers = invert(utt2spk)
    for speaker, utts in speakers.items():
        wanted = round(utterances) if utterances >= 1 else max(1, round(utterances * len(utts)))
        given = _given(utts, wanted, sessions, Draw("unheard", seed, speaker))
        unheard += given
        without += [] if given else [speaker]
    if len(speakers) - len(without) < LEAST_SPEAKERS * len(speakers):
        raise SreError(
            f"{data.path}: {len(without)} of {len(speakers)} speakers have too few utterances"
            f"{' or sessions' * (by == 'session')} to give {utterances:g} and keep as many, e.g. {without[0]}; lower"
            f" identification.utterances{', or take by: utterance' * (by == 'session')}"
        )
    spared = set(unheard)
    return Cut([utt for utt in data.utts if utt not in spared], sorted(unheard), without)


def _given(utts: list[str], wanted: int, sessions: Mapping[str, str] | None, draw: Draw) -> list[str]:
    """Return what a speaker gives: `wanted` utterances or, of whole sessions, perhaps more."""
    units = list(invert({utt: sessions[utt] for utt in utts}).values()) if sessions else [[utt] for utt in utts]
    given = list[str]()
    for unit in draw.shuffled(units):
        if len(given) < wanted and 2 * (len(given) + len(unit)) <= len(utts):
            given += unit
    return given if len(given) >= wanted else []


def in_heard_sessions(heard: DataDir, unheard: DataDir) -> int | None:
    """Return how many unheard utterances are of a session, or a recording, of heard ones; None: no table tells.

    One whose session is not known is not counted.
    """
    found = []
    for data in (heard, unheard):
        segments = data.segments
        known = data.sessions or (segments and {utt: segment.recording for utt, segment in segments.items()})
        if not known:
            return None
        found.append([(speaker, known[utt]) for utt, speaker in data.tables["utt2spk"].items() if utt in known])
    of_heard = set(found[0])
    return sum(one in of_heard for one in found[1])
