"""Systems of several runs fused on one trial list, of their score files, as one run of its own."""

import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from sre import FileError, SreError
from sre.backends.calibration import fit_calibration
from sre.config.stages import STAGE_VERSIONS
from sre.io.atomic import locked, sha256_file, sha256_text
from sre.io.tables import read_utt2spk
from sre.io.text import canonical
from sre.io.trials import align_scores, read_enroll_map, read_trials, speakers_of_sides
from sre.scoring.job import FusionJob
from sre.scoring.judge import Judge, Scored
from sre.scoring.result import SCORE_AGAIN, ListResult, SystemResult
from sre.scoring.scorer import llrs_of
from sre.scoring.systems import read_development


def fuse_list(job: FusionJob) -> None:
    """Fuse the systems that the job names into the folder of `metrics`, and write that.

    The scores are those of the runs' files, so a run whose scores stand is not scored again. A fusion of a system that
    failed has the reason instead. Raises SreError where the runs were scored on another list.
    """
    begun = time.monotonic()
    trials = read_trials(job.trials)
    speakers = None
    if job.utt2spk:
        models = read_enroll_map(job.enroll_map, trials)
        speakers = speakers_of_sides(trials, models, read_utt2spk(job.utt2spk))
    judge = Judge.of(job, trials, speakers)
    digests = {
        "trials": sha256_file(job.trials),
        "enroll_map": sha256_file(job.enroll_map) if job.enroll_map else "",
        "speakers": sha256_text(" ".join(np.concatenate(speakers or [[]]))),
    }
    read = {path: _of_the_list(ListResult.read(path), digests) for path in dict.fromkeys(job.input.values())}
    inputs = {named: read[path] for named, path in job.input.items()}
    developed = read_development(job.development).get(job.system) if job.development else None
    trained = job.p_target if job.is_development else developed and developed.calibration
    scored = {named: _outcome(named, result) for named, result in inputs.items()}
    made_of = [[named, outcome.scores_sha256 or outcome.reason] for named, outcome in scored.items()]
    key = sha256_text(canonical([made_of, trained, STAGE_VERSIONS["score"], judge.draws, digests]))
    with locked(job.folder / ".score.lock"):
        fused = partial(_fused, job, inputs, scored, trials.target, developed)
        systems = {job.system: judge.system(job.system, key, fused)}
        runs = list(dict.fromkeys(result.run for result in inputs.values()))
        judge.result(systems, begun, digests, fused_runs=runs).write(job.metrics)
    judge.say(systems)


def _of_the_list(result: ListResult, digests: Mapping[str, str]) -> ListResult:
    if (result.trials_sha256, result.enroll_map_sha256) != (digests["trials"], digests["enroll_map"]):
        raise SreError(f"{result.path}: scored on another list or enrolment map than what is fused; {SCORE_AGAIN}")
    return result


def _outcome(named: str, result: ListResult) -> SystemResult:
    """Return the result of MODEL/SYSTEM; one that failed says whose reason it is."""
    system = named.partition("/")[2]
    if system not in result.systems:
        known = ", ".join(result.systems)
        raise SreError(f"{result.path}: no system {system} in it, which is fused; there are {known}")
    outcome = result.systems[system]
    return outcome if outcome.done else SystemResult("failed", f"{named} failed: {outcome.reason}")


def _fused(
    job: FusionJob,
    inputs: Mapping[str, ListResult],
    scored: Mapping[str, SystemResult],
    target: np.ndarray,
    developed: SystemResult | None,
) -> Scored:
    """Return the (P,) LLRs of the fusion, as they are written, and its facts."""
    for outcome in scored.values():
        if not outcome.done:
            raise SreError(outcome.reason)
    files = [inputs[named].folder / outcome.scores for named, outcome in scored.items()]
    columns = [_scores(path, outcome, job.trials) for path, outcome in zip(files, scored.values(), strict=True)]
    scores = np.stack(columns, axis=1)
    llrs, facts = llrs_of(job, job.system, scores, partial(fit_calibration, scores, target, job.p_target), developed)
    return llrs.astype(np.float32).astype(np.float64), facts


def _scores(path: Path, outcome: SystemResult, trials: Path) -> np.ndarray:
    """Return the (P,) scores of a file as they were computed: it has the fewest digits of a float32."""
    if not path.is_file() or sha256_file(path) != outcome.scores_sha256:
        raise FileError(f"{path}: missing, or not what the metrics.json beside it is of; {SCORE_AGAIN}")
    return align_scores(path, trials)[0].astype(np.float32).astype(np.float64)
