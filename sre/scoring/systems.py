"""A score job: all systems of one model run on one trial list, in one process; what is unchanged is kept."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from sre import SreError
from sre.backends.calibration import Calibration
from sre.backends.quality import column_names
from sre.config.stages import STAGE_VERSIONS
from sre.io.atomic import locked, sha256_arrays, sha256_file, sha256_text
from sre.io.embeddings import Embeddings
from sre.io.text import canonical
from sre.io.trials import read_trials
from sre.scoring.evaluation import Evaluation
from sre.scoring.job import ScoreJob
from sre.scoring.judge import Judge
from sre.scoring.quality import Measured, Version, pooled
from sre.scoring.read_cohort import read_training
from sre.scoring.result import ListResult, SystemResult
from sre.scoring.scorer import Scorer


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
    measured = Measured.read(evaluation, job.quality) if job.quality else None
    pool = pooled(measured, [Version(*version) for version in job.version]) if measured and job.version else None
    scorer = Scorer(job, evaluation, training, calibrations, measured, pool)
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
    identity = [system["of"], trained, *(_identity_of(scorer, one, hashes) for one in system["of"])]
    if (measures := system.get("measures")) is None:
        return identity
    return [
        *identity,
        column_names(measures),
        "in their ranges",
        *(part.digest for part in (scorer.measured, scorer.pool) if part),
    ]
