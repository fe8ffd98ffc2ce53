"""Pages with parts that are made of files: what stands between `<!-- begin WORDS -->` and `<!-- end WORDS -->`."""

import re
from collections.abc import Callable, Sequence

from sre import SreError

PART = re.compile(r"^<!-- begin (.+?) -->\n(.*?)^<!-- end \1 -->\n", re.M | re.S)


def made_anew(text: str, make: Callable[[list[str]], str]) -> str:
    """Return the Markdown `text` with each part made anew; `make` gives what stands in a part of these words.

    Raises SreError where a begin has no end of the same words.
    """

    def part(found: re.Match) -> str:
        return f"<!-- begin {found[1]} -->\n{make(found[1].split())}<!-- end {found[1]} -->\n"

    made, count = PART.subn(part, text)
    begun = re.findall(r"^<!-- begin (.+?) -->", text, re.M)
    if len(begun) != count:
        raise SreError(
            f"{len(begun)} parts begin, e.g. <!-- begin {begun[0]} -->, and {count} of them end; add"
            f" <!-- end {begun[0]} --> below its table"
        )
    return made


def table(lines: Sequence[dict[str, str]], words: Sequence[str] = ()) -> str:
    """Return a Markdown table of (heading -> cell), without the columns that are empty in all lines.

    words : headings of columns of text, which stand to the left
    """
    used = [heading for heading in lines[0] if any(line[heading] for line in lines)]
    align = ["---" if heading in words else "--:" for heading in used]
    rows = [used, align, *([line[heading].replace("|", "\\|") for heading in used] for line in lines)]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)
