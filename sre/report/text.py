"""The report's tables as text: tab-separated, Markdown, and aligned for a terminal."""

from collections.abc import Iterable, Sequence

from sre.metrics import P_TARGETS
from sre.report import calibrated
from sre.report.tables import HEADINGS, THRESHOLDS, Group, Line, Row, by_list, counts, plain, table_lines

TSV_KEYS = ("targets", "nontargets", "eer", "min_dcf_0.01", "min_dcf_0.05", "min_dcf_0.001")
TSV_KEYS += tuple(key for _, key in THRESHOLDS) + tuple(f"act_dcf_{p}" for p in P_TARGETS) + ("cllr", "min_cllr")
ON_TERMINAL = 4  # of the rates, so that lines stay short


def tsv(groups: Iterable[Group]) -> str:
    """One line a row under a heading; plain numbers, empty cells and a note where a system failed."""
    lines = [["run", "model", "seed", "trials", "role", "system", "primary", "chosen", "status", *TSV_KEYS]]
    lines[0] += ["trials_sha256", "config_sha256", "wall_s", "note"]
    lines += [_tsv_cells(row, group.chosen) for group in groups for row in group.rows]
    return "".join("\t".join(line) + "\n" for line in lines)


def _tsv_cells(row: Row, chosen: bool) -> list[str]:
    cells = [row.run, row.model, row.seed, row.trials, "development" if row.development else "evaluation", row.system]
    cells += ["primary" if row.primary else "", "chosen" if chosen else "", "ok" if row.metrics else "failed"]
    cells += [plain((row.metrics or {}).get(key)) for key in TSV_KEYS]
    cells += [plain(row.result.get(key)) for key in ("trials_sha256", "config_sha256", "wall_s")]
    return [*map(str, cells), row.note]


def aligned(table: Sequence[Sequence[str]]) -> str:
    """Columns padded with spaces for a terminal."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    padded = ("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table)
    return "".join(line.rstrip() + "\n" for line in padded)


def text_table(groups: Sequence[Group]) -> str:
    """The table for a terminal: of the means, only the EER's has its range, so that the lines stay short."""
    end = 2 + ON_TERMINAL
    table = [["trials", *HEADINGS[:end], "seed", "", "note"]]
    for line in table_lines(groups):
        names, (eer, *rates), (seed, note) = line.cells[:2], line.cells[2:end], line.cells[-2:]
        rates = [cell.partition(" (")[0] for cell in rates]
        table.append([line.row.list_title, *names, eer, *rates, seed, ", ".join(line.marks), note])
    return aligned(table)


def markdown(groups: Sequence[Group], title: str, remarks: Sequence[str]) -> str:
    """One table a trial list, two where systems are calibrated; the best EER is bold, means are in italics."""
    parts = [f"# {title}\n"]
    for trials, some in by_list(groups).items():
        number = counts(some)
        size = f"{number[0]} target and {number[1]} nontarget trials" if number else "no system was scored"
        digest = some[0].rows[0].result["trials_sha256"]
        parts.append(f"\n## {trials}\n\n{size}, SHA-256 `{digest}`\n\n")
        parts.append(_markdown_table(HEADINGS, [_markdown_cells(line) for line in table_lines(some)]))
        lines = calibrated.calibration_lines(some)
        if lines:
            parts.append(f"\n### Calibration on {trials}\n\n{calibrated.bayes_remark(some)}\n\n")
            parts.append(_markdown_table(calibrated.HEADINGS, lines))
    return "".join(parts) + ("\n" + "".join(f"- {remark}\n" for remark in remarks) if remarks else "")


def _markdown_cells(line: Line) -> list[str]:
    run, system, eer, *others = line.cells
    system += f" ({', '.join(line.marks)})" if line.marks else ""
    return [f"*{run}*" if line.is_mean else run, system, f"**{eer}**" if line.best else eer, *others]


def _markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", "---", *["--:"] * (len(head) - 3), "---"]]
    lines += [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
