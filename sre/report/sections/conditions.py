"""The same trials of noisy, reverberant and short speech: EER against SNR and against length, a line a model."""

from collections.abc import Mapping, Sequence
from math import nan

import numpy as np

from sre.config.conditions import ROOM, SECONDS, SNR, Condition
from sre.metrics.bootstrap import paired
from sre.report.blocks import Block, Cell, Figure, Figures, Fold, Heading, Line, Part, Table, Text
from sre.report.content import Content
from sre.report.figures.conditions import ConditionCurve, condition_plot
from sre.report.figures.style import MAX_CURVES
from sre.report.numbers import interval_text, size_text, value
from sre.report.ranking import Standing, group_interval, mean_draws, same_draws, speakers
from sre.report.rows import Group
from sre.report.sections.results import against

Name = tuple[str, str]  # of a model and its system
Column = tuple[Condition | None, Mapping[Name, Standing]]  # a condition and its systems; the first is of clean speech
RATE = "eer"
CLEAN = "clean, whole"


def blocks(content: Content) -> list[Block]:
    found: list[Block] = []
    for title, standings in content.evaluations:
        columns: list[Column] = [(None, by_name(standings))]
        columns += _columns(content, standings[0].group.rows[0].list_name)
        names = quoted(standings)
        if len(columns) > 1 and names:
            groups = [standing.group for standing in standings]
            found += [Heading(title, size_text(groups)), Text(_about(columns))]
            figures = [_figure(title, names, columns, kinds) for kinds in ((SNR, ROOM), (SECONDS,))]
            found += [Figures([figure for figure in figures if figure]), _table(names, columns)]
            found.append(Fold("What each condition costs", [_costs(names, columns)]))
    return found


def by_name(standings: Sequence[Standing]) -> dict[Name, Standing]:
    """Map model and system to their standing."""
    return {standing.group.name: standing for standing in standings}


def _columns(content: Content, of: str) -> list[Column]:
    """Return the conditions of a list: falling SNR, the room, falling length."""
    found = list[tuple[tuple[int, float], Column]]()
    for standings in content.conditions.values():
        condition = standings[0].group.rows[0].condition
        if condition and condition.of == of:
            found.append((condition.place, (condition, by_name(standings))))
    return [column for _, column in sorted(found, key=lambda one: one[0])]


def quoted(standings: Sequence[Standing]) -> list[Name]:
    """Return the system to quote of each model that was scored: the primary, else the chosen, else the first."""
    names: dict[str, Name] = {}
    for wanted in ("primary", "chosen", "any"):
        for group in (standing.group for standing in standings if standing.group.done):
            is_wanted = {"primary": group.rows[0].primary, "chosen": group.chosen, "any": True}[wanted]
            if is_wanted:
                names.setdefault(group.name[0], group.name)
    models = dict.fromkeys(standing.group.name[0] for standing in standings)  # in the order of the table
    return [names[model] for model in models if model in names]


def _about(columns: Sequence[Column]) -> str:
    asked = [condition for condition, _ in columns if condition]
    noisy = next((condition for condition in asked if condition.kind == SNR), None)
    said = ["The same trials in each condition. Both sides of a trial, enrolment and test, are changed alike."]
    if noisy:
        kinds = " or ".join(f"`{name}`" for name in noisy.categories)
        said.append(f"To each utterance one file of the category {kinds} is added, the same at all SNRs.")
    if any(condition.kind == ROOM for condition in asked):
        said.append("In the room, each utterance is convolved with a response that is drawn for it.")
    if any(condition.held_out for condition in asked):
        said.append("Noises and rooms are held out: no training hears them.")
    if any(condition.kind == SECONDS for condition in asked):
        said.append("Lengths are cut from the middle; shorter utterances stay whole (counted under “Data”).")
    said.append("Systems were neither chosen nor calibrated on these lists.")
    return " ".join(said)


def _group(column: Column, name: Name) -> Group | None:
    """Return the seeds of a system under a condition, if any of them was scored."""
    standing = column[1].get(name)
    return standing.group if standing and standing.group.values(RATE) else None


