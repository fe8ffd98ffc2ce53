"""The report: its sections in their order, written as report.html and report.md, and report.tsv beside them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from sre.io.atomic import atomic_output
from sre.report.blocks import Block, Section
from sre.report.content import Content
from sre.report.errors import write_errors
from sre.report.html import page
from sre.report.jobs import jobs_behind
from sre.report.markdown import markdown
from sre.report.ranking import rank
from sre.report.rows import group_rows, make_rows
from sre.report.sections import (
    answer,
    calibration,
    cost,
    data,
    errors,
    lists,
    provenance,
    remarks,
    results,
    terms,
    thresholds,
    training,
)
from sre.report.terminal import text_table
from sre.report.tsv import tsv
from sre.scoring.result import ListResult
from sre.training.gate_files import FeaturesChecked, Gates
from sre.training.summary import Trained

SECTIONS: list[tuple[str, Callable[[Content], list[Block]]]] = [
    ("", answer.blocks),
    ("Results", results.blocks),
    ("What to watch for", remarks.blocks),
    ("Error trade-off, scores, calibration", lists.blocks),
    ("Who errs", errors.blocks),
    ("Thresholds", thresholds.blocks),
    ("Calibration", calibration.blocks),
    ("Training", training.blocks),
    ("Data", data.blocks),
    ("Cost", cost.blocks),
    ("What was run", provenance.blocks),
    ("How to read the numbers", terms.blocks),
]


def write_report(
    out_dir: str | Path,
    results_read: Sequence[ListResult],
    runs: dict[str, Trained],
    title: str,
    primary: str | None = None,
    metric: str = "eer",
    gates: Gates | None = None,
    features: FeaturesChecked | None = None,
    command: str = "",
    width: int = 0,
) -> str:
    """Write report.{tsv,md,html} and errors/<list>/ into `out_dir`; return the table of results for a terminal.

    metric : of COLUMNS of sre/metrics/bootstrap.py, by which systems are ranked, chosen and tested
    command : what makes the report again
    width : columns that the table may have, 0 for any number
    """
    folder = Path(out_dir)
    groups = group_rows(make_rows(results_read, primary), metric)
    ranked = rank(groups, metric)
    jobs = jobs_behind(result.path for result in results_read)
    errs = write_errors(folder / "errors", ranked)
    content = Content(
        title=title,
        metric=metric,
        primary=primary,
        groups=groups,
        ranked=ranked,
        runs=runs,
        gates=gates or Gates(),
        features=features or FeaturesChecked(),
        jobs=jobs,
        command=command,
        errors=errs,
        folder=folder,
    )
    sections = [Section(heading, blocks(content)) for heading, blocks in SECTIONS]
    texts = {
        "report.tsv": tsv(ranked),
        "report.md": markdown(title, sections),
        "report.html": page(title, sections),
    }
    for name, text in texts.items():
        with atomic_output(folder / name) as file:
            file.write(text)
    return text_table(results.table(content), width)
