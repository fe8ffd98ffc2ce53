"""Mending a data directory in place: sort, drop, keep what all tables share."""

from itertools import chain, count
from pathlib import Path

from sre import SreError
from sre.datadir.datadir import DataDir
from sre.datadir.layout import COMPLETE, FREE, Table, check_folder, main_table, parse_segment, table_files
from sre.datadir.validate import scan
from sre.io.atomic import atomic_output
from sre.io.ids import check_ids, shown
from sre.io.tables import CUT, invert, write_table
from sre.io.text import fields


def fix(path: str | Path) -> list[str]:
    """Mend a data directory in place and return what was done, one sentence with its count each.

    Sorts, drops empty and equal lines, drops segments that cannot be, keeps the utterances that all complete
    tables share, makes spk2utt. What was there stands in `.backup`. Raises SreError for an id with two values
    and where nothing would be left: that only a person can decide.
    """
    path = Path(path)
    check_folder(path)
    done: list[str] = []
    tables = {file.name: _fix_table(file, done) for file in table_files(path)}
    main = main_table(path, tables)
    if "utt2spk" not in tables and "spk2utt" in tables:
        tables["utt2spk"] = {utt: spk for spk, utts in tables["spk2utt"].items() for utt in fields(utts)}
        done.append(f"{path}/utt2spk: made from spk2utt, {len(tables['utt2spk'])} utterances")
    if "segments" in tables:
        _drop_segments(path, tables, done)
    complete = [tables[name] for name in COMPLETE if name in tables and {name, main} != {"wav.scp", "segments"}]
    common = set.intersection(*(set(table) for table in complete))
    if not common:
        raise SreError(f"{path}: its tables share no utterance; look at their ids (nothing was changed)")
    kept = DataDir(path, tables).keep(common).tables
    for name in sorted(tables):
        lost = len(tables[name]) - len(kept[name])
        if lost and name != "spk2utt":
            done.append(f"{path}/{name}: {lost} lines dropped that the other tables do not have")
    if "utt2spk" in kept:
        kept["spk2utt"] = {spk: " ".join(utts) for spk, utts in invert(kept["utt2spk"]).items()}
    for name, table in kept.items():
        _rewrite(path / name, table, done)
    return done


def _fix_table(file: Path, done: list[str]) -> Table:
    rows, problems, untidy = scan(file)
    if problems and not rows:
        raise SreError(problems[0])
    table: dict[str, str] = {}
    for key, value in rows:
        check_ids(file, [key] if file.name in FREE else [key, *fields(value)])
        if table.setdefault(key, value) != value:
            raise SreError(f"{file}: '{shown(key)}' stands twice with different values; keep the right line")
    keys = [key for key, _ in rows]
    if any(CUT in problem for problem in problems):
        done.append(
            f"{file}: its last line had no end, and is kept as it is: look whether '{shown(keys[-1])}' is whole"
        )
    done += [f"{remark}: mended" for remark in untidy]
    if len(table) < len(rows):
        done.append(f"{file}: {len(rows) - len(table)} equal lines dropped")
    if keys != sorted(keys):
        done.append(f"{file}: sorted bytewise")
    return table


def _drop_segments(path: Path, tables: dict[str, Table], done: list[str]) -> None:
    def is_good(utt: str, value: str) -> bool:
        try:
            recording = parse_segment(path, utt, value).recording
        except SreError:
            return False
        return "wav.scp" not in tables or recording in tables["wav.scp"]

    lines = tables["segments"]
    tables["segments"] = {utt: value for utt, value in lines.items() if is_good(utt, value)}
    if lost := len(lines) - len(tables["segments"]):
        done.append(f"{path}/segments: {lost} lines dropped that end before they start or have no recording")


def _rewrite(file: Path, table: Table, done: list[str]) -> None:
    """Write the table where its bytes change; what was there goes to .backup."""
    new = "".join(f"{key} {value}\n" for key, value in sorted(table.items()))
    old = file.read_bytes() if file.exists() else None
    if old == new.encode():
        return
    if file.name == "spk2utt":
        done.append(f"{file}: made from utt2spk, {len(table)} speakers")
    if old is not None:
        if file.name != "spk2utt" and not any(text.startswith(f"{file}: ") for text in done):
            done.append(f"{file}: blanks and line ends made good")
        with atomic_output(_free(file.parent / ".backup" / file.name), "wb") as backup:
            backup.write(old)
    write_table(file, table)


def _free(path: Path) -> Path:
    """The path, or with .1, .2 … behind it where that is taken: what stood there first is not lost."""
    numbered = (path.with_name(f"{path.name}.{number}") for number in count(1))
    return next(place for place in chain([path], numbered) if not place.exists())
