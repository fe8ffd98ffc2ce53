"""Numbers as the report writes them: rates with their digits, means over seeds, and the lines of a table of runs."""

from collections.abc import Iterable
from dataclasses import dataclass

from sre.report.rows import RATES, Group, Row, marks

HEADINGS = ["run", "system", *(heading for heading, _, _ in RATES), "seed", "note"]


def plain(value: object) -> str:
    """A cell of the TSV: six significant digits, nothing for None, no tabs or line breaks."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())


def rate_cells(row: Row) -> list[str]:
    return [rate_cell(row.metrics, key, digits) for _, key, digits in RATES]


def rate_cell(metrics: dict | None, key: str, digits: int) -> str:
    value = (metrics or {}).get(key)
    return "" if value is None else f"{value:.{digits}f}"


def rate_text(group: Group, key: str, digits: int) -> str:
    return f"{group.mean(key):.{digits}f}" if group.values(key) else ""


def mean_cells(group: Group) -> list[str]:
    """`mean (least to greatest)` over the seeds for each of RATES."""
    cells = []
    for _, key, digits in RATES:
        values = group.values(key)
        bounds = [f"{bound:.{digits}f}" for bound in (min(values), max(values))] if values else []
        cells.append(f"{group.mean(key):.{digits}f} ({' to '.join(bounds)})" if values else "")
    return cells


@dataclass(frozen=True)
class Line:
    """One line of the table of results: a run, or the mean over the seeds of a model."""

    row: Row
    cells: list[str]  # those of HEADINGS
    marks: list[str]  # of primary, chosen, best
    is_mean: bool = False

    @property
    def best(self) -> bool:
        return "best" in self.marks


def table_lines(groups: Iterable[Group]) -> list[Line]:
    """A model with several seeds ends with the line of their mean, which then carries the group's marks."""
    lines = []
    for group in groups:
        several = len(group.rows) > 1 and bool(group.done)
        for row in group.rows:
            cells = [row.run, row.system, *rate_cells(row), str(row.seed), row.note]
            lines.append(Line(row, cells, ["primary"] * row.primary if several else marks(group)))
        if several:
            first, done = group.rows[0], group.done
            note = "" if len(done) == len(group.rows) else f"{len(done)} of {len(group.rows)} seeds; the others failed"
            cells = [f"{first.model}, mean of {len(done)}", first.system, *mean_cells(group)]
            cells += [" ".join(str(row.seed) for row in done), note]
            lines.append(Line(first, cells, marks(group), is_mean=True))
    return lines
