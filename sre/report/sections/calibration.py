"""What calibration gained on each trial list, and where to set the threshold of calibrated scores."""

from collections.abc import Iterable

from sre.io.text import exact
from sre.metrics.rates import P_TARGETS, bayes_threshold
from sre.report.blocks import Block, Heading, Table, Text
from sre.report.content import Content
from sre.report.numbers import plain, rate_cell
from sre.report.rows import Group, Row, by_list, uncalibrated
from sre.scoring.result import FittedCalibration

HEADINGS = ["run", "system", "actDCF(0.05)", "Cllr", "minCllr", "offset", "weights", "fitted on"]
FITTED_ELSEWHERE = (
    "A calibration holds for data like those that it was fitted on. Where language, channel or duration differ,"
    " compare actDCF with minDCF: what lies between them is lost to calibration."
)


def blocks(content: Content) -> list[Block]:
    """Return nothing where no system is calibrated."""
    found: list[Block] = []
    for trials, groups in by_list(content.groups).items():
        lines = calibration_lines(groups)
        if lines:
            found += [Heading(trials), Text(bayes_remark(groups))]
            found.append(Table.of("Before → after calibration", HEADINGS, lines))
    return [Text(FITTED_ELSEWHERE), *found] if found else []


def calibration_lines(groups: Iterable[Group]) -> list[list[str]]:
    """Return the calibrated systems of one list, by HEADINGS; `before → after` where both were scored."""
    rows = {(row.run, row.system): row for group in groups for row in group.done}
    lines = []
    for row in rows.values():
        fitted = row.calibration
        if fitted is None:
            continue
        before = rows.get((row.run, uncalibrated(row.system)), row)
        cells = [_change(before, row, key) for key in ("act_dcf_0.05", "cllr")]
        cells += [rate_cell(row.metrics, "min_cllr", 4), plain(fitted.offset), _weights(fitted)]
        lines.append([row.run, row.system, *cells, _fitted_on(fitted)])
    return lines


def _change(before: Row, after: Row, key: str) -> str:
    cells = [rate_cell(row.metrics, key, 4) for row in ((after,) if before is after else (before, after))]
    return " → ".join(filter(None, cells))


def _weights(fitted: FittedCalibration) -> str:
    """Return `name weight` of each input of a fusion and of each quality measure, the weight alone of one system."""
    values, names = fitted.weights, fitted.columns
    if len(values) == 1 or len(names) != len(values):
        return ", ".join(map(plain, values))
    return ", ".join(f"{name} {plain(value)}" for name, value in zip(names, values, strict=True))


def _fitted_on(fitted: FittedCalibration) -> str:
    prior = "" if fitted.p_target is None else f"P_target {exact(fitted.p_target)}"
    versions = "" if fitted.quality_measures is None else "in all lengths and noises"
    return ", ".join(filter(None, [fitted.trials, versions, prior]))


def bayes_remark(groups: Iterable[Group]) -> str:
    """Return the Bayes thresholds at the costs of the list's systems."""
    metrics = next(row.metrics for group in groups for row in group.done)
    costs = metrics.get("c_miss", 1.0), metrics.get("c_fa", 1.0)
    said = ", ".join(f"{bayes_threshold(p, *costs):.4f} for P_target {p}" for p in P_TARGETS)
    return (
        "Calibrated scores are natural-log likelihood ratios, whatever the system. Accept at or above"
        f" {said}, where C_miss = {exact(costs[0])} and C_fa = {exact(costs[1])}."
    )
