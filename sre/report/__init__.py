"""One report of every run x system x trial list: report.tsv, report.md and a self-contained report.html."""

import json
from collections.abc import Sequence
from math import isclose
from pathlib import Path

from sre import SreError
from sre.io.atomic import atomic_output
from sre.io.trials import align_scores
from sre.metrics import det_points
from sre.report import plots
from sre.report.page import page
from sre.report.tables import Group, Row, by_list, group_rows, make_rows
from sre.report.text import markdown, text_table, tsv

RESULT_KEYS = ("model", "seed", "run", "trials", "trials_sha256", "trials_file", "systems")
DET_POINTS = 1000


def read_json(path: str | Path) -> dict:
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SreError(f"{path}: no such file; run the stage that makes it") from None
    except ValueError as error:
        raise SreError(f"{path}: not JSON ({error}); delete it and run the stage that makes it") from None
    if not isinstance(content, dict):
        raise SreError(f"{path}: a JSON object is needed here; delete it and run the stage that makes it")
    return content


def load_results(paths: Sequence[str | Path]) -> list[dict]:
    """Products of score jobs; adds `folder`, where relative paths are tried that are not there as written.

    Raises SreError where a key is missing.
    """
    results = []
    for path in paths:
        result = read_json(path)
        missing = [key for key in RESULT_KEYS if key not in result]
        if missing:
            raise SreError(f"{path}: no {', '.join(missing)}; give the metrics file of a score job")
        results.append(result | {"folder": Path(path).parent})
    return results


def load_runs(summaries: Sequence[str | Path], results: Sequence[dict]) -> dict[str, dict]:
    """Run -> {model, summary, history}, from each train_summary.json and the history.jsonl beside it.

    `history` is empty where there is no such file (a model that was trained elsewhere).
    """
    models = {result["run"]: result["model"] for result in results}
    runs: dict[str, dict] = {}
    for path in sorted(map(Path, summaries)):
        summary = read_json(path)
        run = str(summary.get("run", path.parent.name))
        if run in runs:
            raise SreError(f"{path}: a second training summary of run {run}; give one")
        model = models.get(run, str(summary.get("model", run)))
        runs[run] = {"model": model, "summary": summary, "history": _history(path.with_name("history.jsonl"))}
    return dict(sorted(runs.items()))


def _history(path: Path) -> list[dict]:
    if not path.exists():
        return []
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            lines.append(json.loads(text))
            lines[-1]["epoch"]
        except (ValueError, KeyError, TypeError):
            raise SreError(f"{path}:{number}: not the JSON of an epoch; delete the line or train again") from None
    return lines


def plda_remarks(groups: Sequence[Group], runs: dict[str, dict]) -> list[str]:
    """What to make of PLDA losing to cosine: expected of models trained with a margin (R-29), else not."""
    expected, odd = [], []
    for trials, some in by_list(groups).items():
        for model in sorted({group.rows[0].model for group in some}):
            done = [group for group in some if group.done and group.rows[0].model == model]
            cosine = [group.mean("eer") for group in done if group.rows[0].system.startswith("cosine")]
            plda = [group.mean("eer") for group in done if "plda" in group.rows[0].system]
            if cosine and plda and min(plda) > min(cosine):
                fact = f"{model} on {trials} ({min(plda):.3f} against {min(cosine):.3f} %)"
                (odd if _without_margin(model, runs) else expected).append(fact)
    remarks = []
    if expected:
        remarks.append(
            f"PLDA loses to cosine: {', '.join(expected)}. This is the expected case for embeddings trained"
            " with a margin loss and tested on matched data: the loss has made them comparable by angle, and"
            " PLDA has little left to do. It is no fault."
        )
    if odd:
        remarks.append(
            f"PLDA loses to cosine: {', '.join(odd)}. Training had no margin, where PLDA often helps: look at"
            " the number of training speakers, the LDA dimension, and whether training and test data match."
        )
    return remarks


def _without_margin(model: str, runs: dict[str, dict]) -> bool:
    """Whether the training history says so; nothing is known of a model without one."""
    lines = [line for run in runs.values() if run["model"] == model for line in run["history"]]
    return bool(lines) and not any(line.get("margin") for line in lines)


