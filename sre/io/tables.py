"""Kaldi's text tables: one `key value …` a line, sorted bytewise, whatever the locale.

A table ends in a line end. One that does not may have been cut within its last line, and what is left of a value (`s11`
-> `s1`) is often another value: it is refused, unless the rest of the table shows that the value is whole. That, and
lists and maps that people write by hand, are only remarked on.
"""

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import inf
from pathlib import Path

from sre import SreError
from sre.io.atomic import atomic_output
from sre.io.ids import check_ids, is_plain, shown, unseen
from sre.io.name_tables import NameTable
from sre.io.text import BLANKS, fields, key_and_rest, lines_of, number, read_text
from sre.machine.log import warn

CUT = "its last line has no end, so it may be cut short"
warn_once = cache(warn)  # several parts of a command may read the same list


def read_table(path: str | Path, by_hand: bool = False, kind: str = "") -> dict[str, str]:
    """Read `key value` lines; the value is the rest of the line, and may be empty. Order is the file's.

    Empty lines are passed over. A last line without end is remarked on where people write such a table `by_hand`, or
    where it is whole by `may_be_cut`; `kind` is the name of such tables, where the file has another.
    Raises SreError where the file cannot be read or may be cut, for a key that stands twice and one with characters
    that cannot be seen.
    """
    text = read_text(path)
    table: dict[str, str] = {}
    for place, line in enumerate(lines_of(text), 1):
        key, value = key_and_rest(line)
        if key and not is_plain(key):
            check_ids(f"{path}:{place}", [key])
        if key in table:
            remedy = "write one line of all its values" if by_hand else "keep one (sre data fix drops equal lines)"
            raise SreError(f"{path}:{place}: '{shown(key)}' stands twice; {remedy}")
        if key:
            table[key] = value
    if table and not text.endswith("\n"):
        if not by_hand and may_be_cut(path, list(table.items()), kind):
            raise SreError(f"{path}: {CUT}; {end_it(path)}")
        remark_cut(path, False, line.strip(BLANKS))
    return table


def may_be_cut(path: str | Path, rows: Sequence[tuple[str, str]], kind: str = "") -> bool:
    """Return whether the value of the last line, which has no end, may be only the beginning of what was written.

    It is whole where it is a path that exists, a command, the place of a record of its key, a word of other lines that
    no other line's goes on from, or a number of as many decimals as the others. What spk2utt lost is seen in utt2spk.
    """
    path, (key, last) = Path(path), rows[-1]
    kind, others = kind or path.name, [value for _, value in rows[:-1]]
    if kind in ("text", "spk2utt"):
        return False
    if kind == "wav.scp":
        return not (last.endswith("|") or any(os.path.exists(place) for place in (last, path.parent / last)))
    if kind in ("segments", "utt2dur", "reco2dur"):
        return not others or "." not in last or max(map(_decimals, others)) > _decimals(last)
    if kind.endswith(".scp"):
        return not any(_stands_before(folder, key, last) for folder in (path.parent, Path()))
    if not kind.startswith(("utt2", "spk2")) or kind in ("utt2num_frames", "utt2num_voiced"):
        return True
    return last not in others or any(other != last and other.startswith(last) for other in others)


def _stands_before(folder: Path, key: str, place: str) -> bool:
    """Return whether the archive of a `path:offset` has the key, and a blank, before the offset."""
    ark, _, offset = place.rpartition(":")
    wanted = key.encode() + b" "
    try:
        with open(folder / ark, "rb") as file:
            file.seek(int(offset) - len(wanted))
            return file.read(len(wanted)) == wanted
    except (OSError, ValueError):
        return False


def _decimals(value: str) -> int:
    return len(value.rpartition(".")[2]) if "." in value else 0


def read_numbers(path: str | Path) -> dict[str, float]:
    """Read key -> number, of a table like utt2dur. Raises SreError as `read_table`, and for no number above 0."""
    return numbers_in(path, read_table(path))


def numbers_in(path: str | Path, table: Mapping[str, str]) -> dict[str, float]:
    """Return key -> number of a table that was read. Raises SreError for no number above 0."""
    numbers: dict[str, float] = {}
    for key, value in table.items():
        try:
            numbers[key] = number(value)
        except ValueError:
            numbers[key] = 0
        if not 0 < numbers[key] < inf:
            raise SreError(f"{path}: '{shown(key)} {shown(value)}' has no number above 0; make the table again")
    return numbers


def end_it(path: str | Path) -> str:
    """Return the remedy for a table whose last line has no end."""
    return f"make it again or, if it is whole, end the line: sed -i '$a\\' {shlex.quote(str(path))}"


def read_utt2spk(path: str | Path) -> dict[str, str]:
    """Read utterance -> its speaker. Raises SreError as `read_table`, and for a line with no speaker or several."""
    table = read_table(path, kind="utt2spk")
    for utt, speaker in table.items():
        if not speaker or unseen(speaker):
            found = len(fields(speaker))
            if found == 1:
                check_ids(f"{path}: {shown(utt)}", [speaker], "speaker")
            of = "speakers; write one, or give utt2spk if this is spk2utt" if found > 1 else "speaker; write one"
            raise SreError(f"{path}: '{shown(utt)}' has {found or 'no'} {of}")
    return table


def read_ids(path: str | Path) -> list[str]:
    """Read the first field of each line that is not empty: utterances, speakers. Warns of a last line without an end.

    Raises SreError where the file cannot be read, holds none, or one with characters that cannot be seen.
    """
    text = read_text(path)
    ids = [key for key, _ in map(key_and_rest, lines_of(text)) if key]
    if not ids:
        raise SreError(f"{path}: no id in it; write one a line")
    check_ids(path, ids)
    remark_cut(path, text.endswith("\n"), ids[-1])
    return ids


def remark_cut(path: str | Path, ended: bool, last: str) -> None:
    """Say that a list that may be somebody's own has no end, and what is read of its last line."""
    if not ended:
        warn_once(f"{path}: {CUT}; '{shown(last)}' is read there: look whether it is whole")


def write_table(path: str | Path, table: Mapping[str, object] | Iterable[tuple[str, object]]) -> None:
    """Write `key value` lines in bytewise order of the keys (code points order as UTF-8 does).

    Raises SreError for what `read_table` would read as something else.
    """
    pairs: Iterable[tuple[str, object]]
    if isinstance(table, NameTable):
        pairs = table.take(table.names.sorted_rows()).items()
    else:
        pairs = sorted((key, str(value)) for key, value in (table.items() if isinstance(table, Mapping) else table))
    with atomic_output(path) as file:
        file.writelines(_written(path, key, str(value)) for key, value in pairs)


def _written(path: str | Path, key: str, value: str) -> str:
    if not key or not is_plain(key):
        check_ids(path, [key])
    if not value.isprintable() or value != value.strip(BLANKS):
        _check_value(path, key, value)
    return f"{key} {value}\n"


def _check_value(path: str | Path, key: str, value: str) -> None:
    what = f"{path}: '{shown(key)} {shown(value)}'"
    if "\n" in value or "\r" in value or "\0" in value or value != value.strip(BLANKS):
        raise SreError(f"{what} begins or ends with a blank or has a line end in it, which no table holds; rename it")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise SreError(f"{what} is not UTF-8, as every table is; rename the file") from None


def invert(utt2spk: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the spk2utt of a utt2spk: speakers and their utterances, both in bytewise order."""
    spk2utt: dict[str, list[str]] = {}
    for utt, speaker in sorted(utt2spk.items()):
        spk2utt.setdefault(speaker, []).append(utt)
    return dict(sorted(spk2utt.items()))
