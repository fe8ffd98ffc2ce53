"""Findings: what was looked at, whether it is good, and what to do where it is not; a page of them."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

OK, NOTE, STOP = "ok", "note", "STOP"
WIDTH = 110  # columns of the page
MARKS, NAMES = 6, 14  # columns of a state, and of a name


class Finding(NamedTuple):
    """One thing that was looked at.

    section, name : where it stands on the page, and what it is
    state : OK; NOTE, a person should know of it; STOP, the recipe would end at it
    text : what was found
    cure : a sentence on what to do; "" where nothing is to be done
    """

    section: str
    name: str
    state: str
    text: str
    cure: str = ""


def stops(found: Sequence[Finding]) -> list[Finding]:
    """Return those that would stop the recipe."""
    return [one for one in found if one.state == STOP]


def page(title: str, found: Sequence[Finding]) -> list[str]:
    """Return the lines of the page: a part a section, and the verdict last."""
    lines = [title]
    for section in dict.fromkeys(one.section for one in found):
        lines += ["", section]
        for one in found:
            lines += _lines(one) if one.section == section else []
    return [*lines, "", verdict(found)]


def verdict(found: Sequence[Finding]) -> str:
    """Return a sentence on whether the recipe can run."""
    bad = stops(found)
    if not bad:
        return "Nothing that was looked at would stop it."
    names = ", ".join(dict.fromkeys(one.name for one in bad))
    return f"{len(bad)} thing{'s' * (len(bad) > 1)} would stop it: {names}."


def _lines(one: Finding) -> Iterator[str]:
    indent = " " * (2 + MARKS + NAMES)
    head = f"  {one.state:{MARKS}}{one.name:{NAMES}}"
    head += " " * (len(head) > len(indent))
    for text, first in ((one.text, head), (one.cure, f"{indent}-> ")):
        for line in text.splitlines():
            wrapper = textwrap.TextWrapper(WIDTH, first, indent, break_long_words=False, break_on_hyphens=False)
            yield from wrapper.wrap(line)
            first = indent