def write_report(
    out_dir: str | Path,
    results: Sequence[dict],
    runs: dict[str, dict],
    title: str,
    primary: str | None = None,
    notes: dict | None = None,
) -> str:
    """Write report.tsv, report.md and report.html into `out_dir`; returns the table as aligned plain text."""
    groups = group_rows(make_rows(results, primary))
    remarks = plda_remarks(groups, runs)
    figures = {trials: list_figures(trials, some, n) for n, (trials, some) in enumerate(by_list(groups).items())}
    models = sorted({run["model"] for run in runs.values() if run["history"]})
    training = {
        model: plots.training_panels(
            {name: run["history"] for name, run in runs.items() if run["model"] == model and run["history"]},
            f"training{number}",
        )
        for number, model in enumerate(models)
    }
    texts = {
        "report.tsv": tsv(groups),
        "report.md": markdown(groups, title, remarks),
        "report.html": page(title, primary, groups, figures, training, runs, remarks, notes or {}),
    }
    for name, text in texts.items():
        with atomic_output(Path(out_dir) / name) as file:
            file.write(text)
    return text_table(groups)


def list_figures(trials: str, groups: Sequence[Group], number: int) -> list[tuple[str, str]]:
    """(caption, SVG) of the DET plot and of the score histogram of one trial list; none where all failed."""
    done = [group for group in groups if group.done]
    if not done:
        return []
    drawn = [group for group in done if not _has_the_curve_of_another(group, done)]
    repeated = len(drawn) < len(done)
    drawn.sort(key=lambda group: (not group.rows[0].primary, not group.chosen, group.mean("eer")))
    del drawn[plots.MAX_CURVES :]
    curves = []
    for group in (group for group in done if group in drawn):
        row = group.done[0]
        scores, target = _scores(row)
        _, p_miss, p_fa = det_points(scores, target, DET_POINTS)
        eer, counts = row.metrics["eer"], (row.metrics["targets"], row.metrics["nontargets"])
        curves.append(plots.Curve(f"{row.run} {row.system}: {eer:.2f} %", p_miss, p_fa, eer / 100, *counts))
        if group is drawn[0]:
            shown, shown_scores, shown_target = row, scores, target
    det = f"Detection error trade-off on {trials}. Dots: equal error rates, also in the legend."
    if len(drawn) < len(done):
        det += f" {len(drawn)} of {len(done)} systems: the primary and the chosen first, then the lowest EER."
    if repeated:
        det += " A calibrated system is not drawn where its curve is that of its scores before."
    if any(len(group.rows) > 1 for group in drawn):
        det += " Of a model with several seeds, the first that was scored."
    scores_of = f"Scores of {shown.run} {shown.system} on {trials}, the central 99.9 %; each area is 1."
    threshold = shown.metrics["eer_threshold"]
    return [
        (det, plots.det_plot(curves, f"det{number}", det)),
        (
            scores_of,
            plots.histogram(shown_scores, shown_target, threshold, f"scores{number}", scores_of),
        ),
    ]


def _has_the_curve_of_another(group: Group, done: Sequence[Group]) -> bool:
    """Whether it is a calibrated system, neither primary nor chosen, of one increasing map of another's scores."""
    first = group.rows[0]
    if first.primary or group.chosen or not first.system.endswith("+cal"):
        return False
    base = first.model, first.system.removesuffix("+cal")
    same = [other for other in done if (other.rows[0].model, other.rows[0].system) == base]
    return any(isclose(other.mean("eer"), group.mean("eer"), rel_tol=1e-3) for other in same)


def _scores(row: Row) -> tuple:
    def found(name: str) -> Path:
        here = Path(name)
        return here if here.exists() else row.result["folder"] / here

    files = found(row.result["systems"][row.system]["scores"]), found(row.result["trials_file"])
    scores, target = align_scores(*files)
    if (int(target.sum()), int((~target).sum())) != (row.metrics["targets"], row.metrics["nontargets"]):
        raise SreError(
            f"{files[0]}: not the trials that {row.run}'s metrics were computed on; score {row.trials} again"
        )
    return scores, target
