"""Who pays for the errors of one system on one trial list: a row for each condition.

As sre/scoring/described.py; legend: P trials, T test utterances, S speakers.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable
from itertools import chain

import numpy as np

from sre import SreError
from sre.metrics.bootstrap import Bootstrap, interval
from sre.metrics.rates import eer
from sre.scoring.described import UNKNOWN, DescribedTrials, ErrorRow, outcomes, rates_of

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
MOST_VALUES = 8  # of an attribute; where there are more, the rarest become "other"

Conditions = Iterable[tuple[str, np.ndarray]]  # names, (P,) bool


def conditions(described: DescribedTrials) -> Conditions:
    """Yield the conditions that some trials satisfy and others do not, one (P,) mask at a time.

    Attributes with decimal numbers (and dur, num_…): `dur 2.1 to 4.3`, tertiles of the test utterances. Others of
    speakers: `gender=f`, both sides f; `gender differs`. Others of utterances: `same session`, where any utterance of
    the model has the session of the test, and `other session`: target trials, each with all nontarget trials.
    `gender=?` and `session=?`: it is not known. `enrolment of 3`: models of 3 utterances.
    """
    parts = []
    for table, values in described.tables.items():
        of_text = _by_speaker if table.startswith("spk2") else _by_meeting
        parts.append((_by_number if _is_number(table[4:], values.values()) else of_text)(described, table))
    for name, mask in chain(*parts, _by_enrolment(described)):
        if mask.any() and not mask.all():
            yield name, mask


def _is_number(name: str, texts: Collection[str]) -> bool:
    """Whole numbers are names (of chapters, of years) unless the attribute counts something."""
    counts = name == "dur" or name.startswith("num_") or any("." in text for text in texts)
    return counts and all(map(NUMBER.fullmatch, texts))


def _by_number(described: DescribedTrials, table: str) -> Conditions:
    texts = [described.value(table, utts) for utts in described.tests]
    values = np.array([np.nan if text == UNKNOWN else float(text) for text in texts])  # (T,)
    known = ~np.isnan(values)
    third = np.searchsorted(np.quantile(values[known], [1 / 3, 2 / 3]) if known.any() else [], values)
    for part in np.unique(third[known]):
        some = known & (third == part)
        ends = [f"{end:.4g}" if abs(end) < 1000 else f"{end:.0f}" for end in (values[some].min(), values[some].max())]
        yield f"{table[4:]} {' to '.join(dict.fromkeys(ends))}", some[described.trials.test]
    yield f"{table[4:]}={UNKNOWN}", ~known[described.trials.test]


def _by_speaker(described: DescribedTrials, table: str) -> Conditions:
    name, values = table[4:], [described.tables[table].get(speaker, UNKNOWN) for speaker in described.speakers]
    distinct, codes = np.unique(values, return_inverse=True)
    enrol, test = codes[described.enrol_speaker], codes[described.test_speaker]  # (S,) -> (P,)
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


def _by_meeting(described: DescribedTrials, table: str) -> Conditions:
    name, values, place = table[4:], described.tables[table], {UNKNOWN: 0}

    def code(utt: str) -> int:
        return place.setdefault(values.get(utt, UNKNOWN), len(place))

    tests = np.array([code(utt) for utt in described.trials.test_ids])  # (T,)
    members = np.array([(model, code(utt)) for model, utts in enumerate(described.models) for utt in utts])
    at = np.flatnonzero(described.trials.target)
    model, value = described.trials.enrol[at].astype(np.int64), tests[described.trials.test[at]]
    same = np.isin(model * len(place) + value, members @ (len(place), 1)) & (value != 0)
    unknown = ~same & ((value == 0) | np.isin(model, members[members[:, 1] == 0, 0]))
    for label, some in ((f"same {name}", same), (f"other {name}", ~same & ~unknown), (f"{name}={UNKNOWN}", unknown)):
        mask = ~described.trials.target
        mask[at] = some
        if some.any():
            yield label, mask


def _by_enrolment(described: DescribedTrials) -> Conditions:
    sizes = [len(utts) for utts in described.models]  # (E,)
    for label, group in _few(Counter(sizes)).items():
        yield f"enrolment of {label}", np.isin(sizes, group)[described.trials.enrol]


def breakdown(
    scores: np.ndarray, described: DescribedTrials, some: Conditions, threshold: float, draws: int = 0, seed: int = 1
) -> list[ErrorRow]:
    """Return a row for all trials and for each condition, of scores (P,); None is what cannot be said.

    `p_miss` and `p_fa` are at the threshold; `eer` is of the condition's own trials (None: one kind only, or all scores
    equal), with the 95 % interval `eer_low` to `eer_high` of so many draws of speakers; 0: without.
    """
    drawn = Bootstrap.of_speakers(described.enrol_speaker, described.test_speaker, draws, seed) if draws else None
    decided = outcomes(scores, described, threshold)
    rows: list[ErrorRow] = []
    for name, mask in chain([("all trials", np.ones(len(scores), bool))], some):
        speakers = len(np.union1d(described.enrol_speaker[mask], described.test_speaker[mask]))
        targets, misses, nontargets, false_alarms = (int(np.count_nonzero(mask & outcome)) for outcome in decided)
        row = {"condition": name, "speakers": speakers} | rates_of(targets, misses, nontargets, false_alarms)
        rows.append(row | _eer(scores, described.trials.target, mask, drawn, speakers))
    return rows


def _eer(scores: np.ndarray, target: np.ndarray, mask: np.ndarray, drawn: Bootstrap | None, speakers: int) -> ErrorRow:
    try:
        rate = 100 * eer(scores[mask], target[mask])[0]
    except SreError:
        return dict.fromkeys(("eer", "eer_low", "eer_high"))
    ends = interval(rate, drawn.replicates(scores, target, mask)["eer"], speakers, 100.0) if drawn else None
    low, high = ends or (None, None)
    return {"eer": rate, "eer_low": low, "eer_high": high}
