"""Blocks: what a section of the report is made of. html.py, markdown.py and terminal.py write the same blocks.

Sentences may hold `code` and **strong** words, in Markdown's manner. Cells, captions and headings are plain text.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

NUMERIC = re.compile(r"[<±+-]*[\d.,]+( ± [\d.]+)?( %)?|\d+(:\d\d)+|reject all")


@dataclass(frozen=True)
class Heading:
    """A heading below that of the section, with more words in a lighter face."""

    text: str
    small: str = ""


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of sentences; nothing where it is empty."""

    sentences: Sequence[str]


@dataclass(frozen=True)
class Terms:
    """Words and what they mean."""

    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    """Lines as they are typed."""

    text: str


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    small : what belongs to the text and matters less, e.g. the interval of a rate
    badges : words that mark the cell, e.g. "best"
    look : "worse", "better" or "reference"
    link : of a file, relative to the report's folder
    """

    text: str
    small: str = ""
    badges: Sequence[str] = ()
    look: str = ""
    link: str = ""


@dataclass(frozen=True)
class Line:
    """A line of a table.

    cells : str or Cell, one a column; fewer where `rest` stands in the columns that are left
    look : "reference", "mean" or "failed"
    rest : a sentence in place of the cells that are not there
    """

    cells: Sequence[str | Cell]
    look: str = ""
    rest: str = ""


@dataclass(frozen=True)
class Part:
    """Lines of a table under a title of their own."""

    title: str
    small: str
    lines: Sequence[Line]


@dataclass(frozen=True)
class Table:
    """A table of one part without a title, or of several parts with the same columns."""

    caption: str
    head: Sequence[str]
    parts: Sequence[Part]

    @classmethod
    def of(cls, caption: str, head: Sequence[str], rows: Iterable[Sequence[str | Cell]]) -> "Table":
        return cls(caption, head, [Part("", "", [Line(cells) for cells in rows])])

    @property
    def lines(self) -> list[Line]:
        return list(chain.from_iterable(part.lines for part in self.parts))

    def column(self, number: int) -> list[Cell]:
        """Return the cells of a column that are there."""
        return [as_cell(line.cells[number]) for line in self.lines if number < len(line.cells)]

    def numeric(self, number: int) -> bool:
        """Return whether all cells of a column but the first are numbers, which stand to the right."""
        texts = [cell.text for cell in self.column(number) if cell.text]
        return number > 0 and bool(texts) and all(NUMERIC.fullmatch(text) for text in texts)

    def without_empty(self) -> "Table":
        """Return the table without the columns in which no line has anything; a `rest` keeps one to stand in."""
        rests = {len(line.cells) for line in self.lines if line.rest}
        said = [any(cell.text or cell.small or cell.badges for cell in self.column(n)) for n in range(len(self.head))]
        return self.with_columns([n for n, something in enumerate(said) if something or n in rests])

    def with_columns(self, kept: Sequence[int]) -> "Table":
        """Return the table with these of its columns, in ascending order."""

        def cut(line: Line) -> Line:
            return replace(line, cells=[line.cells[n] for n in kept if n < len(line.cells)])

        return replace(self.with_lines(cut), head=[self.head[n] for n in kept])

    def with_lines(self, changed: Callable[[Line], Line]) -> "Table":
        """Return the table with each of its lines changed."""
        return replace(self, parts=[replace(part, lines=[*map(changed, part.lines)]) for part in self.parts])


@dataclass(frozen=True)
class Figure:
    """A figure as inline SVG, with what it shows in words."""

    caption: str
    svg: str


@dataclass(frozen=True)
class Figures:
    """Figures in as many columns as fit; nothing where there are none."""

    figures: Sequence[Figure]


@dataclass(frozen=True)
class Fold:
    """Blocks that are closed on a screen until the reader opens them."""

    title: str
    blocks: Sequence["Block"] = field(default_factory=list)


@dataclass(frozen=True)
class Beside:
    """Blocks side by side where the screen is wide enough for them."""

    blocks: Sequence["Block"]


Block = Heading | Text | Bullets | Terms | Code | Table | Figures | Fold | Beside


@dataclass(frozen=True)
class Section:
    """A titled part of the report; the first, without a title, stands under the report's own."""

    title: str
    blocks: Sequence[Block]


def as_cell(cell: str | Cell) -> Cell:
    return Cell(cell) if isinstance(cell, str) else cell
