"""The score thresholds of each run at the operating points that people ask for."""

from sre.report.blocks import Block, Fold, Table, Text
from sre.report.content import Content
from sre.report.rows import THRESHOLDS, Row

REMARK = (
    "A trial is accepted at or above the threshold. Thresholds do not carry over to other data: the scale of scores"
    " shifts with language, channel, duration and noise. Set yours on labelled trials of your own."
)


def blocks(content: Content) -> list[Block]:
    rows = [_cells(row) for group in content.groups for row in group.done]
    head = ["run", "system", "trial list", *(name for name, _ in THRESHOLDS)]
    table = Table.of("The least score that is accepted", head, rows)
    return [Text(REMARK), Fold("Score thresholds", [table])] if rows else [Text(REMARK)]


def _cells(row: Row) -> list[str]:
    values = [row.metrics.get(key) for _, key in THRESHOLDS]
    return [row.run, row.system, row.list_title, *("reject all" if v is None else f"{v:#.5g}" for v in values)]
