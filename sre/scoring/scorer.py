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
from sre.backends.quality import COHORT_MEAN, NEAREST, trial_measures
from sre.backends.sides import Pairs, scores_of_pairs
from sre.io.embeddings import Embeddings
from sre.io.tables import write_table
from sre.scoring.evaluation import Evaluation
from sre.scoring.job import ListJob, ScoreJob
from sre.scoring.quality import Measured
from sre.scoring.result import SystemResult


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
            rule = CohortRule(norm["cohort"], norm["cohort_size"], norm["cohort_seed"])
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

    def measures(self, system: Mapping, measures: list[str], scores: np.ndarray) -> np.ndarray:
        """Return (P, Q), the quality measures of the trials for a system without calibration, of (P,) scores.

        cohort_mean is that of the cohort that its norm has; of a system without norm, of all training speakers. Raises
        SreError where an utterance was not measured.
        """
        if self.measured is None:
            raise SreError("its quality measures are not known; give --quality, a utt2quality of steps.measure_quality")
        sides = self.measured.sides(measures)
        if COHORT_MEAN in measures:
            norm = system["norm"] or {"cohort": "speakers", "cohort_size": 0, "cohort_seed": 1, "top_n": NEAREST}
            rule = CohortRule(norm["cohort"], norm["cohort_size"], norm["cohort_seed"])
            backend, pairs = self._backend(system["backend"])
            cohort = self._cohort(system["backend"], backend, rule)
            means = cohort_means(pairs, cohort, norm["top_n"], self.evaluation.speakers)
            for side, mean in zip(sides, means, strict=True):
                side[COHORT_MEAN] = mean
        return trial_measures(measures, *sides, scores)

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
        columns = self.columns(system["of"], system.get("measures"))
        return llrs_of(self.job, name, columns, partial(self._fitted, system), self.calibrations.get(name))

    def columns(self, inputs: list[str], measures: list[str] | None) -> np.ndarray:
        """Return (P, K + Q): the scores of K systems, and the quality measures of the first."""
        scores = np.stack([self.scores(one)[0] for one in inputs], axis=1)
        if not measures:
            return scores
        return np.concatenate([scores, self.measures(self.job.systems[inputs[0]], measures, scores[:, 0])], axis=1)

    def _fitted(self, system: Mapping) -> Calibration:
        """Return the calibration that is fitted on the list; with quality measures on all versions of its trials."""
        inputs, measures, scorer = system["of"], system.get("measures"), self
        if measures is not None:
            if self.pool is None:
                raise SreError("it is fitted on the development list in other lengths too; give --version, or quality:")
            scorer = self.pool_scorer
        columns, target = scorer.columns(inputs, measures), scorer.evaluation.target
        own, more = columns[:, : len(inputs)], columns[:, len(inputs) :]
        return fit_calibration(own, target, self.job.p_target, measures=more)

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
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return (P,) LLRs of a calibrated or fused system of (P, K) scores and measures, and the facts, `calibration`.

    fit : returns the calibration on the development list
    developed : its result on that list, of which the calibration is taken elsewhere
    Raises SreError where it was not calibrated there.
    """
    if job.is_development:
        system = job.systems[name]
        calibration = fit().as_dict() | {"inputs": system["of"], "trials": job.folder.name}
        calibration |= {"quality_measures": system["measures"]} if "measures" in system else {}
    else:
        result = developed or SystemResult("failed", "it is not there")
        if not result.done:
            raise SreError(f"it was not calibrated on the development list: {result.reason}")
        calibration = result.calibration or {}
    return Calibration.from_dict(calibration).apply(columns), {"calibration": calibration}
