"""All systems of one model run on one trial list: embeddings, sides, cohorts and scores that they share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from sre import SreError
from sre.backends.backend import Backend
from sre.backends.calibration import Calibration, fit_calibration
from sre.backends.cohort import Cohort, CohortRule
from sre.backends.files import load
from sre.backends.norm import cohort_means, normalise
from sre.backends.quality import COHORT_MEAN, NEAREST, Ranges, ranges_of, trial_measures
from sre.backends.sides import Pairs, scores_of_pairs
from sre.io.embeddings import Embeddings
from sre.io.tables import write_table
from sre.scoring.evaluation import Evaluation
from sre.scoring.job import ListJob, ScoreJob
from sre.scoring.quality import Measured
from sre.scoring.result import SystemResult

Sides = tuple[dict[str, np.ndarray], dict[str, np.ndarray]]  # measure -> (P,), of the models and of the tests


@dataclass
class Scorer:
    """Computes all systems of a list. Embeddings, cohorts and raw scores are computed once and shared.

    training : the embeddings that cohorts are chosen from, with their speakers
    calibrations : system -> its result on the development list, of which the calibration is taken; not used there
    measured : the list with the qualities of its utterances; None: no system has quality measures
    pool : on the development list, its trials in all versions, on which these are calibrated
    """

    job: ScoreJob
    evaluation: Evaluation
    training: Embeddings
    calibrations: Mapping[str, SystemResult]
    measured: Measured | None = None
    pool: Measured | None = None
    _pairs: dict[str, tuple[Backend, Pairs]] = field(default_factory=dict)
    _cohorts: dict[tuple[str, CohortRule], Cohort] = field(default_factory=dict)
    _chosen: dict[CohortRule, Embeddings] = field(default_factory=dict)
    _scores: dict[str, tuple[np.ndarray, dict[str, Any]]] = field(default_factory=dict)

    def scores(self, name: str) -> tuple[np.ndarray, dict[str, Any]]:
        """(P,) values of float32, as they are written, and the facts; what a calibration or fusion needs is kept."""
        if name in self._scores:
            return self._scores[name]
        system = self.job.systems[name]
        scores, facts = self._combined(name, system) if system["of"] else self._plain(system)
        scores = scores.astype(np.float32).astype(np.float64)
        if any(name in (other["of"] or ()) for other in self.job.systems.values()):
            self._scores[name] = scores, facts
        return scores, facts

    def _plain(self, system: Mapping) -> tuple[np.ndarray, dict[str, Any]]:
        backend, pairs = self._backend(system["backend"])
        scores, facts = scores_of_pairs(pairs), dict(backend.facts)
        facts.pop("log_likelihood", None)
        if norm := system["norm"]:
            rule = CohortRule.of_norm(norm)
            cohort, speakers = self._cohort(system["backend"], backend, rule), self.evaluation.speakers
            scores, more = normalise(scores, pairs, cohort, norm["method"], norm["top_n"], speakers)
            facts |= more | {"cohort_file": f"{rule.name}.cohort"}
        return scores, facts

    def _backend(self, name: str) -> tuple[Backend, Pairs]:
        if name not in self._pairs:
            self._pairs.clear()  # one back-end's vectors at a time
            self._cohorts.clear()
            backend = load(self.job.backends[name])
            self._pairs[name] = backend, self.evaluation.pairs(backend)
        return self._pairs[name]

    def sides(self, base: str, measures: list[str]) -> Sides:
        """Return measure -> (P,) of each trial's model, and of its test, for a system without calibration.

        cohort_mean is that of the cohort that its norm has; of a system without norm, of all training speakers. Raises
        SreError where an utterance was not measured.
        """
        if self.measured is None:
            raise SreError("its quality measures are not known; give --quality, a utt2quality of steps.measure_quality")
        system, sides = self.job.systems[base], self.measured.sides(measures)
        if COHORT_MEAN in measures:
            norm = system["norm"] or {"cohort": "speakers", "cohort_size": 0, "cohort_seed": 1, "top_n": NEAREST}
            rule = CohortRule.of_norm(norm)
            backend, pairs = self._backend(system["backend"])
            cohort = self._cohort(system["backend"], backend, rule)
            means = cohort_means(pairs, cohort, norm["top_n"], self.evaluation.speakers)
            for side, mean in zip(sides, means, strict=True):
                side[COHORT_MEAN] = mean
        return sides

    def _cohort(self, name: str, backend: Backend, rule: CohortRule) -> Cohort:
        """The cohort of a back-end; the file <rule>.cohort names its members."""
        if rule not in self._chosen:
            self._chosen[rule] = chosen = rule.choose(self.training)
            assert chosen.speakers is not None, "training embeddings have speakers"
            write_table(self.job.folder / f"{rule.name}.cohort", zip(chosen.ids, chosen.speakers, strict=True))
        if (name, rule) not in self._cohorts:
            self._cohorts[name, rule] = Cohort.of(backend, self._chosen[rule])
        return self._cohorts[name, rule]

    def _combined(self, name: str, system: Mapping) -> tuple[np.ndarray, dict[str, Any]]:
        inputs, developed = system["of"], self.calibrations.get(name)
        scores = np.stack([self.scores(one)[0] for one in inputs], axis=1)
        if (measures := system.get("measures")) is None:
            fit = partial(fit_calibration, scores, self.evaluation.target, self.job.p_target)
            return llrs_of(self.job, name, scores, fit, developed)
        told = developed and developed.fitted_calibration
        ranges = told.quality_ranges or [] if told else []
        fit = partial(Calibration, np.empty(0), 0.0)
        if self.job.is_development:
            calibration, ranges = self._fitted(inputs, measures)
            fit = partial(replace, calibration)
        quality = self._quality(inputs, measures, scores, ranges) if measures and ranges else np.empty((len(scores), 0))
        columns = np.concatenate([scores, quality], axis=1)
        return llrs_of(self.job, name, columns, fit, developed, quality_measures=measures, quality_ranges=ranges)

    def _quality(self, inputs: list[str], measures: list[str], scores: np.ndarray, ranges: Ranges) -> np.ndarray:
        return trial_measures(measures, *self.sides(inputs[0], measures), scores[:, 0], ranges)

    def _fitted(self, inputs: list[str], measures: list[str]) -> tuple[Calibration, list[list[float]]]:
        """Return the calibration of all versions of the list's trials, and the ranges of the quality measures there."""
        if self.measured is None or self.pool is None:
            raise SreError("it is fitted on the development list in other lengths too; give --quality and --version")
        pool = self.pool_scorer
        scores = np.stack([pool.scores(one)[0] for one in inputs], axis=1)
        sides = pool.sides(inputs[0], measures) if measures else ({}, {})
        ranges = ranges_of(measures, *sides)
        quality = trial_measures(measures, *sides, scores[:, 0], ranges)
        return fit_calibration(scores, pool.evaluation.target, self.job.p_target, measures=quality), ranges

    @cached_property
    def pool_scorer(self) -> "Scorer":
        """The scorer of the development trials in all versions."""
        assert self.pool is not None, "asked for where there are versions"
        job = replace(self.job, role="evaluation")
        return Scorer(job, self.pool.evaluation, self.training, {}, measured=self.pool)


def llrs_of(
    job: ListJob,
    name: str,
    columns: np.ndarray,
    fit: Callable[[], Calibration],
    developed: SystemResult | None,
    **told: object,
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return (P,) LLRs of a calibrated or fused system of (P, K) scores and measures, and the facts, `calibration`.

    fit : returns the calibration on the development list
    developed : its result on that list, of which the calibration is taken elsewhere
    told : more fields of a FittedCalibration
    Raises SreError where it was not calibrated there.
    """
    if job.is_development:
        system = job.systems[name]
        calibration = fit().as_dict() | {"inputs": system["of"], "trials": job.folder.name, **told}
    else:
        result = developed or SystemResult("failed", "it is not there")
        if not result.done:
            raise SreError(f"it was not calibrated on the development list: {result.reason}")
        calibration = result.calibration or {}
    return Calibration.from_dict(calibration).apply(columns), {"calibration": calibration}
