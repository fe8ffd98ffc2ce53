"""Who pays for the errors of one system on one trial list: by condition, by speaker, by pair, and trial by trial.

A data directory's table `spk2<name>` (of speakers) or `utt2<name>` (of utterances) is the attribute <name>, "?" where
it has no value. A model's speaker is that of its first utterance. Accepted is score >= threshold, one threshold for all
conditions. Rates are in per cent. Legend: N trials, E enrolment models, T test utterances, S speakers.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd

from sre import SreError
from sre.datadir.tables import parse_segment
from sre.io.ark import read_scp
from sre.io.audio import resolve
from sre.io.tables import read_table, read_utt2spk
from sre.io.trials import Trials, align_scores, read_enroll_map, read_trials
from sre.metrics.bootstrap import Bootstrap, interval
from sre.metrics.rates import eer

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
ATTRIBUTE = re.compile(r"(?!(utt2spk|spk2utt|utt2num_voiced)$)(spk2|utt2)[a-z0-9_]+")
UNKNOWN = "?"
MOST_VALUES = 8  # of an attribute; where there are more, the rarest become "other"

Row = dict[str, str | int | float | None]
Conditions = Iterable[tuple[str, np.ndarray]]  # names, (N,) bool


@dataclass
class Sides:
    """N labelled trials, and what a data directory tells of their models and tests.

    speakers (S,) is sorted; enrol_speaker and test_speaker (N,) int32 are places in it; tests (T,) are as models.
    """

    trials: Trials
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
        """Of a model or test: its speaker's, or those of its utterances joined by ';'."""
        keys = [self.utt2spk[utts[0]]] if table.startswith("spk2") else utts
        return ";".join(self.tables[table].get(key, UNKNOWN) for key in keys)

    def file(self, utts: Sequence[str]) -> str:
        """Those of its utterances joined by ';', "" where there is none."""
        return ";".join(resolve(self.files[utt], self.data_dir) for utt in utts if self.files.get(utt))


def read_sides(trials: Trials, enroll_map: str | Path | None, data_dir: str | Path) -> Sides:
    """Raises SreError where a model has no utterances, or an utterance no speaker; only utt2spk must be there."""
    data_dir = Path(data_dir)
    models, utt2spk = list(read_enroll_map(enroll_map, trials).values()), read_utt2spk(data_dir / "utt2spk")
    missing = sorted(set(chain(trials.test_ids, *models)) - utt2spk.keys())
    if missing:
        raise SreError(
            f"{data_dir}/utt2spk: {len(missing)} utterances of the trials are not in it, e.g. {missing[0]};"
            " give the data directory of this list, and the enrolment map where its models are no utterances"
        )
    return Sides(trials, models, data_dir, utt2spk, _read_tables(data_dir), _read_files(data_dir))


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


def conditions(sides: Sides) -> Conditions:
    """The conditions that some trials satisfy and others do not, one (N,) mask at a time.

    Attributes with decimal numbers (and dur, num_…): `dur 2.1 to 4.3`, tertiles of the test utterances. Others of
    speakers: `gender=f`, both sides f; `gender differs`. Others of utterances: `same session`, where any utterance of
    the model has the session of the test, and `other session`: target trials, each with all nontarget trials.
    `gender=?` and `session=?`: it is not known. `enrolment of 3`: models of 3 utterances.
    """
    parts = []
    for table, values in sides.tables.items():
        of_text = _by_speaker if table.startswith("spk2") else _by_meeting
        parts.append((_by_number if _is_number(table[4:], values.values()) else of_text)(sides, table))
    for name, mask in chain(*parts, _by_enrolment(sides)):
        if mask.any() and not mask.all():
            yield name, mask


def _is_number(name: str, texts: Collection[str]) -> bool:
    """Whole numbers are names (of chapters, of years) unless the attribute counts something."""
    counts = name == "dur" or name.startswith("num_") or any("." in text for text in texts)
    return counts and all(map(NUMBER.fullmatch, texts))


