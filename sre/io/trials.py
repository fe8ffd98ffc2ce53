"""Trial lists, enrolment maps and score files, as index arrays: no Python object a trial."""

import re
from codecs import BOM_UTF8
from collections.abc import Iterable
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from pyarrow import csv

from sre import SreError
from sre.io.atomic import atomic_output
from sre.io.tables import read_table

READ_BYTES = 4 << 20  # at a time, by each thread
WRITE_TRIALS = 1 << 17  # at a time
BLANKS = "\t\v\f"  # beside the blank, what is white space within a line to Kaldi (isspace in the C locale)
STRINGS = pa.dictionary(pa.int32(), pa.string())
NUMBER = re.compile(rb"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
LABELS = {"target": True, "nontarget": False}
# Arrow writes the fewest digits that name a float32. Of all float32 only this one and its negative do not come back
# from them when they are read as a double that is then rounded, as Python and numpy do.
ROUNDED_TWICE = np.array([0x15AE43FD], np.uint32).view(np.float32)[0]  # 7.038531e-26


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


@dataclass
class _Column:
    """Distinct strings in any order, and (N,) int32 places in them."""

    strings: list[str]
    codes: np.ndarray

    def sorted(self) -> tuple[np.ndarray, np.ndarray]:
        """Sorted unique strings, (N,) int32 places in them; code points order as UTF-8's bytes do."""
        order = sorted(range(len(self.strings)), key=self.strings.__getitem__)
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        return np.array([self.strings[place] for place in order], dtype=object), rank[self.codes]


def _read_columns(path: Path, names: list[str]) -> list:
    """A _Column for each name, or (N,) numbers where it is `score`; the fourth may be absent. Passes over empty lines.

    Raises SreError naming the first line that does not fit.
    """
    if not path.is_file():
        raise SreError(f"{path}: no such file; check the path")
    with open(path, "rb") as file:
        names = names[: max(3, len(next(filter(None, (line.removeprefix(BOM_UTF8).split() for line in file)), [])))]
    columns = _parse(path, names) or _parse(pa.BufferReader(_single_blanks(path.read_bytes())), names)
    if columns is None:
        raise _fault(path, names)
    return columns


def _parse(source: Path | pa.NativeFile, names: list[str]) -> list | None:
    """None where not all lines are these fields with single blanks between them."""
    types = {name: pa.float64() if name == "score" else STRINGS for name in names}
    try:
        table = csv.read_csv(
            source,
            csv.ReadOptions(column_names=names, block_size=READ_BYTES),
            csv.ParseOptions(delimiter=" ", quote_char=False, double_quote=False),
            csv.ConvertOptions(column_types=types, null_values=[]),
        ).unify_dictionaries()
    except pa.ArrowException:
        return None
    if not len(table):
        return None
    columns = []
    for column in table.columns:  # np.from_dlpack, since Arrow's to_numpy imports pandas
        if column.type != STRINGS:
            columns.append(np.concatenate([np.from_dlpack(chunk) for chunk in column.chunks]))
            continue
        strings = column.chunk(0).dictionary.to_pylist()
        joined = "".join(strings)
        if not all(strings) or any(blank in joined for blank in BLANKS):
            return None
        columns.append(_Column(strings, np.concatenate([np.from_dlpack(chunk.indices) for chunk in column.chunks])))
    return columns


def _single_blanks(text: bytes) -> bytes:
    return re.sub(rb"(?m)^ | $", b"", re.sub(rb"[ \t\v\f\r]+", b" ", text.removeprefix(BOM_UTF8)))


def _fault(path: Path, names: list[str]) -> SreError:
    """What is wrong with a list that could not be read."""
    rows = 0
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            fields = line.removeprefix(BOM_UTF8).split()
            rows += bool(fields)
            if fields and len(fields) != len(names):
                return SreError(f"{path}:{number}: {len(fields)} columns found; each line needs {' '.join(names)}")
            try:
                line.decode()
            except UnicodeDecodeError as error:
                return SreError(f"{path}:{number}: not UTF-8 text ({error}); convert it with iconv")
            if fields and "score" in names and not (NUMBER.fullmatch(fields[2]) and isfinite(float(fields[2]))):
                return SreError(f"{path}:{number}: score '{fields[2].decode()}' is not a finite number; score it again")
    return SreError(f"{path}: {rows} lines, which cannot be read; each line needs {' '.join(names)}")


def _line_of(path: Path, row: int) -> int:
    """The number of the line that a row, counted from 0, stands in."""
    with open(path, "rb") as file:
        lines = (number for number, line in enumerate(file, 1) if line.strip())
        return next(number for at, number in enumerate(lines) if at == row)


def _indexed(enrol: _Column, test: _Column, target: np.ndarray | None) -> Trials:
    (enrol_ids, enrol_index), (test_ids, test_index) = enrol.sorted(), test.sorted()
    return Trials(enrol_ids, test_ids, enrol_index, test_index, target)


def index_trials(enrol: Iterable[str], test: Iterable[str], target: np.ndarray | None) -> Trials:
    sides = []
    for ids in (enrol, test):
        places: dict[str, int] = {}
        codes = np.array([places.setdefault(name, len(places)) for name in ids], np.int32)
        sides.append(_Column(list(places), codes))
    return _indexed(*sides, target)


def read_trials(path: str | Path) -> Trials:
    """Read `enrol test target|nontarget`, or VoxCeleb's `1|0 enrol test`, lines.

    Raises SreError for a label that is neither, or a pair that stands twice.
    """
    path, words = Path(path), LABELS
    enrol, test, label = _read_columns(path, ["enrol", "test", "target|nontarget"])
    if set(enrol.strings) <= {"0", "1"} and not set(label.strings) <= words.keys():
        label, enrol, test = enrol, test, label
        words = {"1": True, "0": False}
    trials = _indexed(enrol, test, _labels(path, label, words))
    if _any_twice(trials):
        copies = np.delete(np.arange(len(trials)), np.unique(_pair_codes(trials), return_index=True)[1])
        row = copies[0]
        raise SreError(
            f"{path}:{_line_of(path, row)}: the pair {trials.enrol_ids[trials.enrol[row]]}"
            f" {trials.test_ids[trials.test[row]]} stands twice ({len(copies)} such lines); delete the copies"
        )
    return trials


def _labels(path: Path, column: _Column, words: dict[str, bool]) -> np.ndarray:
    odd = np.array([string not in words for string in column.strings])[column.codes]
    if odd.any():
        row = int(np.argmax(odd))
        label = column.strings[column.codes[row]]
        raise SreError(f"{path}:{_line_of(path, row)}: label '{label}'; write target or nontarget (or 1/0 first)")
    return np.array([words[string] for string in column.strings])[column.codes]


def _pair_codes(trials: Trials) -> np.ndarray:
    """(N,) int64, one number for each pair of enrolment model and test."""
    return trials.enrol.astype(np.int64) * len(trials.test_ids) + trials.test


def _any_twice(trials: Trials) -> bool:
    codes, cells = _pair_codes(trials), len(trials.enrol_ids) * len(trials.test_ids)
    if cells <= 16 * len(codes):  # ten times as quick as sorting
        seen = np.zeros(cells, bool)
        seen[codes] = True
        return np.count_nonzero(seen) < len(codes)
    codes.sort()
    return bool((codes[1:] == codes[:-1]).any())


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
    """Write `enrol test score` lines of (N,) scores; the digits give every float32 back exactly."""
    sides = (trials.enrol, _arrow_strings(trials.enrol_ids)), (trials.test, _arrow_strings(trials.test_ids))
    quotes = any('"' in name for ids in (trials.enrol_ids, trials.test_ids) for name in ids)
    with atomic_output(path, "wb") as file:
        for start in range(0, len(trials), WRITE_TRIALS):
            part = slice(start, start + WRITE_TRIALS)
            values = scores[part].astype(np.float32)
            if (np.abs(values) == ROUNDED_TWICE).any():
                values = values.astype(np.float64)
            columns = [_arrow_codes(index[part].astype(np.int32), ids) for index, ids in sides]
            columns.append(_arrow_numbers(values))
            _write(pa.record_batch(columns, names=["enrol", "test", "score"]), file, quotes)


def _arrow_codes(codes: np.ndarray, strings: pa.Array) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_buffers(STRINGS, len(codes), [None, pa.py_buffer(codes)], strings)


def _arrow_numbers(values: np.ndarray) -> pa.Array:
    """Without a copy, and without pandas, which pa.array imports."""
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def _arrow_strings(names: np.ndarray) -> pa.Array:
    encoded = [name.encode() for name in names]
    ends = np.cumsum([0, *map(len, encoded)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(names), pa.py_buffer(ends), pa.py_buffer(b"".join(encoded)))


def _write(batch: pa.RecordBatch, file: IO[bytes], quotes: bool) -> None:
    if quotes:  # Arrow refuses them where it may not quote
        enrol, test, score = (column.cast(pa.string()).to_pylist() for column in batch.columns)
        file.write("".join(map("%s %s %s\n".__mod__, zip(enrol, test, score, strict=True))).encode())
    else:
        csv.write_csv(batch, file, csv.WriteOptions(include_header=False, delimiter=" ", quoting_style="none"))


def read_scores(path: str | Path) -> tuple[Trials, np.ndarray]:
    """Read `enrol test score [target|nontarget]`: the pairs, labelled if all are, and their (N,) float64 scores."""
    path, names = Path(path), ["enrol", "test", "score", "target|nontarget"]  # WeSpeaker writes labels too
    enrol, test, scores, *labels = _read_columns(path, names)
    if not np.isfinite(scores).all():
        raise _fault(path, names[: 3 + len(labels)])
    return _indexed(enrol, test, _labels(path, labels[0], LABELS) if labels else None), scores


def align_scores(score_path: str | Path, trial_path: str | Path) -> tuple[np.ndarray, np.ndarray]:
    """Scores in the order of the trial list, and its labels: (N,) float64 and (N,) bool.

    Raises SreError where a trial has no score, or a score has no trial or another label (another list's file).
    """
    trials = read_trials(trial_path)
    pairs, scores = read_scores(score_path)
    if _any_twice(pairs):
        raise SreError(f"{score_path}: a trial is scored twice; score it again")
    wanted, known = _pair_codes(trials), _codes_among(pairs, trials)
    by_pair, order = [slice(None)] * 2 if np.array_equal(known, wanted) else map(np.argsort, (known, wanted))
    if not np.array_equal(known[by_pair], wanted[order]):
        missing = len(wanted) - int(np.isin(wanted, known).sum())
        raise SreError(
            f"{score_path}: {missing} of {len(wanted)} trials of {trial_path} have no score and"
            f" {len(known) - len(wanted) + missing} scores have no trial; give the list that was scored"
        )
    if pairs.target is not None and (differ := np.count_nonzero(pairs.target[by_pair] != trials.target[order])):
        raise SreError(f"{score_path}: {differ} labels are not those of {trial_path}; give the list that was scored")
    aligned = np.empty(len(wanted))
    aligned[order] = scores[by_pair]
    return aligned, trials.target


def _codes_among(pairs: Trials, trials: Trials) -> np.ndarray:
    """(N,) int64, the pairs' numbers as `_pair_codes(trials)` has them; -1 for ids that it does not have."""
    places = []
    for ids, among in ((pairs.enrol_ids, trials.enrol_ids), (pairs.test_ids, trials.test_ids)):
        table = {name: place for place, name in enumerate(among)}
        places.append(np.array([table.get(name, -1) for name in ids], np.int64))
    enrol, test = places[0][pairs.enrol], places[1][pairs.test]
    return np.where((enrol < 0) | (test < 0), -1, enrol * len(trials.test_ids) + test)
