"""A table for the terminal: the columns that fit, the first first."""

from dataclasses import replace

from sre.machine.log import aligned
from sre.report.blocks import Line, Table, as_cell
from sre.report.markdown import cell_text

GAP = 2  # spaces between columns
SHORTENED = 2  # columns from this one on lose what is small in them before any column is left out


def text_table(table: Table, width: int = 0) -> str:
    """Return the table aligned, in at most `width` columns of characters where it can be; 0: however wide it is.

    Too wide a table first loses the small words of its cells, from the third column on, and then its last columns. A
    part's title and a line's `rest` are cut off at the width.
    """
    table = table.without_empty()
    if width and _width(table) > width:
        table = _shortened(table)
    columns = len(table.head)
    while width and columns > 1 and _width(table) > width:
        columns -= 1
        table = table.with_columns(range(columns))
    lines = aligned(_texts(table)).splitlines()
    printed = lines[:1]
    rest = iter(lines[1:])
    for part in table.parts:
        printed += [f"{part.title}: {part.small}"] * bool(part.title)
        printed += [f"{next(rest)}  {line.rest}" if line.rest else next(rest) for line in part.lines]
    return "".join(line[: width or None].rstrip() + "\n" for line in printed)


def _texts(table: Table) -> list[list[str]]:
    """Return the cells, a list of equal length for each line, indented under the titles of parts."""
    indent = "  " * any(part.title for part in table.parts)
    rows = [list(table.head)]
    for line in table.lines:
        cells = [cell_text(as_cell(cell)) for cell in line.cells]
        rows.append([indent + cells[0], *cells[1:], *[""] * (len(table.head) - len(cells))])
    return rows


def _width(table: Table) -> int:
    return sum(max(map(len, column)) + GAP for column in zip(*_texts(table), strict=True)) - GAP


def _shortened(table: Table) -> Table:
    def cut(line: Line) -> Line:
        short = [replace(as_cell(cell), small="") for cell in line.cells[SHORTENED:]]
        return replace(line, cells=[*line.cells[:SHORTENED], *short])

    return table.with_lines(cut)