def _by_number(sides: Sides, table: str) -> Conditions:
    texts = [sides.value(table, utts) for utts in sides.tests]
    values = np.array([np.nan if text == UNKNOWN else float(text) for text in texts])  # (T,)
    known = ~np.isnan(values)
    third = np.searchsorted(np.quantile(values[known], [1 / 3, 2 / 3]) if known.any() else [], values)
    for part in np.unique(third[known]):
        some = known & (third == part)
        ends = [f"{end:.4g}" if abs(end) < 1000 else f"{end:.0f}" for end in (values[some].min(), values[some].max())]
        yield f"{table[4:]} {' to '.join(dict.fromkeys(ends))}", some[sides.trials.test]
    yield f"{table[4:]}={UNKNOWN}", ~known[sides.trials.test]


def _by_speaker(sides: Sides, table: str) -> Conditions:
    name, values = table[4:], [sides.tables[table].get(speaker, UNKNOWN) for speaker in sides.speakers]
    distinct, codes = np.unique(values, return_inverse=True)
    enrol, test = codes[sides.enrol_speaker], codes[sides.test_speaker]  # (S,) -> (N,)
    for label, group in _few(Counter(values)).items():
        yield f"{name}={label}", (enrol == test) & np.isin(distinct, group)[enrol]
    known = (distinct != UNKNOWN)[enrol] & (distinct != UNKNOWN)[test]
    yield f"{name} differs", (enrol != test) & known
    yield f"{name}={UNKNOWN}", ~known


def _few(counts: Counter) -> dict[object, list]:
    """Label -> the values it stands for, without the unknown: "other" for the rarest, if there are many."""
    values = sorted(counts.keys() - {UNKNOWN}, key=lambda value: (value == "other", -counts[value], value))
    most = len(values) if len(values) <= MOST_VALUES else MOST_VALUES - 1
    return {value: [value] for value in sorted(values[:most])} | ({"other": values[most:]} if values[most:] else {})


def _by_meeting(sides: Sides, table: str) -> Conditions:
    name, values, place = table[4:], sides.tables[table], {UNKNOWN: 0}

    def code(utt: str) -> int:
        return place.setdefault(values.get(utt, UNKNOWN), len(place))

    tests = np.array([code(utt) for utt in sides.trials.test_ids])  # (T,)
    members = np.array([(model, code(utt)) for model, utts in enumerate(sides.models) for utt in utts])
    at = np.flatnonzero(sides.trials.target)
    model, value = sides.trials.enrol[at].astype(np.int64), tests[sides.trials.test[at]]
    same = np.isin(model * len(place) + value, members @ (len(place), 1)) & (value != 0)
    unknown = ~same & ((value == 0) | np.isin(model, members[members[:, 1] == 0, 0]))
    for label, some in ((f"same {name}", same), (f"other {name}", ~same & ~unknown), (f"{name}={UNKNOWN}", unknown)):
        mask = ~sides.trials.target
        mask[at] = some
        if some.any():
            yield label, mask


def _by_enrolment(sides: Sides) -> Conditions:
    sizes = [len(utts) for utts in sides.models]  # (E,)
    for label, group in _few(Counter(sizes)).items():
        yield f"enrolment of {label}", np.isin(sizes, group)[sides.trials.enrol]


def _outcomes(scores: np.ndarray, sides: Sides, threshold: float) -> list[np.ndarray]:
    """Four (N,) bool: targets, misses, nontargets, false alarms; what `_rates` takes the numbers of."""
    target, accepted = sides.trials.target, scores >= threshold
    return [target, target & ~accepted, ~target, ~target & accepted]


def _rates(targets: int, misses: int, nontargets: int, false_alarms: int) -> Row:
    p_miss, p_fa = 100 * misses / targets if targets else None, 100 * false_alarms / nontargets if nontargets else None
    return {"targets": targets, "nontargets": nontargets, "p_miss": p_miss, "p_fa": p_fa}


