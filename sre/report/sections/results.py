"""The table that people read: a line a system, ranked, with what differs from the reference; and every run."""

from collections.abc import Sequence
from itertools import count

from sre.metrics.rates import RATES
from sre.report.blocks import Block, Cell, Fold, Line, Part, Table, Terms
from sre.report.content import Content
from sre.report.numbers import (
    DIGITS,
    NAMES,
    difference_text,
    interval_text,
    mean_text,
    rate_cell,
    short_name,
    size_text,
    value,
)
from sre.report.ranking import Standing
from sre.report.rows import Group, Row, marks

SHOWN = ("eer", "min_dcf_0.01", "min_dcf_0.05", "act_dcf_0.05", "cllr")  # every run has them all
UNITS = "EER in per cent, minDCF and actDCF normalised, Cllr in bits"
BADGES = {
    "primary": "The system was named before anything was scored. Its number is the one to quote.",
    "chosen": "The system has the lowest mean of its model's systems on the development lists.",
    "best": "The system has the lowest mean on this very list. That was found afterwards, so the number is flattered."
    " Systems with the same number, e.g. before and after calibration, are all marked.",
}
REFERENCE = (
    "The system whose number is to be quoted, with which all others are compared. “Better” and “worse” are"
    " demonstrable differences: p is below 0.05 in a paired bootstrap over the speakers, corrected (Holm) for all"
    " systems of the list. “No difference shown” does not mean that there is none."
)


def blocks(content: Content) -> list[Block]:
    words = {word for group in content.groups for word in marks(group)}
    terms = [(word, meaning) for word, meaning in BADGES.items() if word in words]
    terms.append(("reference, highlighted", REFERENCE))
    return [table(content), Terms(terms), Fold("Every run", [_every_run(content)])]


def table(content: Content) -> Table:
    """Return the systems of each list, ranked; what matters most stands on the left."""
    metric = content.metric
    developed = any(one.on_development is not None for some in content.ranked.values() for one in some)
    by = f"Ranked by {short_name(metric)} on {'development' if developed else 'the list itself'}; {UNITS}"
    drawn = any(interval_text(one.group, metric) for some in content.ranked.values() for one in some if one.group.done)
    head = ["system", NAMES[metric] + " (95 % interval)" * drawn, "against the reference"]
    head += [NAMES[key] for key in SHOWN if key != metric] + [f"{NAMES[metric]} on development", "note"]
    parts = []
    for trials, standings in content.ranked.items():
        lines = [_system(standing, metric) for standing in standings]
        parts.append(Part(trials, size_text([standing.group for standing in standings]), lines))
    return Table(by, head, parts)


def _system(standing: Standing, metric: str) -> Line:
    group = standing.group
    name = Cell(" ".join(group.name), badges=marks(group))
    if not group.done:
        return Line([name], "failed", group.rows[0].note)
    developed = "" if standing.on_development is None else f"{standing.on_development:.{DIGITS[metric]}f}"
    cells = [name, Cell(value(group, metric), interval_text(group, metric)), against(standing, metric)]
    cells += [Cell(mean_text(group, key, DIGITS[key])) for key in SHOWN if key != metric]
    return Line([*cells, developed, _note(group)], "reference" if standing.reference else "")


def against(standing: Standing, metric: str) -> Cell:
    """Return whether a system is better or worse than the reference, with the difference."""
    if standing.reference:
        return Cell("reference", look="reference")
    if standing.difference is None:
        return Cell("")
    verdict = standing.difference.verdict
    look = verdict if verdict in ("worse", "better") else ""
    return Cell(verdict, difference_text(standing.difference, metric), look=look)


def _note(group: Group) -> str:
    failed = len(group.rows) - len(group.done)
    said = [f"{failed} of {len(group.rows)} seeds failed"] if failed else []
    return "; ".join([*said, *dict.fromkeys(row.note for row in group.done if row.note)])


def _every_run(content: Content) -> Table:
    parts, number = [], count(2)  # of report.tsv's lines, whose heading is line 1
    for trials, standings in content.every_list.items():
        lines = []
        for group in (standing.group for standing in standings):
            several = len(group.rows) > 1 and bool(group.done)
            for row in group.rows:
                lines.append(_run(row, next(number), ["primary"] * row.primary if several else marks(group)))
            if several:
                lines.append(_mean(group))
        parts.append(Part(trials, size_text([standing.group for standing in standings]), lines))
    head = ["line", "run", "system", "seed", *(heading for heading, _, _ in RATES), "note"]
    return Table(f"Each run by itself, with its line in report.tsv; {UNITS}", head, parts)


def _run(row: Row, number: int, words: Sequence[str]) -> Line:
    names: list[str | Cell] = [str(number), row.run, Cell(row.system, badges=words), str(row.seed)]
    if not row.metrics:
        return Line(names, "failed", row.note)
    return Line([*names, *(rate_cell(row.metrics, key, digits) for _, key, digits in RATES), row.note])


def _mean(group: Group) -> Line:
    """Return the mean over the seeds, with the least and the greatest below it, and the marks of the system."""
    note = "" if len(group.done) == len(group.rows) else f"{len(group.done)} of {len(group.rows)} seeds; others failed"
    model, system = group.name
    names: list[str | Cell] = ["", f"{model}, mean of {len(group.done)}", Cell(system, badges=marks(group))]
    seeds = " ".join(str(row.seed) for row in group.done)
    return Line([*names, seeds, *(_range(group, key, digits) for _, key, digits in RATES), note], "mean")


def _range(group: Group, key: str, digits: int) -> Cell:
    values = group.values(key)
    ends = f"{min(values):.{digits}f} to {max(values):.{digits}f}" if values else ""
    return Cell(mean_text(group, key, digits), ends)
