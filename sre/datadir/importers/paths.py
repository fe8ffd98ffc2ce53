"""A list of paths, one a line; which part of them is the speaker is said by a layout (layout.py)."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from sre import SreError
from sre.datadir.importers.layout import layout_of, row_of
from sre.datadir.importers.row import Asked, Row
from sre.io.atomic import atomic_output
from sre.io.ids import shown
from sre.io.text import BLANKS, lines_of, read_text


def read(source: Path, asked: Asked) -> Iterator[Row]:
    """Yield a row a line. Raises SreError naming the line that the layout does not fit."""
    layout = layout_of(asked)
    for number, line in enumerate(lines_of(read_text(source)), 1):
        file = line.strip(BLANKS)
        if not file:
            continue
        row = row_of(file, layout)
        if row is None and not asked.unlabelled:
            wanted = f"pattern '{asked.pattern}'" if asked.pattern else f"part {asked.speaker_part}"
            raise SreError(f"{source}:{number}: {wanted} does not fit '{shown(file)}'; give another, or mend the line")
        yield row or Row(file)


def write(out: Path, rows: Iterable[Row]) -> int:
    """Write the paths; return their number. Raises SreError for parts of files, which the list cannot hold."""
    count = 0
    with atomic_output(out) as file:
        for row in rows:
            if row.part:
                raise SreError(
                    f"{out}: a list of paths holds no parts of files, as {row.utterance} is; use csv or nemo"
                )
            file.write(f"{row.file}\n")
            count += 1
    return count
