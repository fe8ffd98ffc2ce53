"""How to read the numbers: what each rate is, and how intervals and tests are made."""

from pathlib import Path

from sre.io.text import exact, read_text
from sre.report.blocks import Block, Terms
from sre.report.content import Content

TEXT = Path(__file__).with_name("terms.txt")  # a paragraph each, whose first line is the term


def blocks(content: Content) -> list[Block]:
    costs = sorted({_costs(row.metrics) for group in content.groups for row in group.done})
    text = read_text(TEXT).replace("COSTS", "; ".join(costs) or "nothing was scored")
    pairs = [paragraph.partition("\n") for paragraph in text.strip().split("\n\n")]
    return [Terms([(term, " ".join(meaning.split())) for term, _, meaning in pairs])]


def _costs(metrics: dict) -> str:
    return f"C_miss = {exact(metrics['c_miss'])}, C_fa = {exact(metrics['c_fa'])}"
