"""What is wrong with a data directory: everything at once, each with its remedy; and what is only untidy."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from sre import SreError
from sre.datadir.layout import (
    COMPLETE,
    FREE,
    Table,
    check_folder,
    fix_command,
    lost_segments,
    main_table,
    parse_segment,
    sentence,
    table_files,
)
from sre.io.ids import alike, check_ids, is_plain, shown, unseen
from sre.io.name_tables import absent, share_names
from sre.io.place import exists, is_pipe, openable
from sre.io.scp import find, parse_place, split_offset
from sre.io.tables import CUT, end_it, invert, may_be_cut
from sre.io.text import fields, key_and_rest, lines_of, number, read_bytes, read_text
from sre.io.text_tables import is_visible, read_tidy

NUMBERS = {"utt2num_frames": int, "utt2dur": float, "reco2dur": float}


def scan(path: Path) -> tuple[list[tuple[str, str]], list[str], list[str]]:
    """Return (key, value) of each line in order, sentences on what is wrong with its form, and on what is untidy."""
    try:
        text = read_text(path)
    except SreError as error:
        return [], [str(error)], []
    rows = [key_and_rest(line) for line in lines_of(text)]
    remarks = [f"{path}: a byte order mark"] * read_bytes(path).startswith(b"\xef\xbb\xbf")
    remarks += [f"{path}: {count} empty lines"] if (count := sum(not key for key, _ in rows)) else []
    rows, problems = [row for row in rows if row[0]], []
    if rows and not text.endswith("\n"):
        cut = may_be_cut(path, rows)
        problems += [f"{path}: {CUT}; {end_it(path)}"] * cut
        remarks += [f"{path}: its last line has no end"] * (not cut)
    return rows, problems, remarks


def _note(problems: list[str], path: Path, bad: Collection[str], what: str, remedy: str) -> None:
    if bad:
        problems.append(sentence(path, len(bad), what, f"'{shown(next(iter(bad)))}'", remedy))


def _check_keys(path: Path, rows: list[tuple[str, str]]) -> list[str]:
    """Return sentences on the duplicates and ids of one table."""
    keys = [key for key, _ in rows]
    problems: list[str] = []
    if not rows:
        problems.append(f"{path}: empty; make it again, or delete it if it is not meant to be there")
    if len(set(keys)) < len(keys):
        first: dict[str, str] = {}
        same: list[str] = []
        other: list[str] = []
        for key, value in rows:
            if key in first:
                (same if first[key] == value else other).append(key)
            first.setdefault(key, value)
        _note(problems, path, same, "lines stand twice", f"run `{fix_command(path.parent)}`")
        _note(problems, path, other, "ids stand twice with different values", "keep the right line of each")
    return problems + _check_seen(path, keys, "ids hold")


def _check_values(path: Path, rows: Iterable[tuple[str, str]], plain: bool = False) -> list[str]:
    """Return sentences on the values of one table; `rows` is gone through several times.

    plain : there is no empty value, nor one with a character that cannot be seen
    """
    values = () if path.name in FREE or plain else (value for _, value in rows)
    problems = _check_seen(path, values, "values hold")
    empty = [] if path.name == "text" or plain else [key for key, value in rows if not value]  # text: nothing was said
    _note(problems, path, empty, "ids have no value", "write the value or delete the line")
    if path.name == "utt2spk":
        several = [key for key, value in rows if len(fields(value)) > 1]
        _note(problems, path, several, "utterances have several speakers", "keep one")
    if path.name in NUMBERS:
        wrong = [key for key, value in rows if value and not _positive(value, NUMBERS[path.name])]
        _note(problems, path, wrong, "ids have a value that is no positive number", "make the table again")
    return problems


def _check_seen(path: Path, texts: Iterable[str], what: str) -> list[str]:
    bad = [text for text in texts if not is_plain(text) and any(map(unseen, fields(text)))]
    if not bad:
        return []
    try:
        check_ids(path, fields(bad[0]))
    except SreError as error:
        example = str(error).removeprefix(f"{path}: the ")
    return [f"{path}: {len(bad)} {what} characters that cannot be seen, e.g. the {example}"]


def _positive(value: str, kind: type) -> bool:
    try:
        return 0 < number(value, kind) < float("inf")
    except ValueError:
        return False


def _check_sets(path: Path, tables: Mapping[str, Table]) -> list[str]:
    """Return sentences on tables that are not of the same utterances, speakers and recordings."""
    try:
        main = main_table(path, tables)
    except SreError as error:
        return [str(error)]
    utts = tables[main]
    speakers = set(tables["utt2spk"].values()) if "utt2spk" in tables else None
    problems: list[str] = []

    def compare(name: str, known: Collection[str], source: str, what: str) -> None:
        remedy = f"mend it, or run `{fix_command(path)}` to keep what all tables share"
        extra, missing = absent(tables[name], known), absent(known, tables[name])
        if extra:
            example = shown(min(extra)) + alike(min(extra), known)
            problems.append(sentence(path / name, len(extra), f"{what} are not in {source}", example, remedy))
        if missing and name in COMPLETE:
            example = shown(min(missing)) + alike(min(missing), tables[name])
            problems.append(sentence(path / name, len(missing), f"{what} of {source} are not in it", example, remedy))

    for name in sorted(tables):
        if name == main or name == "spk2utt" or (name == "wav.scp" and main == "segments"):
            continue
        if name.startswith("spk2"):
            if speakers is not None:
                compare(name, speakers, "utt2spk", "speakers")
        elif name.startswith("reco2"):
            compare(name, tables.get("wav.scp", {}), "wav.scp", "recordings")
        else:
            compare(name, utts, main, "utterances")
    return problems + _check_speakers(path, tables) + _check_segments(path, tables)


def _check_speakers(path: Path, tables: Mapping[str, Table]) -> list[str]:
    fix = f"run `{fix_command(path)}`"
    if "utt2spk" not in tables:
        return [f"{path}: spk2utt is there but no utt2spk; {fix}, which makes it"] if "spk2utt" in tables else []
    if "spk2utt" not in tables:
        return []
    ours = invert(tables["utt2spk"])
    theirs = {spk: sorted(fields(utts)) for spk, utts in tables["spk2utt"].items()}
    differing = sorted(spk for spk in ours.keys() | theirs.keys() if ours.get(spk) != theirs.get(spk))
    if not differing:
        return []
    what = "speakers have other utterances than in utt2spk"
    return [sentence(path / "spk2utt", len(differing), what, differing[0], f"{fix}, which makes it from utt2spk")]


def _check_segments(path: Path, tables: Mapping[str, Table]) -> list[str]:
    if "segments" not in tables:
        return []
    bad = []

    def good() -> Iterator[tuple[str, str]]:
        for utt, value in tables["segments"].items():
            try:
                parse_segment(path, utt, value)
            except SreError:
                bad.append(f"'{utt} {value}'")
            else:
                yield utt, value

    lost = lost_segments(path, list(good()), tables.get("wav.scp"))
    problems = []
    if bad:
        what = "lines are not `utterance recording start end` with 0 <= start < end"
        remedy = f"mend them, or run `{fix_command(path)}` to drop them"
        problems.append(sentence(path / "segments", len(bad), what, bad[0], remedy))
    return problems + lost


def _check_files(path: Path, tables: Mapping[str, Table]) -> list[str]:
    """Return sentences on recordings and archives that do not exist, or end before an offset."""
    problems: list[str] = []
    gone = [at for at in tables.get("wav.scp", {}).values() if at and not is_pipe(at) and not exists(at)]
    if gone := [place for place in (openable(at, path) for at in gone) if not exists(place)]:
        remedy = "restore them, or take their lines out of wav.scp (and run `sre data fix`)"
        if any(os.path.isfile(split_offset(at)[0]) for at in gone[:3]):
            remedy = "places in archives are not read as audio: write each out as a file of its own"
        problems.append(sentence(path / "wav.scp", len(gone), "files do not exist", ", ".join(gone[:3]), remedy))
    for name in ("feats.scp", "vad.scp"):
        bad: list[str] = []
        size: dict[str, int] = {}
        for key, location in tables.get(name, {}).items():
            try:
                place = parse_place(location)
            except ValueError as error:
                bad.append(f"{key} {location}, {error}")
                continue
            if place.path not in size:
                ark = find(path, place.path)
                size[place.path] = os.path.getsize(ark) if os.path.isfile(ark) else -1
            if place.offset >= size[place.path]:
                bad.append(f"{key} {location}")
        if bad:
            what = "records are not `path:offset` of an archive that exists and reaches so far"
            remedy = "make the features again, mend the paths" + (
                ", or delete the table: the audio is enough" if "wav.scp" in tables else ""
            )
            problems.append(sentence(path / name, len(bad), what, bad[0], remedy))
    return problems


class Examined(NamedTuple):
    """What is wrong with a data directory, what is untidy in it, which nothing minds, and its number of utterances."""

    problems: list[str]
    untidy: list[str]
    utterances: int = 0


def validate(path: str | Path) -> list[str]:
    """Return all problems of a data directory, one sentence each with file, what and remedy; [] when it is good.

    Does not open audio (`check_audio` does).
    """
    return examine(path).problems


def examine(path: str | Path) -> Examined:
    """Examine all tables of a data directory, and whether the files exist that they name."""
    path = Path(path)
    try:
        check_folder(path)
    except SreError as error:
        return Examined([str(error)], [])
    tables: dict[str, Table] = {}
    problems: list[str] = []
    untidy: list[str] = []
    for file in table_files(path):
        table = read_tidy(file)
        if table is not None:
            tables[file.name], in_order = table, table.names.ascend()
            problems += _check_values(file, table.items(), is_visible(table))
        else:
            rows, form, remarks = scan(file)
            problems += form
            problems += _check_keys(file, rows) + _check_values(file, rows) if rows or not form else []
            untidy += remarks
            tables[file.name], in_order = dict(rows), all(first[0] <= second[0] for first, second in pairwise(rows))
        untidy += [f"{file}: not in bytewise order"] * (not in_order)
    share_names(*tables.values())
    if "utt2spk" in tables and "spk2utt" not in tables:
        untidy.append(f"{path}: no spk2utt")
    problems += _check_sets(path, tables) + _check_files(path, tables)
    utterances = 0 if problems else len(tables[main_table(path, tables)])
    return Examined(problems, untidy, utterances)
