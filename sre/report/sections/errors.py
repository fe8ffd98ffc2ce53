"""Who errs: the reference of each evaluation list by condition, and its worst speakers, files and pairs."""

from collections.abc import Iterable, Sequence
from os.path import normpath, relpath
from pathlib import Path

from sre.report.blocks import Beside, Block, Cell, Fold, Heading, Table, Text
from sre.report.content import Content
from sre.report.errors import CONDITIONS, PAIRS, SPEAKERS, UTTERANCES, cells
from sre.scoring.described import ErrorRow

HEAD = [name for name in CONDITIONS if name != "95 % interval"]
PLAYED = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a"}  # kinds of audio that a browser plays
BY_RATES = "by the sum of both rates"
PAIRS_CAPTION = "Nontarget trials with the highest scores, and target trials with the lowest"


def blocks(content: Content) -> list[Block]:
    found: list[Block] = []
    for one in content.errors:
        errors = one.analysis
        speakers = [cells(row, SPEAKERS) for row in errors.speakers]
        files = with_links((cells(row, UTTERANCES) for row in errors.utterances), content.folder)
        pairs = with_links((cells(row, PAIRS) for row in errors.pairs), content.folder)
        conditions = Table.of("By condition", HEAD, map(_condition, errors.breakdown))
        found += [
            Heading(one.list_title, one.system),
            Text(
                f"All rates are at the threshold {errors.threshold:.5g}, that of the EER over the whole list. All"
                f" {len(errors.errors):,} errors with their files are in `{one.folder}/errors.csv`."
            ),
            Beside([conditions, Table.of(f"Speakers with the most errors, {BY_RATES}", [*SPEAKERS], speakers)]),
            Table.of(f"Files with the most errors, {BY_RATES}", [*UTTERANCES], files),
            Fold("Most confusing pairs", [Table.of(PAIRS_CAPTION, [*PAIRS], pairs)]),
        ]
    return found


def _condition(row: ErrorRow) -> list[str | Cell]:
    """Return the cells of a condition, the interval under its EER."""
    *first, eer, interval, p_miss, p_fa = cells(row, CONDITIONS)
    return [*first, Cell(eer, interval), p_miss, p_fa]


def with_links(rows: Iterable[Sequence[str]], folder: Path) -> list[list[str | Cell]]:
    """Return the rows, the files in them that are there and that a browser plays with a link from the folder."""
    return [[_linked(text, folder) for text in row] for row in rows]


def _linked(text: str, folder: Path) -> str | Cell:
    file = Path(text)
    if file.suffix.lower() not in PLAYED or not file.is_file():
        return text
    link = Path(relpath(file, folder)).as_posix()
    return Cell(min(normpath(text), link, key=len), link=link)
