"""NIST's keys: which segments enrol a model, its trials, and who speaks in a segment.

An enrolment key has lines `modelid segmentid side` under a header (SRE16 and later), or `model m segment:a,segment:b`
(SRE04 to SRE12). Trials have the same columns, and may have target or nontarget at their end. A segment key has
`segmentid subjectid gender` under a header. Sides are channels; where all are `a`, the files have one.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from sre import SreError
from sre.datadir.importers.folder import files_below
from sre.datadir.importers.naming import plain
from sre.datadir.importers.row import AUDIO, NOTHING, Asked, Row
from sre.datadir.importers.table import GENDERS, delimiter_of, rows_of
from sre.datadir.importers.trials import WORDS, Pair
from sre.io.atomic import atomic_output
from sre.io.ids import shown
from sre.io.text import fields, lines_of, read_text

SIDES = {"a": 0, "b": 1, "1": 0, "2": 1}
HEADER = {  # column -> what it is
    **dict.fromkeys(("modelid", "model_id", "model"), "model"),
    **dict.fromkeys(("segmentid", "segment_id", "segment"), "segment"),
    **dict.fromkeys(("side", "channel"), "side"),
    **dict.fromkeys(("targettype", "target", "label"), "label"),
    **dict.fromkeys(("subjectid", "subject_id", "speakerid", "speaker"), "subject"),
    **dict.fromkeys(("gender", "sex"), "gender"),
}


class Line(NamedTuple):
    """A line of a key: a model or "", a segment and its side from 0, and what else there is."""

    model: str
    segment: str
    side: int = 0
    label: str = ""
    subject: str = ""
    gender: str = ""


def read_key(path: Path) -> list[Line]:
    """Read a key, one line for each of its segments. Raises SreError naming the line that is none."""
    text = read_text(path)
    delimiter = delimiter_of(text)
    rows: Iterable[tuple[int, list[str]]] = enumerate(map(fields, lines_of(text)), 1)
    if delimiter and ":" not in text.partition("\n")[0]:
        rows = rows_of(path, text, delimiter)
    found: list[Line] = []
    header: list[str] = []
    for number, cells in rows:
        if not found and not header and {"segmentid", "segment_id", "segment"} & {cell.lower() for cell in cells}:
            header = [HEADER.get(cell.lower(), "") for cell in cells]
        elif cells:
            found += _lines(f"{path}:{number}", cells, header)
    if not found:
        raise SreError(f"{path}: no line of a NIST key in it; give another file")
    return found


def _lines(where: str, cells: list[str], header: list[str]) -> Iterator[Line]:
    if header:
        if len(cells) != len(header):
            raise SreError(f"{where}: {len(cells)} columns, its header has {len(header)}; mend the line")
        told = {name: cell for name, cell in zip(header, cells, strict=True) if name}
        told.setdefault("model", "")
        yield Line(**told | {"side": _side(where, told.get("side", ""))})  # type: ignore[arg-type]  # the columns that are known, by name
        return
    model, *rest = cells
    gender = GENDERS.get(rest[0].lower(), "") if rest else ""
    rest = rest[bool(gender) :]
    label = rest.pop() if rest and rest[-1].lower() in WORDS and len(rest) > 1 else ""
    if len(rest) == 2 and ":" not in rest[0]:
        rest = [":".join(rest)]
    if len(rest) != 1:
        raise SreError(f"{where}: '{shown(' '.join(cells))[:80]}' is not `model segment:side`; mend it")
    for place in rest[0].split(","):
        segment, _, side = place.partition(":")
        yield Line(model, segment, _side(where, side), label, "", gender)


def _side(where: str, text: str) -> int:
    if text.lower() not in SIDES and text:
        raise SreError(f"{where}: side '{shown(text)}' is none of a, b, 1, 2; mend it")
    return SIDES.get(text.lower(), 0)


def _stem(segment: str) -> str:
    stem, suffix = os.path.splitext(segment)
    return stem if suffix.lower() in AUDIO else segment


class Keys(NamedTuple):
    """enrolment, trials : lines of these keys; two_sided : whether sides are told apart."""

    enrolment: list[Line]
    trials: list[Line]
    two_sided: bool

    def utterance(self, line: Line) -> str:
        """Return the id of a line's segment, with its side where these are told apart."""
        stem = plain(_stem(os.path.basename(line.segment)))
        return f"{stem}_{'ab'[line.side]}" if self.two_sided else stem


def keys_of(source: Path, asked: Asked) -> Keys:
    """Read the enrolment key and, where they are asked for, the trials."""
    enrolment, trials = read_key(source), read_key(asked.trials) if asked.trials else []
    return Keys(enrolment, trials, any(line.side for line in enrolment + trials))