def _figure(title: str, names: Sequence[Name], columns: Sequence[Column], kinds: Sequence[str]) -> Figure | None:
    """Return the EERs against SNR, with the room beside, or against length; None without such a condition."""
    some = [column for column in columns if column[0] and column[0].kind in kinds]
    if not some:
        return None
    scale = [column for column in some if column[0] and column[0].kind != ROOM]
    shown = [*reversed(scale), columns[0], *(column for column in some if column[0] and column[0].kind == ROOM)]
    whole, what = ("clean", "noise") if SNR in kinds else ("whole", "length")
    ticks = [condition.title.removesuffix(" dB") if condition else whole for condition, _ in shown]
    curves = [_curve(name, shown) for name in names[:MAX_CURVES]]
    caption = f"EER on {title} against {'the signal-to-noise ratio' if SNR in kinds else 'the length'} of both sides."
    caption += f" The first {len(curves)} of {len(names)} models." if len(curves) < len(names) else ""
    caption += " Means over the seeds." if any(len(_seeds(columns[0], name)) > 1 for name in names) else ""
    over = next((speakers(group) for name in names if (group := _group(columns[0], name))), None)
    caption += f" Bars: 95 % intervals over the {over} speakers." if over else " Bars: 95 % intervals."
    xlabel = "SNR, dB" if SNR in kinds and scale else "length" if SECONDS in kinds else ""
    name = f"{what}_{columns[0][1][names[0]].group.rows[0].list_name}"
    return Figure(caption, condition_plot(curves, ticks, xlabel, name, caption, beside=len(some) - len(scale)))


def _seeds(column: Column, name: Name) -> list:
    group = _group(column, name)
    return group.done if group else []


def _curve(name: Name, columns: Sequence[Column]) -> ConditionCurve:
    groups = [_group(column, name) for column in columns]
    eer = [group.mean(RATE) if group else nan for group in groups]
    bounds = [group and group_interval(group, RATE) or (nan, nan) for group in groups]
    low, high = np.array(bounds, dtype=float).T
    return ConditionCurve(" ".join(name), np.array(eer), low, high)


def _table(names: Sequence[Name], columns: Sequence[Column]) -> Table:
    """Return a line a model, a column a condition."""
    head = ["system", *(condition.title if condition else CLEAN for condition, _ in columns)]
    rows = []
    for name in names:
        groups = [_group(column, name) for column in columns]
        rates = [Cell(value(group, RATE), interval_text(group, RATE)) if group else Cell("failed") for group in groups]
        rows.append([Cell(" ".join(name)), *rates])
    seeds = any(len(_seeds(columns[0], name)) > 1 for name in names)
    caption = "EER, %, with its 95 % interval" + "; means over the seeds ± their standard deviation" * seeds
    return Table.of(caption, head, rows)


def _costs(names: Sequence[Name], columns: Sequence[Column]) -> Table:
    """Return what each condition adds to the EER of clean speech, and the models compared in it."""
    head = ["condition", "system", "EER, % (95 % interval)", "against clean", "against the reference"]
    lines = []
    for condition, standings in columns:
        for standing in (standings[name] for name in names if name in standings):
            clean = columns[0][1][standing.group.name].group
            lines.append(_cost_line(condition, standing, clean))
    about = "Differences are of the same draws of speakers; p is Holm's, of all systems of a list"
    return Table(about, head, [Part("", "", lines)])


def _cost_line(condition: Condition | None, standing: Standing, clean: Group) -> Line:
    group = standing.group
    names = [condition.title if condition else CLEAN, " ".join(group.name)]
    if not group.values(RATE):
        return Line(names, "failed", group.rows[0].note)
    added = _added(group, clean) if condition else Cell("")
    return Line([*names, Cell(value(group, RATE), interval_text(group, RATE)), added, against(standing, RATE)])


def _added(group: Group, clean: Group) -> Cell:
    """Return by how much the EER is higher than that of clean speech, with the interval of the difference."""
    difference = group.mean(RATE) - clean.mean(RATE)
    found = None
    if same_draws(group, clean):
        found = paired(difference, mean_draws(group, RATE) - mean_draws(clean, RATE), speakers(clean))
    return Cell(f"{difference:+.2f}", f"{found[0]:+.2f} to {found[1]:+.2f}" if found else "")
