"""One report of every run x system x trial list: report.tsv, report.md and a self-contained report.html."""

from collections.abc import Sequence
from pathlib import Path

from sre.io.atomic import atomic_output
from sre.report.errors import write_errors
from sre.report.jobs import jobs_behind
from sre.report.page import Content, page
from sre.report.ranking import rank
from sre.report.rows import Group, by_list, group_rows, make_rows
from sre.report.text import markdown, text_table, tsv


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
            " PLDA has little left to do. The table says which differences are shown."
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
    metric: str = "eer",
    notes: dict | None = None,
    features: dict | None = None,
    command: str = "",
    width: int = 0,
) -> str:
    """Write report.{tsv,md,html} and errors/<list>/ into `out_dir`; returns the table as aligned plain text.

    metric : of COLUMNS of sre/metrics/bootstrap.py, by which systems are ranked, chosen and tested
    command : what makes the report again
    width : columns that the table may have, 0 for any number
    """
    groups = group_rows(make_rows(results, primary), metric)
    ranked = rank(groups, metric)
    remarks = plda_remarks(groups, runs)
    jobs = jobs_behind(result["folder"] / result["file"] for result in results)
    known = (dict(notes or {}), dict(features or {}), jobs, command)
    content = Content(title, metric, primary, groups, ranked, runs, remarks, *known)
    texts = {
        "report.tsv": tsv(ranked),
        "report.md": markdown(ranked, title, remarks, metric, command),
        "report.html": page(content, write_errors(Path(out_dir) / "errors", ranked), _shown(Path(out_dir))),
    }
    for name, text in texts.items():
        with atomic_output(Path(out_dir) / name) as file:
            file.write(text)
    return text_table(ranked, metric, width)


def _shown(out_dir: Path) -> str:
    """report.tsv as people call it from the project's root; no machine's own paths."""
    return "report.tsv" if out_dir.is_absolute() else str(out_dir / "report.tsv")
