"""Kaldi's text tables: one `key value …` a line, sorted bytewise, whatever the locale."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from sre import SreError
from sre.io.atomic import atomic_output
from sre.io.text import read_text


def read_table(path: str | Path) -> dict[str, str]:
    """Read `key value` lines; the value is the rest of the line, and may be empty.

    Raises SreError where the file is missing, a line is empty or a key stands twice. Order is the file's.
    """
    text = read_text(path)
    table: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        key, *value = line.split(None, 1) or [""]
        if not key:
            raise SreError(f"{path}:{number}: empty line; delete it")
        if key in table:
            raise SreError(f"{path}:{number}: '{key}' stands twice; keep one (sre data fix drops equal lines)")
        table[key] = value[0].strip() if value else ""
    return table


def write_table(path: str | Path, table: Mapping[str, object] | Iterable[tuple[str, object]]) -> None:
    """Write `key value` lines in bytewise order of the keys (code points order as UTF-8 does)."""
    pairs = table.items() if isinstance(table, Mapping) else table
    with atomic_output(path) as file:
        file.writelines(f"{key} {value}\n" for key, value in sorted(pairs))


def invert(utt2spk: Mapping[str, str]) -> dict[str, list[str]]:
    """utt2spk -> spk2utt: speakers and their utterances, both in bytewise order."""
    spk2utt: dict[str, list[str]] = {}
    for utt in sorted(utt2spk):
        spk2utt.setdefault(utt2spk[utt], []).append(utt)
    return dict(sorted(spk2utt.items()))
