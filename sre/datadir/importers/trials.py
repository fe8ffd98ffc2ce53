"""Trials of files or utterances, `1 a b`, `a b target`, `a b` or CSV with columns, into ids of a data directory."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from sre import SreError
from sre.datadir.importers.layout import without_suffix
from sre.datadir.importers.table import delimiter_of, rows_of
from sre.io.atomic import atomic_output
from sre.io.ids import shown
from sre.io.text import fields, lines_of, read_text

WORDS = {"1": True, "0": False, "target": True, "nontarget": False, "true": True, "false": False}
COLUMNS = {  # of a CSV, in lower case
    "enrol": ("enrol", "enroll", "audio1", "audio_1", "file1", "modelid"),
    "test": ("test", "audio2", "audio_2", "file2", "segmentid"),
    "label": ("label", "target", "targettype"),
}


class Pair(NamedTuple):
    """A trial as a list has it; target None: unlabelled."""

    enrol: str
    test: str
    target: bool | None


def read(source: Path) -> Iterator[Pair]:
    """Yield the trials of a list. Raises SreError naming the line that is none."""
    text = read_text(source)
    delimiter = delimiter_of(text)
    if delimiter is None:
        for number, line in enumerate(lines_of(text), 1):
            if found := fields(line):
                yield _pair(f"{source}:{number}", found)
        return
    lines = rows_of(source, text, delimiter)
    _, first = next(lines)
    lower = [name.lower() for name in first]
    at = {
        role: next(lower.index(name) for name in names if name in lower)
        for role, names in COLUMNS.items()
        if set(names) & set(lower)
    }
    if not {"enrol", "test"} <= at.keys():
        yield _pair(f"{source}:1", first)
        yield from (_pair(f"{source}:{number}", cells) for number, cells in lines)
        return
    for number, cells in lines:
        if len(cells) != len(first):
            raise SreError(f"{source}:{number}: {len(cells)} cells, the first line has {len(first)}; mend it")
        label = [cells[at["label"]]] if "label" in at else []
        yield _pair(f"{source}:{number}", [cells[at["enrol"]], cells[at["test"]], *label])


def _pair(where: str, found: list[str]) -> Pair:
    if len(found) == 2:
        return Pair(found[0], found[1], None)
    if len(found) == 3 and found[2].lower() in WORDS:
        return Pair(found[0], found[1], WORDS[found[2].lower()])
    if len(found) == 3 and found[0] in ("0", "1"):
        return Pair(found[1], found[2], found[0] == "1")
    raise SreError(f"{where}: '{shown(' '.join(found))[:80]}' is no trial; write `1 a b`, `a b target` or `a b`")


class Names:
    """Finds utterances by what a list calls them: their ids, or their files with or without suffix.

    sources : utterance -> file, as the source has it; folder : where relative ones start
    """

    def __init__(self, sources: Mapping[str, str], folder: str) -> None:
        self.sources, self.folder = sources, folder
        self.stems: dict[str, str] = {}
        self.files: dict[str, str] = {}  # of those that share a stem
        for utt, file in sources.items():
            stem = self._stem(file)
            if (other := self.stems.setdefault(stem, utt)) != utt:
                self.files |= {self._whole(sources[one]): one for one in (other, utt)}

    def _whole(self, file: str) -> str:
        return os.path.normpath(file).removeprefix(f"{self.folder}/")

    def _stem(self, file: str) -> str:
        return without_suffix(self._whole(file))

    def find(self, name: str) -> str | None:
        """Return the utterance; None where there is none, or several that this could be."""
        if name in self.sources:
            return name
        found = self.stems.get(self._stem(name))
        doubtful = found is not None and self._whole(self.sources[found]) in self.files
        return self.files.get(self._whole(name)) if doubtful else found


def to_ids(source: Path, pairs: Iterable[Pair], names: Names) -> Iterator[Pair]:
    """Yield the trials with utterances of a data directory. Raises SreError naming those that are not in it."""
    missing: list[str] = []
    for pair in pairs:
        enrol, test = map(names.find, pair[:2])
        if enrol and test:
            yield Pair(enrol, test, pair.target)
        else:
            missing.append(pair.test if enrol else pair.enrol)
    if missing:
        raise SreError(
            f"{source}: {len(missing)} trials have files that are not in the data, e.g. {shown(missing[0])}; import"
            " these too, or take the trials out"
        )


def write(out: Path, pairs: Sequence[Pair]) -> None:
    """Write `enrol test target|nontarget` lines, `enrol test` of unlabelled ones.

    Raises SreError where some are labelled and others are not.
    """
    if len({pair.target is None for pair in pairs}) > 1:
        raise SreError(f"{out}: some trials have labels and others have none; label all, or none")
    words = {True: " target", False: " nontarget", None: ""}
    with atomic_output(out) as file:
        file.writelines(f"{pair.enrol} {pair.test}{words[pair.target]}\n" for pair in pairs)
