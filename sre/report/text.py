"""The report's tables as text: tab-separated, Markdown, and aligned for a terminal."""

from collections.abc import Iterable, Mapping, Sequence

from sre.machine.log import aligned
from sre.metrics.bootstrap import COLUMNS
from sre.metrics.rates import P_TARGETS
from sre.report import calibrated, summary
from sre.report.numbers import HEADINGS, Line, plain, table_lines
from sre.report.ranking import Standing
from sre.report.rows import THRESHOLDS, Row, marks

TSV_KEYS = ("targets", "nontargets", "eer", "min_dcf_0.01", "min_dcf_0.05", "min_dcf_0.001")
TSV_KEYS += tuple(key for _, key in THRESHOLDS) + tuple(f"act_dcf_{p}" for p in P_TARGETS) + ("cllr", "min_cllr")
HOW_TO_READ = (
    "± is the standard deviation over seeds. Intervals and tests draw the speakers of a list; a difference has its own"
    " 95 % interval, p is corrected by Holm for all systems of the list."
)
ON_TERMINAL = 2  # of the other rates


def tsv(ranked: Mapping[str, Sequence[Standing]]) -> str:
    """One line a row under a heading; plain numbers, empty cells and a note where a system failed."""
    lines = [["run", "model", "seed", "trials", "role", "system", "primary", "chosen", "status", *TSV_KEYS]]
    lines[0] += [f"{key}_{end}" for key in COLUMNS for end in ("low", "high")]
    lines[0] += ["on_development", "reference", "difference", "difference_low", "difference_high", "p_holm", "verdict"]
    lines[0] += ["trials_sha256", "config_sha256", "wall_s", "note"]
    standings = [standing for some in ranked.values() for standing in some]
    lines += [_tsv_cells(row, standing) for standing in standings for row in standing.group.rows]
    return "".join("\t".join(line) + "\n" for line in lines)


def _tsv_cells(row: Row, standing: Standing) -> list[str]:
    """What is of the row, and what is of its model and system over the seeds."""
    cells = [row.run, row.model, row.seed, row.trials, "development" if row.development else "evaluation", row.system]
    cells += ["primary" if row.primary else "", "chosen" if standing.group.chosen else ""]
    cells += ["ok" if row.metrics else "failed", *(plain((row.metrics or {}).get(key)) for key in TSV_KEYS)]
    intervals = (row.metrics or {}).get("intervals") or {}
    cells += [plain(bound) for key in COLUMNS for bound in intervals.get(key) or (None, None)]
    difference = standing.difference
    cells += [plain(standing.on_development), "reference" if standing.reference else ""]
    cells += [plain(getattr(difference, name, None)) for name in ("value", "low", "high", "p", "verdict")]
    cells += [plain(row.result.get(key)) for key in ("trials_sha256", "config_sha256", "wall_s")]
    return [*map(str, cells), row.note]


def text_table(ranked: Mapping[str, Sequence[Standing]], metric: str, width: int = 0) -> str:
    """The table for a terminal of `width` columns (0: of any), ranked: where it is small, the last are left out."""
    model, system, developed, rate, interval, against, *others, note = summary.headings(metric)
    table = [["trials", model, system, rate, interval, "", developed, *others[:ON_TERMINAL], against, note]]
    for trials, standings in ranked.items():
        for standing in standings:
            model, system, developed, rate, interval, against, *others, note = summary.cells(standing, metric)
            said = ", ".join(marks(standing.group))
            table.append([trials, model, system, rate, interval, said, developed, *others[:ON_TERMINAL], against, note])
    columns = [column for column in zip(*table, strict=True) if any(column[1:])]
    while width and len(columns) > 1 and sum(max(map(len, column)) + 2 for column in columns) - 2 > width:
        columns.pop()
    return aligned(list(zip(*columns, strict=True)))


def markdown(
    ranked: Mapping[str, Sequence[Standing]], title: str, remarks: Sequence[str], metric: str, command: str
) -> str:
    """A list: what to quote, the ranked systems, every run (the best EER is bold), and what calibration gained."""
    parts = [f"# {title}\n", f"\n```\n{command}\n```\n" * bool(command), f"\n{HOW_TO_READ}\n"]
    for trials, standings in ranked.items():
        some = [standing.group for standing in standings]
        digest = some[0].rows[0].result["trials_sha256"]
        parts.append(f"\n## {trials}\n\n{summary.size_text(some)}, SHA-256 `{digest}`\n\n")
        if not some[0].rows[0].development:
            parts.append("".join(f"- {said}\n" for said in summary.answers(standings, metric)) + "\n")
        parts.append(_markdown_table(summary.headings(metric), [_summary_cells(one, metric) for one in standings]))
        parts.append(f"\n### Every run on {trials}\n\n")
        parts.append(_markdown_table(HEADINGS, [_markdown_cells(line) for line in table_lines(some)]))
        lines = calibrated.calibration_lines(some)
        if lines:
            parts.append(f"\n### Calibration on {trials}\n\n{calibrated.bayes_remark(some)}\n\n")
            parts.append(_markdown_table(calibrated.HEADINGS, lines))
    return "".join(parts) + ("\n" + "".join(f"- {remark}\n" for remark in remarks) if remarks else "")


def _summary_cells(standing: Standing, metric: str) -> list[str]:
    model, system, *others = summary.cells(standing, metric)
    said = ", ".join(marks(standing.group))
    return [model, system + f" ({said})" * bool(said), *others]


def _markdown_cells(line: Line) -> list[str]:
    run, system, eer, *others = line.cells
    system += f" ({', '.join(line.marks)})" if line.marks else ""
    return [f"*{run}*" if line.is_mean else run, system, f"**{eer}**" if line.best else eer, *others]


def _markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", "---", *["--:"] * (len(head) - 3), "---"]]
    lines += [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)
