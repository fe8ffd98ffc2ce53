"""report.html: one page with no script and no outside resource, for a screen of any width and for paper."""

import re
from collections.abc import Sequence
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


def plain(text: str) -> str:
    """Return text as HTML, with no line break between a number and its unit."""
    return HEAVY.sub("\N{NO-BREAK SPACE}", escape(text))


def sentence(text: str) -> str:
    """Return a sentence as HTML, its `code` and **strong** words marked up."""
    marked = re.sub(r"`([^`]+)`", r"<code>\1</code>", plain(text))
    return re.sub(r"\*\*([^*]+)\*\*", r"<strong>\1</strong>", marked)


def html_of(block: Block) -> str:
    match block:
        case blocks.Heading(text, small):
            return f"<h3>{plain(text)}{_small(small)}</h3>\n"
        case blocks.Text(text):
            return f"<p>{sentence(text)}</p>\n"
        case blocks.Bullets(sentences):
            items = "".join(f"<li>{sentence(text)}</li>\n" for text in sentences)
            return f"<ul>\n{items}</ul>\n" if items else ""
        case blocks.Terms(pairs):
            said = "".join(f"<dt>{plain(term)}</dt><dd>{sentence(meaning)}</dd>\n" for term, meaning in pairs)
            return f"<dl>\n{said}</dl>\n"
        case blocks.Code(text):
            return f'<pre class="scroll" tabindex="0">{escape(text)}</pre>\n'
        case Table():
            return _table(block.without_empty())
        case blocks.Figures(figures):
            drawn = "".join(
                f"<figure>\n{f.svg}<figcaption>{plain(f.caption)}</figcaption>\n</figure>\n" for f in figures
            )
            return f'<div class="figures">\n{drawn}</div>\n' if drawn else ""
        case blocks.Fold(title, content):
            body = "".join(map(html_of, content))
            return f"<details>\n<summary>{plain(title)}</summary>\n{body}</details>\n"
        case blocks.Beside(content):
            parts = "".join(f"<div>\n{html_of(part)}</div>\n" for part in content)
            return f'<div class="beside">\n{parts}</div>\n'


def _small(text: str) -> str:
    return f" <small>{plain(text)}</small>" if text else ""


def _table(table: Table) -> str:
    if not table.lines:
        return ""
    right = [table.numeric(number) for number in range(len(table.head))]
    looks = [' class="n"' if number else "" for number in right]
    heads = "".join(f'<th scope="col"{look}>{plain(name)}</th>' for name, look in zip(table.head, looks, strict=True))
    body = ""
    for part in table.parts:
        words = f"<span>{plain(part.title)}{_small(part.small)}</span>"
        title = f'<tr><th class="part" scope="rowgroup" colspan="{len(right)}">{words}</th></tr>\n' * bool(part.title)
        lines = "".join(_line(line, right) for line in part.lines)
        body += f"<tbody>\n{title}{lines}</tbody>\n"
    return (
        f'<p class="caption">{plain(table.caption)}</p>\n'
        f'<div class="scroll" role="region" aria-label="{escape(table.caption)}"'
        f' tabindex="0">\n<table>\n<thead><tr>{heads}</tr></thead>\n{body}</table>\n</div>\n'
    )


def _line(line: Line, right: Sequence[bool]) -> str:
    cells = "".join(_cell(as_cell(cell), n == 0, right[n]) for n, cell in enumerate(line.cells))
    if line.rest:
        cells += f'<td class="note" colspan="{len(right) - len(line.cells)}">{plain(line.rest)}</td>'
    look = f' class="{line.look}"' if line.look else ""
    return f"<tr{look}>{cells}</tr>\n"


def _cell(cell: Cell, first: bool, right: bool) -> str:
    text, looks = cell.text, [cell.look, "n" * right]
    if " " not in text:
        looks.append("long" if len(text) >= LONG else "word")
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
