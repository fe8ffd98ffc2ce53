"""report.md: the blocks of the page as Markdown, without the figures."""

from collections.abc import Sequence

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
    match block:
        case blocks.Heading(text, small):
            return f"### {text}\n" + (f"\n{small}\n" if small else "")
        case blocks.Text(text):
            return f"{text}\n"
        case blocks.Bullets(sentences):
            return "".join(f"- {text}\n" for text in sentences)
        case blocks.Terms(pairs):
            return "".join(f"- **{term}**: {meaning}\n" for term, meaning in pairs)
        case blocks.Code(text):
            return f"```\n{text.rstrip()}\n```\n"
        case Table():
            return _table(block.without_empty())
        case blocks.Figures(figures):
            return "".join(f"- Figure in `report.html`: {figure.caption}\n" for figure in figures)
        case blocks.Fold(title, content):
            return "\n".join([f"#### {title}\n", *filter(None, map(markdown_of, content))])
        case blocks.Beside(content):
            return "\n".join(filter(None, map(markdown_of, content)))


def cell_text(cell: Cell) -> str:
    """Return all that a cell says on one line: `15.71 (9.55 to 21.88)`, `worse: +1.2 (+0.3 to +2.1), p 0.010`."""
    badges = f" ({', '.join(cell.badges)})" if cell.badges else ""
    if not cell.small:
        return cell.text + badges
    small = f": {cell.small}" if "(" in cell.small else f" ({cell.small})"
    return cell.text + badges + (small if cell.text else cell.small)


def _table(table: Table) -> str:
    parts = [f"{table.caption}.\n"] if table.lines else []
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
