"""The report: its sections in their order, written as report.html and report.md, and report.tsv beside them."""

from collections.abc import Callable

from sre.io.atomic import atomic_output
from sre.machine.log import warn
from sre.report.blocks import Block, Section
from sre.report.content import Content
from sre.report.errors import write_errors
from sre.report.html import page
from sre.report.markdown import markdown
from sre.report.sections import (
    answer,
    calibration,
    conditions,
    cost,
    data,
    errors,
    identification,
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

SECTIONS: list[tuple[str, Callable[[Content], list[Block]]]] = [
    ("", answer.blocks),
    ("Results", results.blocks),
    ("Identification", identification.blocks),
    ("Noise and duration", conditions.blocks),
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


def write_report(content: Content, width: int = 0) -> str:
    """Write report.{tsv,md,html} and errors/<list>/ into the report's folder; return its table for a terminal.

    Calibrated scores that cost more than deciding unheard are warned of.

    width : columns of characters that the table may have, 0 for any number
    """
    content.errors = write_errors(content.folder / "errors", content.ranked)
    sections = [Section(heading, blocks(content)) for heading, blocks in SECTIONS]
    texts = {
        "report.tsv": tsv(content.every_list),
        "report.md": markdown(content.title, sections),
        "report.html": page(content.title, sections),
    }
    for name, text in texts.items():
        with atomic_output(content.folder / name) as file:
            file.write(text)
    for trials, standings in content.evaluations:
        if said := remarks.misleading(trials, standings):
            warn(said.replace("`", "'"))
    named = "".join(f"{sentence}\n" for result in content.identified for sentence in result.told())
    return text_table(results.table(content), width) + named
