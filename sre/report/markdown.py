"""report.md: the blocks of the page as Markdown, without the figures."""

from collections.abc import Callable, Sequence

from sre.report import blocks
from sre.report.blocks import Block, Cell, Line, Section, Table, as_cell


def markdown(title: str, sections: Sequence[Section]) -> str:
    """Return the report; sections without blocks are left out."""
    parts = [f"# {title}\n"]
    for section in sections:
        if section.blocks:
            parts += [f"## {section.title}\n"] * bool(section.title) + list(map(markdown_of, section.blocks))
    return "\n".join(filter(None, parts))


def markdown_of(block: Block) -> str:
    return WRITERS[type(block)](block)


def cell_text(cell: Cell) -> str:
    """Return all that a cell says on one line: `15.71 (9.55 to 21.88)`, `worse: +1.2 (+0.3 to +2.1), p 0.010`."""
    badges = f" ({', '.join(cell.badges)})" if cell.badges else ""
    if not cell.small:
        return cell.text + badges
    small = f": {cell.small}" if "(" in cell.small else f" ({cell.small})"
    return cell.text + badges + (small if cell.text else cell.small)


def _heading(block: blocks.Heading) -> str:
    return f"### {block.text}\n" + (f"\n{block.small}\n" if block.small else "")


def _text(block: blocks.Text) -> str:
    return f"{block.text}\n"


def _bullets(block: blocks.Bullets) -> str:
    return "".join(f"- {text}\n" for text in block.sentences)


def _terms(block: blocks.Terms) -> str:
    return "".join(f"- **{term}**: {meaning}\n" for term, meaning in block.pairs)


def _code(block: blocks.Code) -> str:
    return f"```\n{block.text.rstrip()}\n```\n"


def _table(block: Table) -> str:
    table = block.without_empty()
    parts = [f"{block.caption}.\n"] if table.lines else []
    for part in table.parts:
        parts += [f"**{part.title}**: {part.small}\n"] * bool(part.title)
        parts.append(_part(table, part.lines))
    return "\n".join(parts) if table.lines else ""


def _part(table: Table, lines: Sequence[Line]) -> str:
    width = range(len(table.head))
    rows = [table.head, ["--:" if table.numeric(number) else "---" for number in width]]
    for line in lines:
        cells = [cell_text(as_cell(cell)) for cell in line.cells] + [line.rest] * bool(line.rest)
        rows.append([*(cell.replace("|", "\\|") for cell in cells), *[""] * (len(width) - len(cells))])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def _figures(block: blocks.Figures) -> str:
    return "".join(f"- Figure in `report.html`: {figure.caption}\n" for figure in block.figures)


def _fold(block: blocks.Fold) -> str:
    return "\n".join([f"#### {block.title}\n", *filter(None, map(markdown_of, block.blocks))])


def _beside(block: blocks.Beside) -> str:
    return "\n".join(filter(None, map(markdown_of, block.blocks)))


WRITERS: dict[type, Callable] = {
    blocks.Heading: _heading,
    blocks.Text: _text,
    blocks.Bullets: _bullets,
    blocks.Terms: _terms,
    blocks.Code: _code,
    blocks.Table: _table,
    blocks.Figures: _figures,
    blocks.Fold: _fold,
    blocks.Beside: _beside,
}
