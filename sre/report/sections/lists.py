"""The figures of each trial list: DET curves, intervals, the reference's scores, and calibration."""

from collections.abc import Sequence
from math import isclose, isfinite, nan

import numpy as np

from sre.metrics.rates import det_points
from sre.report.blocks import Block, Figure, Figures, Heading, Text
from sre.report.content import Content
from sre.report.figures.calibration import LOG_ODDS, MAX_PANELS, BayesCurve, bayes_error_curves, calibration_plot
from sre.report.figures.det import Curve, det_plot
from sre.report.figures.histogram import histogram
from sre.report.figures.intervals import MAX_ROWS, IntervalRow, interval_plot
from sre.report.figures.style import MAX_CURVES
from sre.report.numbers import size_text
from sre.report.ranking import Standing, group_interval, speakers
from sre.report.rows import Group, Row, row_scores, uncalibrated

DET_POINTS = 1000


def blocks(content: Content) -> list[Block]:
    found: list[Block] = []
    for number, (trials, standings) in enumerate(content.ranked.items()):
        found.append(Heading(trials, size_text([standing.group for standing in standings])))
        drawn = list_figures(trials, standings, number)
        found.append(Figures(drawn) if drawn else Text("No system was scored on this list."))
    return found


def list_figures(trials: str, standings: Sequence[Standing], number: int) -> list[Figure]:
    """Return the figures of one trial list; none where all its systems failed."""
    done = [standing for standing in standings if standing.group.done]
    if not done:
        return []
    groups = [standing.group for standing in done]
    shown = [group for group in groups if not _has_the_curve_of_another(group, groups)][:MAX_CURVES]
    reference = next((standing.group for standing in done if standing.reference), groups[0])
    return [
        _det(trials, shown, len(groups), number),
        _intervals(trials, done, number),
        _histogram(trials, reference.done[0], number),
        _calibration(trials, reference, groups, number),
    ]


def _intervals(trials: str, done: Sequence[Standing], number: int) -> Figure:
    rows = []
    for standing in done[:MAX_ROWS]:
        group = standing.group
        low, high = group_interval(group, "eer") or (nan, nan)
        rows.append(IntervalRow(" ".join(group.name), group.mean("eer"), low, high, standing.reference))
    caption = f"EER on {trials}, in the order of the table."
    caption += f" The first {len(rows)} of {len(done)} systems." if len(rows) < len(done) else ""
    if any(isfinite(row.low) for row in rows):
        over = "speakers" if speakers(done[0].group) else "trials"
        caption += f" The 95 % intervals are over the {over} of the list. Overlapping intervals do not mean that there"
        caption += " is no difference: systems err on the same speakers, and the test in the table makes use of that."
    return Figure(caption, interval_plot(rows, f"intervals{number}", caption))


def _det(trials: str, shown: Sequence[Group], number_of: int, number: int) -> Figure:
    curves = []
    for group in shown:
        row = group.done[0]
        _, p_miss, p_fa = det_points(*row_scores(row), max_points=DET_POINTS)
        eer, name = group.values("eer")[0], f"{row.run} {row.system}"
        curves.append(Curve(f"{name}: {eer:.2f} %", p_miss, p_fa, eer / 100, *row.outcome.counts))
    caption = f"Misses against false alarms on {trials} (DET curves). Lower is better. Dots mark equal error rates."
    if len(shown) < number_of:
        caption += f" {len(shown)} of {number_of} systems, the first of the table."
        caption += " A calibrated system is not drawn where its curve is that of its scores before."
    if any(len(group.rows) > 1 for group in shown):
        caption += " Of a model with several seeds, the first that was scored."
    return Figure(caption, det_plot(curves, f"det{number}", caption))


def _histogram(trials: str, row: Row, number: int) -> Figure:
    scores, target = row_scores(row)
    caption = f"Scores of {row.run} {row.system} on {trials}. The less the two areas overlap, the better."
    caption += " At least the central 99.8 % of each kind are shown; each area is 1."
    cost = row.metrics.get("threshold_min_dcf_0.01")
    thresholds = {"EER": row.metrics.get("eer_threshold", np.inf), "minDCF(0.01)": np.inf if cost is None else cost}
    return Figure(caption, histogram(scores, target, thresholds, f"scores{number}", caption))


def _calibration(trials: str, reference: Group, groups: Sequence[Group], number: int) -> Figure:
    """Return a panel each of the reference, the best, and what claims to be calibrated."""
    wanted = [reference, *[group for group in groups if group.best][:1]]
    wanted += [group for group in groups if group.done[0].metrics.get("calibrated")]
    curves = []
    for group in list({group.name: group for group in wanted}.values())[:MAX_PANELS]:
        found = bayes_error_curves(*row_scores(group.done[0]), LOG_ODDS)
        curves.append(BayesCurve(f"{group.done[0].run} {group.done[0].system}", LOG_ODDS, *found))
    caption = (
        f"Calibration on {trials}: what decisions cost by the prior of a target, where scores are taken for"
        " log-likelihood ratios. Solid: the cost. Dashed: the least that any threshold gives. The shaded gap is what"
        " calibration can win. Above the dotted line, deciding without listening costs less."
    )
    return Figure(caption, calibration_plot(curves, f"calibration{number}", caption))


def _has_the_curve_of_another(group: Group, done: Sequence[Group]) -> bool:
    """Return whether it is a calibrated system, neither primary nor chosen, with another's scores on a new scale."""
    first = group.rows[0]
    if first.primary or group.chosen or uncalibrated(first.system) == first.system:
        return False
    base = first.model, uncalibrated(first.system)
    same = [other for other in done if other.name == base]
    return any(isclose(other.mean("eer"), group.mean("eer"), rel_tol=1e-3) for other in same)
