"""All systems of one model run and one trial list, in one process: shared embeddings, sides, cohorts and scores."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sre import FileError, SreError
from sre.backends.backend import Backend
from sre.backends.calibration import Calibration, fit_calibration
from sre.backends.cohort import Cohort, CohortRule
from sre.backends.files import load
from sre.backends.norm import normalise
from sre.backends.sides import Pairs, scores_of_pairs
from sre.config.stages import STAGE_VERSIONS
from sre.io.atomic import atomic_output, locked, sha256_arrays, sha256_file, sha256_text
from sre.io.embeddings import Embeddings
from sre.io.tables import write_table
from sre.io.text import canonical
from sre.io.trials import read_trials, write_scores
from sre.machine.environment import code_version, environment
from sre.machine.log import say, warn
from sre.metrics.bootstrap import Bootstrap, intervals
from sre.metrics.rates import summarise
from sre.metrics.speakers import bootstrap_of, check_speakers_known
from sre.scoring.evaluation import Evaluation
from sre.scoring.job import ScoreJob
from sre.scoring.read_cohort import read_training
from sre.scoring.replicates import replicates_of
from sre.scoring.result import Draws, ListResult, SystemResult, codes_of


@dataclass
class Scorer:
    """Computes all systems of a list. Embeddings, cohorts and raw scores are computed once and shared.

    training : the embeddings that cohorts are chosen from, with their speakers
    calibrations : system -> its result on the development list, of which the calibration is taken; not used there
    bootstrap : the draws behind the intervals; None: there are no intervals
    """

    job: ScoreJob
    evaluation: Evaluation
    training: Embeddings
    calibrations: Mapping[str, SystemResult]
    bootstrap: Bootstrap | None
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
        if self.job.is_development:
            calibration = fit_calibration(columns, self.evaluation.target, self.job.p_target).as_dict()
            calibration |= {"inputs": inputs, "trials": self.job.folder.name}
        else:
            result = self.calibrations.get(name, SystemResult("failed", "it is not there"))
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
    if job.utt2spk and evaluation.speakers:  # else trials were drawn in place of speakers
        check_speakers_known(trials, evaluation.speakers, job.utt2spk)
    training = read_training([job.cohort], job.cohort_utt2spk)
    digests = digests_of(job, evaluation, training)
    calibrations = read_development(job.development) if job.development else {}
    drawn = job.replicates, job.replicates_seed
    bootstrap = bootstrap_of(trials, evaluation.speakers, *drawn) if job.replicates else None
    scorer = Scorer(job, evaluation, training, calibrations, bootstrap)
    with locked(job.folder / ".score.lock"):
        systems = score_systems(scorer, digests)
        codes = codes_of(systems.values())
        ListResult(
            job.model,
            job.run,
            job.seed,
            trials=job.folder.name,
            trials_file=str(job.trials),
            trials_sha256=digests["trials"],
            systems=systems,
            role=job.role,
            condition=job.condition,
            enroll_map=str(job.enroll_map) if job.enroll_map else None,
            enroll_map_sha256=digests["enroll_map"],
            data=str(job.utt2spk.parent) if job.utt2spk else None,
            embeddings=[str(path) for path in job.embeddings],
            bootstrap=Draws(**bootstrap.facts()) if bootstrap else None,
            environment=environment() | {"code": ", ".join(sorted(codes)) or code_version()},
            config_sha256=job.config_sha256,
            wall_s=round(time.monotonic() - begun, 3),
        ).write(job.metrics)
    for name, result in systems.items():
        say(f"{name}: " + (f"EER {result.metrics['eer']:.3f} %" if result.done else result.reason))
    say(f"{len(systems)} systems on {len(trials.enrol)} trials")


def score_systems(scorer: Scorer, digests: Mapping[str, str]) -> dict[str, SystemResult]:
    """Score each system into folder/<system>.scores; a system whose inputs and config are unchanged is kept.

    digests : name -> SHA-256 of what all systems share (embeddings, trials, enrolment map, speakers), see `digests_of`
    """
    hashes = {name: sha256_file(path) for name, path in scorer.job.backends.items()}
    results = {}
    for name in _by_backend(scorer.job.systems):
        path, record = scorer.job.folder / f"{name}.scores", scorer.job.folder / f"{name}.metrics.json"
        draws = scorer.bootstrap.facts() if scorer.bootstrap else None
        key = sha256_text(
            canonical([_identity_of(scorer, name, hashes), STAGE_VERSIONS["score"], draws, dict(digests)])
        )
        result = _kept(path, record, key)
        if result is None:
            try:
                result = _score_one(scorer, name, path)
            except FileError:
                raise
            except SreError as error:
                path.unlink(missing_ok=True)
                result = SystemResult("failed", str(error))
            result = replace(result, inputs_sha256=key)
            result.write(record)
        else:
            say(f"{name}: unchanged, kept")
        results[name] = result
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


def _kept(path: Path, record: Path, key: str) -> SystemResult | None:
    if not record.is_file():
        return None
    try:
        result = SystemResult.read(record)
    except SreError as error:
        warn(str(error))
        return None
    if result.inputs_sha256 != key:
        return None
    digests = {path: result.scores_sha256} if result.done else {}
    digests |= {replicates_of(path): result.replicates_sha256} if result.intervals else {}
    same = all(file.is_file() and sha256_file(file) == digest for file, digest in digests.items())
    return result if same else None


def _score_one(scorer: Scorer, name: str, path: Path) -> SystemResult:
    scores, facts = scorer.scores(name)
    calibrated = bool(scorer.job.systems[name]["of"])
    target = scorer.evaluation.target
    metrics = summarise(scores, target, calibrated=calibrated)
    if scorer.bootstrap:
        draws = scorer.bootstrap.replicates(scores, target)
        metrics["intervals"] = intervals(metrics, draws, scorer.bootstrap.speakers)
        with atomic_output(replicates_of(path), "wb") as file:
            np.save(file, np.stack(list(draws.values()), axis=1))
    write_scores(path, scorer.evaluation.trials, scores)
    return SystemResult(
        "ok",
        scores=path.name,
        scores_sha256=sha256_file(path),
        replicates_sha256=sha256_file(replicates_of(path)) if scorer.bootstrap else "",
        metrics=metrics,
        calibration=facts.pop("calibration", None),
        backend=facts,
        code=code_version(),  # a system that is kept was made by an older one than the others
    )
