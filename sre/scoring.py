"""All systems of one model run and one trial list, in one process: shared embeddings, shared cohorts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sre import SreError
from sre.backends import Backend, Side, load
from sre.backends.base import scores_of_pairs
from sre.backends.norm import Cohort, normalise
from sre.config import STAGE_VERSIONS, canonical
from sre.io.atomic import atomic_output, sha256_file, sha256_text
from sre.io.trials import Trials, write_scores
from sre.log import say
from sre.metrics import summarise


def rows_of(ids: np.ndarray, wanted: np.ndarray, what: str) -> np.ndarray:
    """Positions of `wanted` among the sorted ids; raises SreError naming what has no embedding."""
    position = np.searchsorted(ids, wanted)
    found = position < len(ids)
    found[found] = ids[position[found]] == wanted[found]
    if not found.all():
        raise SreError(
            f"{what}: {int((~found).sum())} of {len(wanted)} have no embedding, e.g. {wanted[~found][0]};"
            " extract it, or take its trials out of the list"
        )
    return position


@dataclass
class Evaluation:
    """One trial list with the embeddings it needs."""

    trials: Trials
    groups: list[np.ndarray]
    ids: np.ndarray
    embeddings: np.ndarray

    @classmethod
    def of(
        cls, trials: Trials, enrol_map: Mapping[str, list[str]], ids: np.ndarray, embeddings: np.ndarray
    ) -> "Evaluation":
        utts = np.array([utt for model in trials.enrol_ids for utt in enrol_map[model]], dtype=object)
        rows = rows_of(ids, utts, "enrolment utterances")
        sizes = np.cumsum([len(enrol_map[model]) for model in trials.enrol_ids])
        return cls(trials, np.split(rows, sizes[:-1]), ids, embeddings)

    def sides(self, backend: Backend) -> tuple[Side, Side]:
        tests = self.embeddings[rows_of(self.ids, self.trials.test_ids, "test utterances")]
        return backend.enrol(self.embeddings, self.groups), backend.test(tests)

    def raw(self, enrol: Side, test: Side) -> np.ndarray:
        return scores_of_pairs(enrol, test, self.trials.enrol, self.trials.test)


def score_systems(
    evaluation: Evaluation,
    backends: Mapping[str, Path],
    systems: Mapping[str, dict],
    cohort: tuple[np.ndarray, np.ndarray],
    inputs: Mapping[str, str],
    folder: Path,
) -> dict[str, dict]:
    """Score each system into folder/<system>.scores; a system whose inputs and config are unchanged is kept.

    systems : name -> {"backend": …, "norm": {…} or None}
    cohort : (N, D) training embeddings and their (N,) speakers
    inputs : name -> SHA-256 of what is common to all (embeddings, trials, enrolment map)
    Returns name -> {"status": "ok", "scores", "metrics", "backend"} or {"status": "failed", "reason"}.
    """
    results = {}
    sides: dict[str, tuple[Backend, Side, Side, Cohort]] = {}
    for name, system in systems.items():
        path, record = folder / f"{name}.scores", folder / f"{name}.metrics.json"
        recipe = canonical([system, STAGE_VERSIONS["score"], dict(inputs), sha256_file(backends[system["backend"]])])
        result = _kept(path, record, sha256_text(recipe))
        if result is None:
            try:
                result = _score_one(evaluation, backends[system["backend"]], system, cohort, path, sides)
            except SreError as error:
                path.unlink(missing_ok=True)
                result = {"status": "failed", "reason": str(error)}
            result["inputs_sha256"] = sha256_text(recipe)
            with atomic_output(record) as file:
                json.dump(result, file, indent=1, sort_keys=True)
        else:
            say(f"{name}: unchanged, kept")
        results[name] = result
    return results


def _kept(path: Path, record: Path, key: str) -> dict | None:
    if not record.is_file():
        return None
    result = json.loads(record.read_text())
    same = result.get("inputs_sha256") == key
    if same and result["status"] == "ok":
        same = path.is_file() and sha256_file(path) == result["scores_sha256"]
    return result if same else None


def _score_one(evaluation: Evaluation, backend_path: Path, system: dict, cohort, path: Path, sides: dict) -> dict:
    name = system["backend"]
    if name not in sides:
        backend = load(backend_path)
        sides[name] = (backend, *evaluation.sides(backend), Cohort.of(backend, *cohort))
    backend, enrol, test, means = sides[name]
    scores, facts = evaluation.raw(enrol, test), dict(backend.facts)
    if system["norm"]:
        pairs = (evaluation.trials.enrol, evaluation.trials.test)
        scores, norm_facts = normalise(scores, enrol, test, *pairs, means, **system["norm"])
        facts |= norm_facts
    scores = scores.astype(np.float32).astype(np.float64)  # as they are written
    metrics = summarise(scores, evaluation.trials.target)
    write_scores(path, evaluation.trials, scores)
    facts.pop("log_likelihood", None)
    return {
        "status": "ok",
        "scores": path.name,
        "scores_sha256": sha256_file(path),
        "metrics": metrics,
        "backend": facts,
    }
