"""The report's numbers: one row a run x system x trial list, means over seeds, and the same as text.

A *run* is one training (model and seed); a *group* is the runs of one model that differ by seed only.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sre import SreError

# heading, key in the metrics, decimals: what people compare
RATES = (
    ("EER, %", "eer", 3),
    ("minDCF(0.01)", "min_dcf_0.01", 4),
    ("minDCF(0.05)", "min_dcf_0.05", 4),
    ("minDCF(0.001)", "min_dcf_0.001", 4),
)
THRESHOLDS = (
    ("at the EER", "eer_threshold"),
    ("at minDCF(0.01)", "threshold_min_dcf_0.01"),
    ("at P_fa ≤ 1 %", "threshold_fa_0.01"),
    ("at P_fa ≤ 0.1 %", "threshold_fa_0.001"),
)
TSV_KEYS = ("targets", "nontargets", "eer", "min_dcf_0.01", "min_dcf_0.05", "min_dcf_0.001")
TSV_KEYS += tuple(key for _, key in THRESHOLDS)
NO_ERRORS = "not one error: too few or too easy trials to compare systems, or test speech in the training set"


@dataclass(frozen=True)
class Row:
    """One run x system x trial list; `metrics` is None where it failed, and `note` says why."""

    trials: str
    model: str
    system: str
    seed: int
    run: str
    primary: bool
    metrics: dict | None
    note: str
    result: dict  # the metrics file it is from


@dataclass(frozen=True)
class Group:
    """The seeds of one model x system x trial list."""

    rows: tuple[Row, ...]
    best: bool  # lowest mean EER of its trial list

    @property
    def done(self) -> list[Row]:
        return [row for row in self.rows if row.metrics]

    def values(self, key: str) -> list[float]:
        return [row.metrics[key] for row in self.done]

    def mean(self, key: str) -> float:
        values = self.values(key)
        return sum(values) / len(values)


def make_rows(results: Iterable[dict], primary: str | None = None) -> list[Row]:
    """Rows in the order of list, model, system, seed.

    `primary` is SYSTEM, MODEL/SYSTEM or RUN/SYSTEM. Raises SreError where it is not there, where a row
    stands twice, or where one list's name stands for two lists.
    """
    rows: dict[tuple, Row] = {}
    for result in results:
        for system, outcome in result["systems"].items():
            row = _make_row(result, system, outcome, primary)
            key = (row.trials, row.model, row.system, row.seed, row.run)
            if key in rows:
                raise SreError(f"{row.run} {system} on {row.trials} stands in two metrics files; give each file once")
            rows[key] = row
    ordered = [rows[key] for key in sorted(rows)]
    _check_lists(ordered)
    if primary and not any(row.primary for row in ordered):
        known = ", ".join(sorted({row.system for row in ordered}))
        raise SreError(f"primary system '{primary}' is in no metrics file; write one of {known}, or MODEL/SYSTEM")
    return ordered


def _make_row(result: dict, system: str, outcome: dict, primary: str | None) -> Row:
    run, model = result["run"], result["model"]
    metrics = outcome["metrics"] if outcome["status"] == "ok" else None
    note = outcome.get("reason", "failed without a reason") if metrics is None else ""
    if metrics and metrics["eer"] == 0:
        note = NO_ERRORS
    marked = primary in (system, f"{model}/{system}", f"{run}/{system}")
    return Row(result["trials"], model, system, result["seed"], run, marked, metrics, " ".join(note.split()), result)


def _check_lists(rows: Iterable[Row]) -> None:
    seen: dict[str, str] = {}
    for row in rows:
        digest = row.result["trials_sha256"]
        if seen.setdefault(row.trials, digest) != digest:
            raise SreError(
                f"trial list {row.trials}: scored in two versions, {seen[row.trials][:12]} and {digest[:12]}"
                f" (the latter by {row.run}); score all runs on one list"
            )


def group_rows(rows: Sequence[Row]) -> list[Group]:
    """Groups in the order of the rows; the lowest mean EER of each trial list is marked (equal ones all)."""
    members: dict[tuple, list[Row]] = {}
    for row in rows:
        members.setdefault((row.trials, row.model, row.system), []).append(row)
    groups = [Group(tuple(some), best=False) for some in members.values()]
    least: dict[str, float] = {}
    for group in groups:
        if group.done:
            trials = group.rows[0].trials
            least[trials] = min(group.mean("eer"), least.get(trials, float("inf")))
    return [Group(g.rows, bool(g.done) and g.mean("eer") == least[g.rows[0].trials]) for g in groups]


def by_list(groups: Iterable[Group]) -> dict[str, list[Group]]:
    """Trial list -> its groups."""
    lists: dict[str, list[Group]] = {}
    for group in groups:
        lists.setdefault(group.rows[0].trials, []).append(group)
    return lists


def counts(groups: Iterable[Group]) -> tuple[int, int] | None:
    """Target and nontarget trials of a list, or None where all its systems failed."""
    for group in groups:
        for row in group.done:
            return row.metrics["targets"], row.metrics["nontargets"]
    return None


def rate_cells(row: Row) -> list[str]:
    return [f"{row.metrics[key]:.{digits}f}" if row.metrics else "" for _, key, digits in RATES]


def mean_cells(group: Group) -> list[str]:
    """`mean (least to greatest)` over the seeds for each of RATES."""
    cells = []
    for _, key, digits in RATES:
        values = group.values(key)
        low, high = (f"{bound:.{digits}f}" for bound in (min(values), max(values)))
        cells.append(f"{group.mean(key):.{digits}f} ({low} to {high})")
    return cells


def table_lines(groups: Iterable[Group]) -> list[tuple[Row, list[str], bool, bool]]:
    """(row, cells, best, whether it is a mean) a line; cells: those of HEADINGS.

    A model with several seeds ends with the line of their mean, which then carries the mark of the best.
    """
    lines = []
    for group in groups:
        several = len(group.rows) > 1 and bool(group.done)
        for row in group.rows:
            cells = [row.run, row.system, *rate_cells(row), str(row.seed), row.note]
            lines.append((row, cells, group.best and not several, False))
        if several:
            first, done = group.rows[0], group.done
            note = "" if len(done) == len(group.rows) else f"{len(done)} of {len(group.rows)} seeds; the others failed"
            cells = [f"{first.model}, mean of {len(done)}", first.system, *mean_cells(group)]
            cells += [" ".join(str(row.seed) for row in done), note]
            lines.append((first, cells, group.best, True))
    return lines


HEADINGS = ["run", "system", *(heading for heading, _, _ in RATES), "seed", "note"]


def mark(row: Row, best: bool) -> str:
    return ", ".join(word for word, said in (("primary", row.primary), ("best", best)) if said)


def tsv(rows: Iterable[Row]) -> str:
    """One line a row under a heading; plain numbers, empty cells and a note where a system failed."""
    lines = [["run", "model", "seed", "trials", "system", "primary", "status", *TSV_KEYS]]
    lines[0] += ["trials_sha256", "config_sha256", "wall_s", "note"]
    for row in rows:
        cells = [row.run, row.model, row.seed, row.trials, row.system]
        cells += ["primary" if row.primary else "", "ok" if row.metrics else "failed"]
        cells += [plain((row.metrics or {}).get(key)) for key in TSV_KEYS]
        cells += [plain(row.result.get(key)) for key in ("trials_sha256", "config_sha256", "wall_s")]
        lines.append([*map(str, cells), row.note])
    return "".join("\t".join(line) + "\n" for line in lines)


def plain(value: object) -> str:
    """A cell of the TSV: six significant digits, nothing for None, no tabs or line breaks."""
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())


def aligned(table: Sequence[Sequence[str]]) -> str:
    """Columns padded with spaces for a terminal."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table)
    return "".join(line.rstrip() + "\n" for line in padded)


