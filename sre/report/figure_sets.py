"""Which figures a report has: those of each trial list, of the models' costs, and the map of their embeddings."""

from collections.abc import Mapping, Sequence
from math import isclose, nan
from pathlib import Path

import numpy as np

from sre import SreError
from sre.io.ark import read_vectors
from sre.io.tables import read_table, read_utt2spk
from sre.io.trials import align_scores
from sre.metrics.rates import det_points
from sre.report.figures.calibration import LOG_ODDS, BayesCurve, bayes_error_curves, calibration_plot
from sre.report.figures.cost import CostPoint, accuracy_cost_front
from sre.report.figures.det import Curve, det_plot
from sre.report.figures.histogram import histogram
from sre.report.figures.intervals import MAX_ROWS, IntervalRow, interval_plot
from sre.report.figures.map import embedding_map
from sre.report.figures.style import MAX_CURVES
from sre.report.ranking import Standing, group_interval, speakers
from sre.report.rows import Group, Row

DET_POINTS = 1000
Figures = list[tuple[str, str]]  # (caption, SVG)


def list_figures(trials: str, standings: Sequence[Standing], number: int) -> Figures:
    """Intervals, DET curves, the reference's scores and calibration, of one trial list; none where all failed."""
    done = [standing for standing in standings if standing.group.done]
    if not done:
        return []
    groups = [standing.group for standing in done]
    shown = [group for group in groups if not _has_the_curve_of_another(group, groups)][:MAX_CURVES]
    scores = {group.name: row_scores(group.done[0]) for group in shown}
    return [
        _intervals(trials, done, number),
        _det(trials, shown, scores, len(groups), number),
        _histogram(trials, _reference(done).done[0], number),
        _calibration(trials, groups, number),
    ]


def _intervals(trials: str, done: Sequence[Standing], number: int) -> tuple[str, str]:
    rows = []
    for standing in done[:MAX_ROWS]:
        group = standing.group
        low, high = group_interval(group, "eer") or (nan, nan)
        rows.append(IntervalRow(" ".join(group.name), group.mean("eer"), low, high, standing.reference))
    over = "speakers" if speakers(done[0].group) else "trials"
    caption = f"EER on {trials} with 95 % intervals over its {over}, in the order of the table."
    caption += f" The first {len(rows)} of {len(done)} systems." if len(rows) < len(done) else ""
    caption += " Overlapping intervals do not mean that there is no difference: systems err on the same speakers, and"
    return caption + " the table's test makes use of that.", interval_plot(rows, f"intervals{number}", caption)


def _det(trials: str, shown: Sequence[Group], scores: Mapping, number_of: int, number: int) -> tuple[str, str]:
    curves = []
    for group in shown:
        row = group.done[0]
        _, p_miss, p_fa = det_points(*scores[group.name], DET_POINTS)
        eer, counts = row.metrics["eer"], (row.metrics["targets"], row.metrics["nontargets"])
        curves.append(Curve(f"{row.run} {row.system}: {eer:.2f} %", p_miss, p_fa, eer / 100, *counts))
    caption = f"Detection error trade-off on {trials}. Dots: equal error rates, also in the legend."
    if len(shown) < number_of:
        caption += f" {len(shown)} of {number_of} systems, the first of the table"
        caption += "; a calibrated system is not drawn where its curve is that of its scores before."
    if any(len(group.rows) > 1 for group in shown):
        caption += " Of a model with several seeds, the first that was scored."
    return caption, det_plot(curves, f"det{number}", caption)


def _reference(done: Sequence[Standing]) -> Group:
    return next((standing.group for standing in done if standing.reference), done[0].group)


def _histogram(trials: str, row: Row, number: int) -> tuple[str, str]:
    scores, target = row_scores(row)
    caption = (
        f"Scores of {row.run} {row.system} on {trials}, of each kind at least the central 99.8 %; a whole area is 1."
    )
    cost = row.metrics.get("threshold_min_dcf_0.01")
    thresholds = {"EER": row.metrics.get("eer_threshold", np.inf), "minDCF(0.01)": np.inf if cost is None else cost}
    return caption, histogram(scores, target, thresholds, f"scores{number}", caption)


