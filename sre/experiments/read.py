"""What a report is made of: the results of score jobs, and what trainings tell."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sre import SreError
from sre.experiments.records import job_of
from sre.scoring.result import ListResult
from sre.training.summary import HISTORY_FILE, Trained, TrainSummary, read_history


def load_results(paths: Sequence[str | Path]) -> list[ListResult]:
    """Read metrics files. Paths in them are updated if the experiment was moved.

    Raises SreError where a key is missing or of another kind.
    """
    return [_located(ListResult.read(path)) for path in paths]


def _located(result: ListResult) -> ListResult:
    """Return the result with names of files as they are now, which the record of its job tells."""
    job = job_of(result.path)
    if job is None:
        return result
    return replace(
        result,
        trials_file=job.now(result.trials_file),
        enroll_map=result.enroll_map and job.now(result.enroll_map),
        data=result.data and job.now(result.data),
        embeddings=[job.now(name) for name in result.embeddings],
    )


def load_runs(summaries: Sequence[str | Path], results: Sequence[ListResult]) -> dict[str, Trained]:
    """Map run to what its train_summary.json and the history.jsonl beside it tell.

    Raises SreError where one cannot be read, or a run has two.
    """
    models = {result.run: result.model for result in results}
    runs: dict[str, Trained] = {}
    for path in sorted(map(Path, summaries)):
        summary = TrainSummary.read(path)
        run = str(summary.others.get("run", path.parent.name))
        if run in runs:
            raise SreError(f"{path}: a second training summary of run {run}; give one")
        model = models.get(run, str(summary.others.get("model", run)))
        runs[run] = Trained(model, summary, read_history(path.with_name(HISTORY_FILE)))
    return dict(sorted(runs.items()))