def text_table(groups: Sequence[Group]) -> str:
    """The table for a terminal: of the means, only the EER's has its range, so that the lines stay short."""
    table = [["trials", *HEADINGS[:-1], "", "note"]]
    for row, cells, best, _ in table_lines(groups):
        rates = [cells[2], *(cell.partition(" (")[0] for cell in cells[3:6])]
        table.append([row.trials, *cells[:2], *rates, cells[6], mark(row, best), cells[7]])
    return aligned(table)


def markdown(groups: Sequence[Group], title: str, remarks: Sequence[str]) -> str:
    """One table a trial list; the best EER is bold, means over seeds are in italics."""
    parts = [f"# {title}\n"]
    for trials, some in by_list(groups).items():
        number = counts(some)
        size = f"{number[0]} target and {number[1]} nontarget trials" if number else "no system was scored"
        digest = some[0].rows[0].result["trials_sha256"]
        parts.append(f"\n## {trials}\n\n{size}, SHA-256 `{digest}`\n\n")
        parts.append("| " + " | ".join(HEADINGS) + " |\n")
        parts.append("|---|---|" + "--:|" * (len(HEADINGS) - 3) + "---|\n")
        for row, cells, best, is_mean in table_lines(some):
            cells[0] = f"*{cells[0]}*" if is_mean else cells[0]
            cells[1] += f" ({mark(row, best)})" if mark(row, best) else ""
            cells[2] = f"**{cells[2]}**" if best else cells[2]
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return "".join(parts) + ("\n" + "".join(f"- {remark}\n" for remark in remarks) if remarks else "")