def breakdown(scores: np.ndarray, sides: Sides, some: Conditions, threshold: float,
              draws: int = 0, seed: int = 1) -> list[Row]:  # fmt: skip
    """A row for all trials and for each condition, of scores (N,); None is what cannot be said.

    `p_miss` and `p_fa` are at the threshold; `eer` is of the condition's own trials (None: one kind only, or all scores
    equal), with the 95 % interval `eer_low` to `eer_high` of so many draws of speakers; 0: without.
    """
    drawn = Bootstrap.of_speakers(sides.enrol_speaker, sides.test_speaker, draws, seed) if draws else None
    outcomes, rows = _outcomes(scores, sides, threshold), []
    for name, mask in chain([("all trials", np.ones(len(scores), bool))], some):
        row = {"condition": name, "speakers": len(np.union1d(sides.enrol_speaker[mask], sides.test_speaker[mask]))}
        row |= _rates(*(np.count_nonzero(mask & outcome) for outcome in outcomes))
        rows.append(row | _eer(scores, sides.trials.target, mask, drawn, row["speakers"]))
    return rows


def _eer(scores: np.ndarray, target: np.ndarray, mask: np.ndarray, drawn: Bootstrap | None, speakers: int) -> Row:
    try:
        rate = 100 * eer(scores[mask], target[mask])[0]
    except SreError:
        return dict.fromkeys(("eer", "eer_low", "eer_high"))
    ends = interval(rate, drawn.replicates(scores, target, mask)["eer"], speakers, 100.0) if drawn else None
    return {"eer": rate} | dict(zip(("eer_low", "eer_high"), ends or (None, None), strict=True))


def worst_speakers(scores: np.ndarray, sides: Sides, threshold: float, top: int = 10) -> list[Row]:
    """The speakers with the greatest sum of P_miss and P_fa, the worst first.

    P_miss of his target trials is high for a "goat", P_fa of the nontarget trials with him on either side for a "lamb"
    or "wolf" (G. Doddington et al., ICSLP, 1998).
    """
    enrol, test, size = sides.enrol_speaker, sides.test_speaker, len(sides.speakers)

    def involved(some: np.ndarray) -> list[int]:
        twice = np.bincount(enrol[some], minlength=size) + np.bincount(test[some], minlength=size)
        return (twice - np.bincount(enrol[some & (enrol == test)], minlength=size)).tolist()

    counts = zip(*map(involved, _outcomes(scores, sides, threshold)), strict=True)
    rows = [{"speaker": name} | _rates(*four) for name, four in zip(sides.speakers, counts, strict=True)]
    return sorted(rows, key=lambda row: -((row["p_miss"] or 0) + (row["p_fa"] or 0)))[:top]


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


def _column(places: np.ndarray, things: Sequence, text_of: Callable[..., str] = str) -> pd.Categorical:
    used, codes = np.unique(places, return_inverse=True)
    texts, text_codes = np.unique(np.array([text_of(things[place]) for place in used], object), return_inverse=True)
    return pd.Categorical.from_codes(text_codes[codes], texts)


@dataclass
class Analysis:
    """Of one system on one list: what `breakdown`, `worst_speakers`, `confusing_pairs` and `trial_errors` return."""

    threshold: float
    breakdown: list[Row]
    speakers: list[Row]
    pairs: list[Row]
    errors: pd.DataFrame


def analyse(scores: Path, trials: Path, enroll_map: Path | None, data_dir: Path, threshold: float | None = None,
            draws: int = 0, seed: int = 1) -> Analysis:  # fmt: skip
    """All of the above for a score file; the threshold, if none is given, is that of the EER over the whole list.

    Raises SreError for files that cannot be read or do not belong together, and as `check_scores`.
    """
    values, target = align_scores(scores, trials)
    try:
        at_eer = eer(values, target)[1]
    except SreError as error:
        raise SreError(f"{scores}: {error}") from None
    sides, threshold = read_sides(read_trials(trials), enroll_map, data_dir), at_eer if threshold is None else threshold
    rows = breakdown(values, sides, conditions(sides), threshold, draws, seed)
    worst, pairs = worst_speakers(values, sides, threshold), confusing_pairs(values, sides, threshold)
    return Analysis(threshold, rows, worst, pairs, trial_errors(values, sides, threshold))
