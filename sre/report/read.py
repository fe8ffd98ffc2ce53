"""What a report is made of: metrics files, training summaries, gates; each checked for what the report needs of it."""

import json
from collections.abc import Sequence
from pathlib import Path

from sre import SreError
from sre.io.text import NUMBER, Form, check_form, read_object, read_text
from sre.provenance import job_of

RESULT: Form = {"model": str, "seed": int, "run": str, "trials": str, "trials_sha256": str, "trials_file": str}
RESULT = {**RESULT, "systems": dict}
METRICS: Form = {"eer": NUMBER, "targets": int, "nontargets": int}
SPLIT: Form = {"split": str, "utterances": int, "speakers": int}
FEATURES: Form = {"split": str, "features": str, "utterances": int, "rejected": int, "reasons": dict}
LIST: Form = {"targets": int, "nontargets": int, "models": int}
COUNTS: Form = {"utterances": int, "speakers": int, "held_out_speakers": int}
SCORE_AGAIN = "delete it, and the stage score makes it again"
TRAIN_AGAIN = "delete it, and the stage train writes it again from its checkpoints"
CHECK_AGAIN = "delete it, and its stage makes it again"


def load_results(paths: Sequence[str | Path]) -> list[dict]:
    """Products of score jobs; adds `folder` and `file`; its files are named where they are, if all was moved.

    Raises SreError where a key is missing or of another type.
    """
    results = []
    for path in paths:
        result = read_object(path, RESULT, SCORE_AGAIN)
        for name, outcome in result["systems"].items():
            _check_outcome(f"{path}: {name}", outcome)
        results.append(_located(path, result) | {"folder": Path(path).parent, "file": Path(path).name})
    return results


def _check_outcome(where: str, outcome: dict) -> None:
    status = check_form(where, outcome, {"status": str}, SCORE_AGAIN)["status"]
    if status == "ok":
        check_form(where, outcome, {"metrics": dict, "scores": str}, SCORE_AGAIN)
        check_form(where, outcome["metrics"], METRICS, SCORE_AGAIN)


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
        summary = read_object(path, None, TRAIN_AGAIN)
        if "utterances_found" in summary:
            check_form(path, summary, COUNTS, TRAIN_AGAIN)
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
            lines.append(json.loads(text))
            lines[-1]["epoch"]
        except (ValueError, KeyError, TypeError):
            raise SreError(f"{path}:{number}: not the JSON of an epoch; delete the line or train again") from None
    return lines


def read_gates(path: Path) -> dict:
    """gates.json: notes (sentences), data (one object a split), trials (counts of each list)."""
    gates = read_object(path, None, CHECK_AGAIN)
    check_form(path, {"notes": [], "data": [], "trials": {}} | gates, {"notes": list, "data": list}, CHECK_AGAIN)
    for split in gates.get("data", []):
        check_form(f"{path}: data", split, SPLIT, CHECK_AGAIN)
    for name, counts in (gates.get("trials") or {}).items():
        check_form(f"{path}: {name}", counts, LIST, CHECK_AGAIN)
    return gates


def read_features(path: Path) -> dict:
    """features_checked.json: described (one object a split and kind of features)."""
    features = read_object(path, None, CHECK_AGAIN)
    check_form(path, {"described": []} | features, {"described": list}, CHECK_AGAIN)
    for part in features.get("described", []):
        check_form(f"{path}: described", part, FEATURES, CHECK_AGAIN)
    return features
