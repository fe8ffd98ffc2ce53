"""docs/systems.md as a program reads it: sections, the tables of steps and of traps, the commands in a cell."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/systems.md"
SYSTEMS = {  # the name in recipes/systems and in worlds.py -> the heading of its section
    "speakernet": "1. SpeakerNet (NeMo)",
    "scratch_lstm": "2. LSTM from scratch",
    "voice_verification": "3. Voice verification",
    "enhancement": "4. Embedding enhancement",
    "dvector": "5. The d-vector tutorial",
}
STEPS, TRAPS = ["there", "what it does", "here"], ["there", "here"]  # the headings of the two tables of a section
PROGRAMS = ("snakemake", "sre ", "python -m ", "local/")  # what a command of ours begins with
NOT_RUN = "Not run by a test, because "  # commands behind these words are shown only


@dataclass(frozen=True)
class Row:
    """A row of a table: its cells by heading, and its line in the page, from 1."""

    line: int
    cells: dict[str, str]

    @property
    def here(self) -> str:
        return self.cells["here"]

    def spans(self) -> list[str]:
        """Code spans of `here`, in their order."""
        return spans(self.here)

    def commands(self) -> list[str]:
        """Commands of `here` that a test runs, in their order."""
        return commands(self.here.partition(NOT_RUN)[0])


def spans(text: str) -> list[str]:
    return [span.replace(r"\|", "|") for span in re.findall(r"`([^`]+)`", text)]


def commands(text: str) -> list[str]:
    return [span for span in spans(text) if span.startswith(PROGRAMS)]


def section(heading: str) -> tuple[int, list[str]]:
    """Return the number of the first line below a heading `## …` of the page, and the lines up to the next of them."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    first = lines.index(f"## {heading}") + 1
    end = next((n for n, line in enumerate(lines[first:], first) if line.startswith("## ")), len(lines))
    return first + 1, lines[first:end]


def rows(heading: str, columns: list[str]) -> list[Row]:
    """Return the rows of the tables of a section that have these columns."""
    first, lines = section(heading)
    found: list[Row] = []
    heads: list[str] | None = None
    for number, line in enumerate(lines, first):
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] if line.startswith("|") else []
        if not cells:
            heads = None
        elif heads is None:
            heads = cells
        elif heads == columns and not set(line) <= set("|-: "):
            assert len(cells) == len(columns), f"docs/systems.md:{number}: {len(cells)} cells; write | in code as \\|"
            found.append(Row(number, dict(zip(columns, cells, strict=True))))
    return found
