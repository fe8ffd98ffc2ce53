"""All systems of one model run and one trial list, in one process: shared embeddings, sides, cohorts and scores."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError
from sre.backends.backend import Backend
from sre.backends.calibration import Calibration, fit_calibration
from sre.backends.cohort import Cohort, CohortRule
from sre.backends.files import load
from sre.backends.norm import normalise
from sre.backends.sides import Pairs, scores_of_pairs
from sre.config.stages import STAGE_VERSIONS
from sre.io.atomic import locked, sha256_arrays, sha256_file, sha256_text
from sre.io.embeddings import Embeddings
from sre.io.tables import write_table
from sre.io.text import canonical
from sre.io.trials import read_trials
from sre.scoring.evaluation import Evaluation
from sre.scoring.job import ListJob, ScoreJob
from sre.scoring.judge import Judge
from sre.scoring.read_cohort import read_training
from sre.scoring.result import ListResult, SystemResult


@dataclass
class Scorer:
    """Computes all systems of a list. Embeddings, cohorts and raw scores are computed once and shared.

    training : the embeddings that cohorts are chosen from, with their speakers
    calibrations : system -> its result on the development list, of which the calibration is taken; not used there
    """

    job: ScoreJob
    evaluation: Evaluation
    training: Embeddings
    calibrations: Mapping[str, SystemResult]
    _pairs: dict[str, tuple[Backend, Pairs]] = field(default_factory=dict)
    _cohorts: dict[tuple[str, CohortRule], Cohort] = field(default_factory=dict)
    _chosen: dict[CohortRule, Embeddings] = field(default_factory=dict)
    _scores: dict[str, tuple[np.ndarray, dict[str, Any]]] = field(default_factory=dict)

    def scores(self, name: str) -> tuple[np.ndarray, dict[str, Any]]:
        """(P,) values of float32, as they are written, and the facts; what a calibration or fusion needs is kept."""
        if name in self._scores:
            return self._scores[name]
        system = self.job.systems[name]
        scores, facts = self._combined(name, system["of"]) if system["of"] else self._plain(system)
        scores = scores.astype(np.float32).astype(np.float64)
        if any(name in (other["of"] or ()) for other in self.job.systems.values()):
            self._scores[name] = scores, facts
        return scores, facts

    def _plain(self, system: Mapping) -> tuple[np.ndarray, dict[str, Any]]:
        name, norm = system["backend"], system["norm"]
        if name not in self._pairs:
            self._pairs.clear()  # one back-end's vectors at a time
            self._cohorts.clear()
            backend = load(self.job.backends[name])
            self._pairs[name] = backend, self.evaluation.pairs(backend)
        backend, pairs = self._pairs[name]
        scores, facts = scores_of_pairs(pairs), dict(backend.facts)
        facts.pop("log_likelihood", None)
        if norm:
            rule = CohortRule(norm["cohort"], norm["cohort_size"], norm["cohort_seed"])
            cohort, speakers = self._cohort(name, backend, rule), self.evaluation.speakers
            scores, more = normalise(scores, pairs, cohort, norm["method"], norm["top_n"], speakers)
            facts |= more | {"cohort_file": f"{rule.name}.cohort"}
        return scores, facts

    def _cohort(self, name: str, backend: Backend, rule: CohortRule) -> Cohort:
        """The cohort of a back-end; the file <rule>.cohort names its members."""
        if rule not in self._chosen:
            self._chosen[rule] = chosen = rule.choose(self.training)
            assert chosen.speakers is not None, "training embeddings have speakers"
            write_table(self.job.folder / f"{rule.name}.cohort", zip(chosen.ids, chosen.speakers, strict=True))
        if (name, rule) not in self._cohorts:
            self._cohorts[name, rule] = Cohort.of(backend, self._chosen[rule])
        return self._cohorts[name, rule]

    def _combined(self, name: str, inputs: list[str]) -> tuple[np.ndarray, dict[str, Any]]:
        columns = np.stack([self.scores(one)[0] for one in inputs], axis=1)
        return llrs_of(self.job, name, columns, self.evaluation.target, self.calibrations.get(name))


def llrs_of(
    job: ListJob, name: str, columns: np.ndarray, target: np.ndarray, developed: SystemResult | None
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return (P,) LLRs of a calibrated or fused system of (P, K) scores, and the facts, `calibration`.

    developed : its result on the development list, of which the calibration is taken; on that list it is fitted
    Raises SreError where it was not calibrated there.
    """
    if job.is_development:
        calibration = fit_calibration(columns, target, job.p_target).as_dict()
        calibration |= {"inputs": job.systems[name]["of"], "trials": job.folder.name}
    else:
        result = developed or SystemResult("failed", "it is not there")
        if not result.done:
            raise SreError(f"it was not calibrated on the development list: {result.reason}")
        calibration = result.calibration or {}
    return Calibration.from_dict(calibration).apply(columns), {"calibration": calibration}


