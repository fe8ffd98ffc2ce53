"""report.html: one page with no script and no outside resource, for a screen of any width and for paper."""

import re
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from sre.report import blocks
from sre.report.blocks import Block, Cell, Line, Section, Table, as_cell

CSS = Path(__file__).with_name("page.css")
LONG, SENTENCE = 40, 45  # characters from which a cell may wrap: of a digest or path, of words
HEAVY = re.compile(  # spaces at which no line may end
    r"(?<=[\d,]) (?=(?:%|h|s|utt/s|MiB|epochs|speakers|trials|utterances)\b|%)|(?<=P_target) (?=\d)|(?<=%) (?=interval)"
)


def page(title: str, sections: Sequence[Section]) -> str:
    """Return the page; sections without blocks are left out."""
    there = [section for section in sections if section.blocks]
    names = {section.title: f"section{number}" for number, section in enumerate(there) if section.title}
    links = " · ".join(f'<a href="#{name}">{escape(text)}</a>' for text, name in names.items())
    body = "".join(_section(section, names.get(section.title, ""), links) for section in there)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{CSS.read_text(encoding='utf-8')}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(title)}</h1>\n{body}</main>\n</body>\n</html>\n"
    )


def _section(section: Section, name: str, links: str) -> str:
    body = "".join(map(html_of, section.blocks))
    if not name:
        return f"<section>\n{body}</section>\n<nav>{links}</nav>\n"
    return f'<section id="{name}"><h2>{escape(section.title)}</h2>\n{body}</section>\n'


def html_of(block: Block) -> str:
    return WRITERS[type(block)](block)


def plain(text: str) -> str:
    """Return text as HTML, with no line break between a number and its unit."""
    return HEAVY.sub("\N{NO-BREAK SPACE}", escape(text))


def sentence(text: str) -> str:
    """Return a sentence as HTML, its `code` and **strong** words marked up."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", plain(text))
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", marked)


def _heading(block: blocks.Heading) -> str:
    small = f" <small>{plain(block.small)}</small>" if block.small else ""
    return f"<h3>{plain(block.text)}{small}</h3>\n"


def _text(block: blocks.Text) -> str:
    return f"<p>{sentence(block.text)}</p>\n"


def _bullets(block: blocks.Bullets) -> str:
    items = "".join(f"<li>{sentence(text)}</li>\n" for text in block.sentences)
    return f"<ul>\n{items}</ul>\n" if items else ""


def _terms(block: blocks.Terms) -> str:
    said = "".join(f"<dt>{plain(term)}</dt><dd>{sentence(meaning)}</dd>\n" for term, meaning in block.pairs)
    return f"<dl>\n{said}</dl>\n"


def _code(block: blocks.Code) -> str:
    return f'<pre class="scroll" tabindex="0">{escape(block.text)}</pre>\n'


def _table(block: Table) -> str:
    table = block.without_empty()
    if not table.lines:
        return ""
    right = [table.numeric(number) for number in range(len(table.head))]
    looks = [' class="n"' if number else "" for number in right]
    heads = "".join(f'<th scope="col"{look}>{plain(name)}</th>' for name, look in zip(table.head, looks, strict=True))
    body = ""
    for part in table.parts:
        small = f" <small>{plain(part.small)}</small>" if part.small else ""
        title = f'<th class="part" scope="rowgroup" colspan="{len(right)}"><span>{plain(part.title)}{small}</span></th>'
        title = f"<tr>{title}</tr>\n" if part.title else ""
        lines = "".join(_line(line, right) for line in part.lines)
        body += f"<tbody>\n{title}{lines}</tbody>\n"
    caption = escape(block.caption)
    return (
        f'<p class="caption">{plain(block.caption)}</p>\n<div class="scroll" role="region" aria-label="{caption}"'
        f' tabindex="0">\n<table>\n<thead><tr>{heads}</tr></thead>\n{body}</table>\n</div>\n'
    )


def _line(line: Line, right: Sequence[bool]) -> str:
    cells = "".join(_cell(as_cell(cell), n == 0, right[n]) for n, cell in enumerate(line.cells))
    if line.rest:
        cells += f'<td class="note" colspan="{len(right) - len(line.cells)}">{plain(line.rest)}</td>'
    look = f' class="{line.look}"' if line.look else ""
    return f"<tr{look}>{cells}</tr>\n"


def _cell(cell: Cell, first: bool, right: bool) -> str:
    text, looks = cell.text, [cell.look, "n" if right else ""]
    if len(text) >= LONG and " " not in text:
        looks.append("long")
    elif " " not in text:
        looks.append("word")
    elif len(text) > SENTENCE:
        looks.append("note")
    look = " ".join(filter(None, looks))
    said = plain(text)
    if cell.link:
        said = f'<a href="{quote(cell.link)}">{said}</a>'
    said += "".join(f' <span class="badge">{escape(word)}</span>' for word in cell.badges)
    said += f"<small>{plain(cell.small)}</small>" if cell.small else ""
    opened = '<th scope="row"' if first else "<td"
    opened += f' class="{look}"' if look else ""
    return f"{opened}>{said}</{opened[1:3]}>"


def _figures(block: blocks.Figures) -> str:
    drawn = "".join(
        f"<figure>\n{figure.svg}<figcaption>{plain(figure.caption)}</figcaption>\n</figure>\n"
        for figure in block.figures
    )
    return f'<div class="figures">\n{drawn}</div>\n' if drawn else ""


def _fold(block: blocks.Fold) -> str:
    content = "".join(map(html_of, block.blocks))
    return f"<details>\n<summary>{plain(block.title)}</summary>\n{content}</details>\n"


def _beside(block: blocks.Beside) -> str:
    parts = "".join(f"<div>\n{html_of(part)}</div>\n" for part in block.blocks)
    return f'<div class="beside">\n{parts}</div>\n'


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
