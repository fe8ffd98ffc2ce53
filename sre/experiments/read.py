"""What a report is made of: metrics files, training summaries, gates; each checked for what the report needs of it."""

import json
from collections.abc import Sequence
from pathlib import Path

from sre import SreError
from sre.experiments.records import job_of
from sre.io.forms import check_form
from sre.io.text import read_object, read_text
from sre.scoring.result import RESULT, SCORE_AGAIN
from sre.training.gates import FEATURES, GATES
from sre.training.summary import EPOCH, SUMMARY

TRAIN_AGAIN = "delete it, and the stage train writes it again from its checkpoints"
CHECK_AGAIN = "delete it, and its stage makes it again"


def load_results(paths: Sequence[str | Path]) -> list[dict]:
    """Products of score jobs; adds `folder` and `file`; its files are named where they are, if all was moved.

    Raises SreError where a key is missing or of another kind.
    """
    results = []
    for path in paths:
        result = read_object(path, RESULT, SCORE_AGAIN)
        results.append(_located(path, result) | {"folder": Path(path).parent, "file": Path(path).name})
    return results


def _located(path: str | Path, result: dict) -> dict:
    """Names of files are as the score job was given them; its record tells where they are now."""
    job = job_of(path)
    if job is None:
        return result
    names = ("trials_file", "enroll_map", "data")
    found = {name: job.now(result[name]) for name in names if result.get(name)}
    return {**result, **found, "embeddings": [job.now(name) for name in result.get("embeddings") or []]}


def load_runs(summaries: Sequence[str | Path], results: Sequence[dict]) -> dict[str, dict]:
    """Run -> {model, summary, history}, from each train_summary.json and the history.jsonl beside it.

    `history` is empty where there is no such file (a model that was trained elsewhere).
    """
    models = {result["run"]: result["model"] for result in results}
    runs: dict[str, dict] = {}
    for path in sorted(map(Path, summaries)):
        summary = read_object(path, SUMMARY, TRAIN_AGAIN)
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
    for number, text in enumerate(read_text(path).splitlines(), 1):
        try:
            lines.append(check_form(f"{path}:{number}", json.loads(text), EPOCH, "delete the line or train again"))
        except ValueError:
            raise SreError(f"{path}:{number}: not the JSON of an epoch; delete the line or train again") from None
    return lines


def read_gates(path: Path) -> dict:
    """gates.json: notes (sentences), data (one object a split), trials (counts of each list)."""
    return read_object(path, GATES, CHECK_AGAIN)


def read_features(path: Path) -> dict:
    """features_checked.json: described (one object a split and kind of features)."""
    return read_object(path, FEATURES, CHECK_AGAIN)