def read_development(path: Path) -> dict[str, SystemResult]:
    """Read the results of the development list. Raises SreError where a calibration in them cannot be used."""
    systems = ListResult.read(path).systems
    for name, result in systems.items():
        if result.done and result.calibration:
            try:
                Calibration.from_dict(result.calibration)
            except SreError as error:
                raise SreError(f"{path}: {name}: {error}") from None
    return systems


def digests_of(job: ScoreJob, evaluation: Evaluation, training: Embeddings) -> dict[str, str]:
    """Return what identifies the inputs of all systems. An scp has places: the vectors themselves are digested."""
    tested = evaluation.embeddings
    assert training.speakers is not None  # cohorts are chosen by speakers
    return {
        "embeddings": sha256_arrays(tested.vectors, tested.ids),
        "cohort": sha256_arrays(training.vectors, np.concatenate([training.ids, training.speakers])),
        "trials": sha256_file(job.trials),
        "enroll_map": sha256_file(job.enroll_map) if job.enroll_map else "",
        "speakers": sha256_text(" ".join(np.concatenate(evaluation.speakers or [[]]))),
    }


def score_list(job: ScoreJob) -> None:
    """Score all systems into the folder of `metrics`, and write that.

    Raises SreError where the inputs do not fit together; a system that cannot be scored has the reason instead.
    """
    begun = time.monotonic()
    trials = read_trials(job.trials)
    evaluation = Evaluation.read(trials, job.enroll_map, job.embeddings, job.utt2spk)
    training = read_training([job.cohort], job.cohort_utt2spk)
    digests = digests_of(job, evaluation, training)
    calibrations = read_development(job.development) if job.development else {}
    judge = Judge.of(job, trials, evaluation.speakers)
    scorer = Scorer(job, evaluation, training, calibrations)
    with locked(job.folder / ".score.lock"):
        systems = score_systems(scorer, judge, digests)
        paths = [str(path) for path in job.embeddings]
        judge.result(systems, begun, digests, embeddings=paths).write(job.metrics)
    judge.say(systems)


def score_systems(scorer: Scorer, judge: Judge, digests: Mapping[str, str]) -> dict[str, SystemResult]:
    """Score each system into folder/<system>.scores; a system whose inputs and config are unchanged is kept.

    digests : name -> SHA-256 of what all systems share (embeddings, trials, enrolment map, speakers), see `digests_of`
    """
    hashes = {name: sha256_file(path) for name, path in scorer.job.backends.items()}
    results = {}
    for name in _by_backend(scorer.job.systems):
        identity = [_identity_of(scorer, name, hashes), STAGE_VERSIONS["score"], judge.draws, dict(digests)]
        results[name] = judge.system(name, sha256_text(canonical(identity)), partial(scorer.scores, name))
    return {name: results[name] for name in scorer.job.systems}


def _by_backend(systems: Mapping[str, dict]) -> list[str]:
    """Return the systems' names in order of scoring: those of one back-end together, calibrated and fused ones last."""
    backends = list(dict.fromkeys(system.get("backend") for system in systems.values()))
    order = {name: backends.index(system.get("backend")) for name, system in systems.items()}
    combined = [name for name, system in systems.items() if system["of"]]
    return sorted(systems.keys() - set(combined), key=lambda name: (order[name], name)) + combined


def _identity_of(scorer: Scorer, name: str, hashes: Mapping[str, str]) -> list:
    """Everything that a system's scores depend on and, of a combined system, that of the systems it is made from."""
    system = scorer.job.systems[name]
    if not system["of"]:
        return [system, hashes[system["backend"]]]
    known = scorer.calibrations.get(name)
    trained = scorer.job.p_target if scorer.job.is_development else known and known.calibration
    return [system["of"], trained, *(_identity_of(scorer, one, hashes) for one in system["of"])]
