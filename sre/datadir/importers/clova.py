"""ClovaAI's lists: `speaker file` to train on. Their trials, `1 a b`, are read as any trials of files (trials.py).

A list of trials alone gives the files that it names; who speaks in them is said by a layout (layout.py).
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from sre import SreError
from sre.datadir.importers.layout import layout_of, row_of
from sre.datadir.importers.row import Asked, Row
from sre.datadir.importers.trials import Pair
from sre.io.atomic import atomic_output
from sre.io.ids import shown
from sre.io.text import fields, key_and_rest, lines_of, read_text


def read(source: Path, asked: Asked) -> Iterator[Row]:
    """Yield a row a line. Raises SreError naming the line that has no two fields."""
    layout = layout_of(asked) if asked.pattern or asked.speaker_part is not None else None
    for number, line in enumerate(lines_of(read_text(source)), 1):
        speaker, file = key_and_rest(line)
        if not speaker:
            continue
        if not file:
            raise SreError(f"{source}:{number}: '{shown(line)}' is not `speaker file`; mend it, or give --format paths")
        place = layout(file) if layout else None
        yield Row(file, place.speaker if place and place.speaker else speaker, place.session if place else "")


def read_trials(source: Path, asked: Asked) -> Iterator[Row]:
    """Yield a row for each file of a list of trials, `1 a b` or `0 a b`. Raises SreError naming another line."""
    layout, seen = layout_of(asked), set()
    for number, line in enumerate(lines_of(read_text(source)), 1):
        found = fields(line)
        if not found:
            continue
        if len(found) != 3 or found[0] not in ("0", "1"):
            raise SreError(f"{source}:{number}: '{shown(line)}' is not `1 file file` or `0 file file`; mend it")
        for file in found[1:]:
            if file not in seen:
                seen.add(file)
                yield row_of(file, layout) or Row(file)


def write(out: Path, rows: Iterable[Row]) -> int:
    """Write `speaker file` lines; return their number. Raises SreError for parts of files."""
    count = 0
    with atomic_output(out) as file:
        for row in rows:
            if row.part:
                raise SreError(f"{out}: ClovaAI's list holds no parts of files, as {row.utterance} is; use csv or nemo")
            file.write(f"{row.speaker} {row.file}\n")
            count += 1
    return count


def write_trials(out: Path, rows: Iterable[Row], pairs: Iterable[Pair]) -> int:
    """Write `1 file file` or `0 file file` lines; return their number.

    Raises SreError for unlabelled trials, and for files with blanks in their names.
    """
    files = {row.utterance: row.file for row in rows if not row.part}
    count = 0
    with atomic_output(out) as file:
        for pair in pairs:
            if pair.target is None:
                raise SreError(f"{out}: ClovaAI's trials have labels, {pair.enrol} {pair.test} has none; label it")
            if lost := [utt for utt in pair[:2] if utt not in files]:
                raise SreError(f"{out}: {lost[0]} of the trials is no file of the data; use a list of its utterances")
            if odd := next((files[utt] for utt in pair[:2] if len(fields(files[utt])) > 1), None):
                told = f"{out}: ClovaAI's trials hold no blanks in names, as '{shown(odd)}' has"
                raise SreError(f"{told}; rename it, or export links to the files (--format folder) and import these")
            file.write(f"{pair.target:d} {files[pair.enrol]} {files[pair.test]}\n")
            count += 1
    return count