def read(source: Path, asked: Asked) -> Iterator[Row]:
    """Yield a row for each segment of the enrolment and of the trials, whose files are looked for below --folder.

    Raises SreError for segments without a file, or with several.
    """
    keys = keys_of(source, asked)
    folder = asked.folder or source.parent
    speakers = {line.segment: line for line in read_key(asked.segment_key)} if asked.segment_key else {}
    by_stem = {_stem(segment): line for segment, line in speakers.items()}
    files: dict[str, list[str]] = {}
    for file in files_below(folder, AUDIO):
        files.setdefault(_stem(os.path.basename(file)), []).append(file)
    lines = {keys.utterance(line): line for line in keys.enrolment + keys.trials}
    lost = [line.segment for line in lines.values() if len(files.get(_stem(os.path.basename(line.segment)), [])) != 1]
    if lost:
        places = files.get(_stem(os.path.basename(lost[0])), [])
        what = f"has several files, {places[0]} and {places[1]}" if places else "has no file"
        raise SreError(
            f"{source}: {len(lost)} of {len(lines)} segments are not one file below {folder}, e.g. {lost[0]} {what};"
            " give the folder of the segments as --folder"
        )
    for utt, line in lines.items():
        stem = _stem(os.path.basename(line.segment))
        who = by_stem.get(stem) or by_stem.get(_stem(line.segment))
        gender = {"spk2gender": GENDERS[who.gender.lower()]} if who and who.gender.lower() in GENDERS else NOTHING
        channel = line.side if keys.two_sided else None
        yield Row(files[stem][0], who.subject if who else "", utterance=utt, channel=channel, tables=gender)


def lists(source: Path, asked: Asked) -> tuple[dict[str, list[str]], list[Pair]]:
    """Return model -> its utterances, and the trials. Raises SreError for a model that does not enrol."""
    keys = keys_of(source, asked)
    models: dict[str, list[str]] = {}
    for line in keys.enrolment:
        models.setdefault(plain(line.model), []).append(keys.utterance(line))
    pairs = [Pair(plain(line.model), keys.utterance(line), WORDS.get(line.label.lower())) for line in keys.trials]
    if unknown := [pair.enrol for pair in pairs if pair.enrol not in models]:
        raise SreError(
            f"{asked.trials}: {len(unknown)} trials are of models that {source} does not have, e.g. {unknown[0]}"
        )
    return models, pairs


def write(out: Path, rows: Iterable[Row], models: Mapping[str, list[str]], pairs: Iterable[Pair]) -> int:
    """Write segment_key.tsv of all rows, enrollment.tsv and trials.tsv (with targettype if labelled) into a folder.

    Return the number of segments. Raises SreError for parts of files, and for two files of one name.
    """
    segments: dict[str, str] = {}
    lines: dict[str, str] = {}
    for row in rows:
        name, side = os.path.basename(row.file), "ab"[row.channel or 0]
        if row.part:
            raise SreError(f"{out}: NIST's keys hold no parts of files, as {row.utterance} is; use csv or nemo")
        if f"{name}\t{side}" in segments.values():
            raise SreError(f"{out}: two files are called {name}, and NIST's keys name segments alone; rename one")
        segments[row.utterance] = f"{name}\t{side}"
        lines[f"{name}\t{row.speaker}\t{row.tables.get('spk2gender', '')}"] = name
    pairs = list(pairs)
    models = models or {pair.enrol: [pair.enrol] for pair in pairs}
    if unknown := [
        utt for utts in [*models.values(), [pair.test for pair in pairs]] for utt in utts if utt not in segments
    ]:
        raise SreError(
            f"{out}: {len(unknown)} utterances of the lists are not in the data, e.g. {unknown[0]}; add them"
        )
    enrolment = [f"{model}\t{segments[utt]}" for model, utts in models.items() for utt in utts]
    words = {True: "\ttarget", False: "\tnontarget", None: ""}
    trials = [f"{pair.enrol}\t{segments[pair.test]}{words[pair.target]}" for pair in pairs]
    labelled = "\ttargettype" if any(pair.target is not None for pair in pairs) else ""
    _write_lines(out / "segment_key.tsv", "segmentid\tsubjectid\tgender", lines)
    if pairs:
        _write_lines(out / "enrollment.tsv", "modelid\tsegmentid\tside", enrolment)
        _write_lines(out / "trials.tsv", f"modelid\tsegmentid\tside{labelled}", trials)
    return len(segments)


def _write_lines(path: Path, header: str, lines: Iterable[str]) -> None:
    with atomic_output(path) as file:
        file.writelines(f"{line}\n" for line in (header, *lines))
