"""Labelled trials with what a data directory tells of both sides: speakers, attributes, files.

A data directory's table `spk2<name>` (of speakers) or `utt2<name>` (of utterances) is the attribute <name>, "?" where
it has no value. A model's speaker is that of its first utterance. Accepted is score >= threshold, one threshold for all
conditions. Rates are in per cent. Legend: P trials, E enrolment models, T test utterances, S speakers.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError
from sre.datadir.layout import parse_segment
from sre.io.place import openable
from sre.io.scp import read_scp
from sre.io.tables import read_table, read_utt2spk
from sre.io.trials import LabelledTrials, read_enroll_map

ATTRIBUTE = re.compile(r"(?!(utt2spk|spk2utt|utt2num_voiced)$)(spk2|utt2)[a-z0-9_]+")
UNKNOWN = "?"

ErrorRow = dict[str, Any]  # of a table: texts, counts and rates; None is what cannot be said


@dataclass
class DescribedTrials:
    """N labelled trials, and what a data directory tells of their models and tests.

    speakers (S,) is sorted; enrol_speaker and test_speaker (P,) int32 are places in it; tests (T,) are as models.
    """

    trials: LabelledTrials
    models: list[list[str]]  # (E,) utterances of each
    data_dir: Path
    utt2spk: dict[str, str]
    tables: dict[str, dict[str, str]]  # `spk2<name>` or `utt2<name>` -> {speaker or utterance: value}
    files: dict[str, str]  # utterance -> place in wav.scp or feats.scp

    def __post_init__(self) -> None:
        self.tests = [[utt] for utt in self.trials.test_ids]
        sides = [[self.utt2spk[utts[0]] for utts in side] for side in (self.models, self.tests)]
        self.speakers = sorted(set(chain(*sides)))
        place = {speaker: at for at, speaker in enumerate(self.speakers)}
        enrol, test = (np.array([place[name] for name in side], np.int32) for side in sides)
        self.enrol_speaker, self.test_speaker = enrol[self.trials.enrol], test[self.trials.test]

    def value(self, table: str, utts: Sequence[str]) -> str:
        """Return what a table says of a model or test: its speaker's, or those of its utterances joined by ';'."""
        keys = [self.utt2spk[utts[0]]] if table.startswith("spk2") else utts
        return ";".join(self.tables[table].get(key, UNKNOWN) for key in keys)

    def file(self, utts: Sequence[str]) -> str:
        """Return the files of its utterances joined by ';', "" where there is none."""
        return ";".join(openable(self.files[utt], self.data_dir) for utt in utts if self.files.get(utt))


def read_described(trials: LabelledTrials, enroll_map: str | Path | None, data_dir: str | Path) -> DescribedTrials:
    """Return labelled trials with the tables of a data directory, of which only utt2spk must be there.

    Raises SreError where a model has no utterances, or an utterance no speaker.
    """
    data_dir = Path(data_dir)
    models, utt2spk = list(read_enroll_map(enroll_map, trials).values()), read_utt2spk(data_dir / "utt2spk")
    missing = sorted(set(chain(trials.test_ids, *models)) - utt2spk.keys())
    if missing:
        raise SreError(
            f"{data_dir}/utt2spk: {len(missing)} utterances of the trials are not in it, e.g. {missing[0]};"
            " give the data directory of this list, and the enrolment map where its models are no utterances"
        )
    return DescribedTrials(trials, models, data_dir, utt2spk, _read_tables(data_dir), _read_files(data_dir))


def _read_tables(data_dir: Path) -> dict[str, dict[str, str]]:
    """utt2dur goes before utt2num_frames, spk2<name> before utt2<name>; an empty value is no value."""
    names = {path.name for path in data_dir.iterdir() if ATTRIBUTE.fullmatch(path.name)}
    names -= {f"utt2{name[4:]}" for name in names if name.startswith("spk2")}
    names -= {"utt2num_frames"} if "utt2dur" in names else set()
    tables = {name: read_table(data_dir / name) for name in sorted(names, key=lambda name: name[4:])}
    return {name: {key: value for key, value in table.items() if value} for name, table in tables.items()}


def _read_files(data_dir: Path) -> dict[str, str]:
    wav, segments, feats = (data_dir / name for name in ("wav.scp", "segments", "feats.scp"))
    places = read_table(wav) if wav.exists() else read_scp(feats) if feats.exists() else {}
    if not (wav.exists() and segments.exists()):
        return places
    recordings = {utt: parse_segment(data_dir, utt, value)[0] for utt, value in read_table(segments).items()}
    return {utt: places.get(recording, "") for utt, recording in recordings.items()}


def outcomes(scores: np.ndarray, described: DescribedTrials, threshold: float) -> list[np.ndarray]:
    """Return four (P,) bool: targets, misses, nontargets, false alarms; the numbers of which `rates_of` takes."""
    target, accepted = described.trials.target, scores >= threshold
    return [target, target & ~accepted, ~target, ~target & accepted]


def rates_of(targets: int, misses: int, nontargets: int, false_alarms: int) -> ErrorRow:
    p_miss, p_fa = 100 * misses / targets if targets else None, 100 * false_alarms / nontargets if nontargets else None
    return {"targets": targets, "nontargets": nontargets, "p_miss": p_miss, "p_fa": p_fa}