def _calibration(trials: str, groups: Sequence[Group], number: int) -> tuple[str, str]:
    """The first, then calibrated and fused systems, which claim to be calibrated, then others."""
    first, *others = groups
    others.sort(key=lambda group: not group.done[0].metrics.get("calibrated"))
    curves = []
    for group in [first, *others][: MAX_CURVES // 2]:
        found = bayes_error_curves(*row_scores(group.done[0]), LOG_ODDS)
        curves.append(BayesCurve(f"{group.done[0].run} {group.done[0].system}", LOG_ODDS, *found))
    caption = (
        f"Calibration on {trials}: normalised Bayes error rate of scores taken for log-likelihood ratios (solid) and"
        " the least that any threshold gives (dashed), by prior. Where they part, the scores are not calibrated; above"
        " 1, deciding without listening costs less."
    )
    return caption, calibration_plot(curves, f"calibration{number}", caption)


def _has_the_curve_of_another(group: Group, done: Sequence[Group]) -> bool:
    """Whether it is a calibrated system, neither primary nor chosen, of one increasing map of another's scores."""
    first = group.rows[0]
    if first.primary or group.chosen or not first.system.endswith("+cal"):
        return False
    base = first.model, first.system.removesuffix("+cal")
    same = [other for other in done if other.name == base]
    return any(isclose(other.mean("eer"), group.mean("eer"), rel_tol=1e-3) for other in same)


def row_files(row: Row) -> tuple[Path, Path]:
    """Its score file and its trial list."""
    trials = Path(row.result["trials_file"])  # from the working directory, else from the folder of the metrics file
    return row.scores, trials if trials.exists() else row.result["folder"] / trials


def row_scores(row: Row) -> tuple[np.ndarray, np.ndarray]:
    """Scores and target, (P,) each. Raises SreError where they are not what the metrics are of."""
    files = row_files(row)
    scores, target = align_scores(*files)
    if (int(target.sum()), int((~target).sum())) != (row.metrics["targets"], row.metrics["nontargets"]):
        raise SreError(
            f"{files[0]}: not the trials that {row.run}'s metrics were computed on; score {row.trials} again"
        )
    return scores, target


def cost_front(ranked: Mapping[str, Sequence[Standing]], runs: Mapping[str, dict]) -> Figures:
    """A figure an evaluation list: each model's first system against the time its training took; of several models."""
    figures: Figures = []
    for trials, standings in ranked.items():
        points, models = [], set()
        for group in (standing.group for standing in standings if standing.group.done):
            model = group.name[0]
            times = [(runs.get(row.run) or {"summary": {}})["summary"].get("training_s") for row in group.done]
            if model in models or not all(times) or group.rows[0].development:
                continue
            models.add(model)
            low, high = group_interval(group, "eer") or (nan, nan)
            points.append(CostPoint(" ".join(group.name), np.mean(times) / 60, group.mean("eer"), low, high))
        if len(points) > 1:
            caption = f"Accuracy against cost on {trials}: of each model the first system of the table."
            figures.append((caption, accuracy_cost_front(points, f"front{len(figures)}", caption, "training, minutes")))
    return figures


def maps(ranked: Mapping[str, Sequence[Standing]]) -> Figures:
    """The reference's embeddings of each evaluation split that the score jobs name and that is there."""
    figures: dict[str, tuple[str, str]] = {}
    for standings in ranked.values():
        reference = next((standing.group for standing in standings if standing.reference), None)
        if reference is None or reference.rows[0].development:
            continue
        row = reference.done[0]
        data, paths = row.result.get("data"), row.result.get("embeddings") or []
        if not data or data in figures or not all(Path(path).is_file() for path in [*paths, f"{data}/utt2spk"]):
            continue
        figures[data] = _map(Path(data), [Path(path) for path in paths], row.run, len(figures))
    return list(figures.values())


def _map(data: Path, paths: Sequence[Path], run: str, number: int) -> tuple[str, str]:
    parts = [read_vectors(path) for path in paths]
    ids, embeddings = (np.concatenate(both) for both in zip(*parts, strict=True))
    utt2spk = read_utt2spk(data / "utt2spk")
    known = np.array([utt in utt2spk for utt in ids])
    speakers = np.array([utt2spk[utt] for utt in ids[known]])
    genders = read_table(data / "spk2gender") if (data / "spk2gender").is_file() else None
    told = None if genders is None else np.array([genders.get(speaker, "") for speaker in speakers])
    label = f"Embeddings of {data.name} by {run}"
    caption, svg = embedding_map(embeddings[known], speakers, told, f"map{number}", label)
    return f"{label}. {caption}", svg
