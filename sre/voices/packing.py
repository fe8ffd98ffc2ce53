"""A package made from a recipe's result: a run and a system of it, with all that its scores depend on.

Files are compared with the records of the jobs that read them, so that a package scores as the report says.
"""

import difflib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError
from sre.backends.cohort import CohortRule
from sre.backends.files import contents_of, load
from sre.backends.quality import COHORT_MEAN, NEAREST
from sre.config.extraction import from_options
from sre.experiments.records import RecordedJob, changed, find_job, job_of
from sre.features.types import EMBEDDINGS
from sre.io.atomic import sha256_file
from sre.io.embeddings import Embeddings
from sre.io.trials import align_scores
from sre.machine.environment import code_version
from sre.metrics.rates import det_points, operating_points
from sre.models.bundle import load_bundle
from sre.scoring.read_cohort import read_training
from sre.scoring.result import CONDITION, FittedCalibration, ListResult, SystemResult
from sre.training.summary import SUMMARY_FILE, TrainSummary
from sre.voices.facts import THRESHOLDS
from sre.voices.gathered import Gathered
from sre.voices.manifest import DataPart, ListPart, Manifest, NetworkPart, NormPart, SystemPart
from sre.voices.package import Package, network_part
from sre.voices.scoring import NO_NORM

OF_ALL: dict[str, Any] = {"method": NO_NORM, "cohort": "speakers", "cohort_size": 0, "cohort_seed": 1, "top_n": NEAREST}
MOST_POINTS = 2000  # of a list's curve
AGAIN = "run snakemake again, so that all of it is of one state"


@dataclass
class Packing:
    """A package that is being made from the results of one run, or of a fusion of several.

    folder : exp/NAME/RUN
    results : of its trial lists
    """

    folder: Path
    results: list[ListResult]
    with_head: bool = True
    sources: dict[str, str] = field(default_factory=dict)
    _training: dict[str, Embeddings] = field(default_factory=dict)

    @classmethod
    def read(
        cls, experiment: Path, run: str, with_head: bool = True, sources: dict[str, str] | None = None
    ) -> "Packing":
        """Read a run's results. Raises SreError, with the nearest run, where there are none.

        sources : where files are noted; None: in a table of its own
        """
        runs = sorted({path.parts[-4] for path in experiment.glob("*/scores/*/metrics.json")})
        if run not in runs:
            near = difflib.get_close_matches(run, runs, 1, 0.0)
            cure = f"the nearest run is '{near[0]}'" if near else "run snakemake first"
            raise SreError(f"{experiment}: no results of a run '{run}'; {cure}")
        results = [ListResult.read(path) for path in sorted((experiment / run).glob("scores/*/metrics.json"))]
        return cls(experiment / run, results, with_head, {} if sources is None else sources)

    def outcome(self, result: ListResult, system: str) -> SystemResult:
        """Return the result of a system on a list. Raises SreError, with the nearest, where it was not scored."""
        if system not in result.systems:
            near = difflib.get_close_matches(system, result.systems, 1, 0.0)[0]
            raise SreError(f"{result.path}: no system '{system}'; the nearest is '{near}'")
        if not (outcome := result.systems[system]).done:
            raise SreError(f"{result.path}: system '{system}' was not scored: {outcome.reason}")
        return outcome

    def job(self, result: ListResult) -> RecordedJob:
        """Return the job that scored a list. Raises SreError where there is no record of it."""
        job = job_of(result.path)
        if job is None or not job.record.systems:
            raise SreError(f"{result.path}: no record in log/ of the job that made it; delete it, and {AGAIN}")
        return job

    def checked(self, job: RecordedJob, name: str) -> Path:
        """Return where an input of a job is now, noted as a source. Raises SreError where it is not what was read."""
        path, recorded = job.at(name), job.record.inputs.get(name)
        if recorded is not None and (what := changed(path, recorded)):
            raise SreError(f"{path}: {what} since {job.path.name} was written; {AGAIN}")
        if not path.is_file():
            raise SreError(f"{path}: no such file; {AGAIN}")
        self._note(path)
        return path

    def _note(self, path: Path) -> None:
        below = os.path.relpath(path, self.folder.parent)
        self.sources[path.name if below.startswith("..") else below] = sha256_file(path)

    def gathered(self, result: ListResult, system: str) -> Gathered:
        """Return the networks of a system of a list, and it after the systems that it is made of."""
        found = Gathered()
        if not result.fused_runs:
            found.add_systems(self.systems(result, system), found.add_network(self.network(result)))
            return found
        inputs = (self.outcome(result, system).fitted_calibration or FittedCalibration()).inputs
        for name in self.job(result).record.inputs:
            if Path(name).name == result.path.name:  # of the runs, whose scores it was made of
                self.checked(self.job(result), name)
        runs: dict[str, tuple[Packing, ListResult, int]] = {}
        for run in result.fused_runs:
            one = Packing.read(self.folder.parent, run, self.with_head, self.sources)
            there = next(other for other in one.results if other.trials == result.trials)
            runs[there.model] = one, there, found.add_network(one.network(there))
        of = []
        for named in inputs:
            model, _, name = named.partition("/")
            one, there, network = runs[model]
            of.append(found.add_systems(one.systems(there, name), network, model))
        found.systems.append((self._combined(result, system, of), None, None))
        return found

    def systems(self, result: ListResult, name: str) -> list[tuple[SystemPart, Any, Any]]:
        """Return a system after those that it is made of: each with its back-end and cohort, or None."""
        job, found = self.job(result), list[tuple[SystemPart, Any, Any]]()
        places: dict[str, int] = {}
        told = job.record.systems.values()
        has_cohort_mean = {one for config in told if COHORT_MEAN in config.get("measures", ()) for one in config["of"]}

        def add(name: str) -> int:
            if name not in places:
                config = job.record.systems.get(name)
                if config is None:
                    raise SreError(f"{job.path}: system '{name}' is not in it; {AGAIN}")
                of = [add(one) for one in config.get("of") or ()]
                if of:
                    found.append((self._combined(result, name, of), None, None))
                else:
                    found.append(self._plain(job, name, config, name in has_cohort_mean))
                places[name] = len(found) - 1
            return places[name]

        self.outcome(result, name)
        add(name)
        return found

    def _combined(self, result: ListResult, name: str, of: list[int]) -> SystemPart:
        fitted = self.outcome(result, name).fitted_calibration
        if fitted is None or fitted.offset is None or len(fitted.weights) != len(fitted.columns) or not of:
            raise SreError(f"{result.path}: system '{name}' has no weights in it; score it again")
        quality = fitted.quality_measures or [], fitted.quality_ranges or []
        told = fitted.weights, fitted.offset, fitted.trials, dict(fitted.facts), *quality
        return SystemPart(name, None, {}, None, of, *told)

    def _plain(
        self, job: RecordedJob, name: str, config: Mapping[str, Any], has_cohort_mean: bool
    ) -> tuple[SystemPart, Any, Any]:
        files = [path for path in job.record.given("--backend") if Path(path).stem == config["backend"]]
        if not files:
            raise SreError(f"{job.path}: it has read no back-end '{config['backend']}'; {AGAIN}")
        backend = load(self.checked(job, files[0]))
        backend.facts.pop("log_likelihood", None)
        norm, cohort = config.get("norm") or (OF_ALL if has_cohort_mean else None), None
        part = SystemPart(name, 0, contents_of(backend)[0])
        if norm:
            rule = CohortRule.of_norm(norm)
            chosen = rule.choose(self._cohort(job))
            cohort = chosen.vectors
            part = replace(part, norm=NormPart(norm["method"], list(map(str, chosen.ids)), norm["top_n"], rule.name))
        return part, backend, cohort

    def _cohort(self, job: RecordedJob) -> Embeddings:
        """Return the training embeddings with their speakers, which are read once."""
        names = [*job.record.given("--cohort"), *job.record.given("--cohort-utt2spk")]
        key = " ".join(names)
        if key not in self._training:
            scp, utt2spk = (self.checked(job, name) for name in names)
            self._training[key] = read_training([scp], utt2spk)
        return self._training[key]

    def network(self, result: ListResult) -> tuple[NetworkPart, Any, list[DataPart]]:
        """Return the run's network with its bundle and training data. Raises SreError where there is none to pack."""
        embedded = self.job(result).at(result.embeddings[0]) if result.embeddings else self.folder
        shards = sorted(embedded.with_suffix("").glob("embeddings.*.scp"))
        job = find_job(shards[0]) if shards else None
        bundles = [name for name in job.record.inputs if name.endswith(".pt")] if job else []
        if job is None or not bundles:
            raise SreError(
                f"{self.folder}: no record of a network that made {embedded.name}; embeddings alone are not packed"
            )
        path = self.checked(job, bundles[0])
        bundle = load_bundle(path, with_head=self.with_head)
        if bundle.feature_config.get("type") == EMBEDDINGS:
            raise SreError(f"{path}: its network reads embeddings of another run, which is not packed; pack that run")
        part = network_part(result.model, bundle, sha256_file(path), from_options(job.record.command))
        return part, bundle, _training_data(path)

    def measured(self, result: ListResult, system: str) -> tuple[ListPart, np.ndarray]:
        """Return what is known of a system on a list, and its (3, K) thresholds, P_miss and P_fa."""
        outcome, job = self.outcome(result, system), self.job(result)
        trials = job.at(result.trials_file)
        for path, digest in ((result.scores(system), outcome.scores_sha256), (trials, result.trials_sha256)):
            if what := changed(path, {"sha256": digest}):
                raise SreError(f"{path}: {what} since {result.path} was written; {AGAIN}")
            self._note(path)
        scores, labelled = align_scores(result.scores(system), trials)
        curve = curve_of(scores.astype(np.float32).astype(np.float64), labelled.target, outcome.metrics)
        speakers = result.bootstrap.speakers if result.bootstrap else None
        condition = result.condition.text if result.condition else ""
        targets, nontargets = outcome.counts
        digest, metrics = result.trials_sha256, outcome.metrics
        part = ListPart(result.trials, result.role, targets, nontargets, metrics, speakers, digest, condition)
        return part, curve


def curve_of(scores: np.ndarray, target: np.ndarray, metrics: Mapping[str, Any]) -> np.ndarray:
    """Return (3, K) rising thresholds, P_miss and P_fa of (P,) scores: those that metrics name, and many others."""
    points = np.stack(operating_points(scores, target))
    if points.shape[1] > MOST_POINTS:
        named = [metrics[key] for key in THRESHOLDS if metrics.get(key) is not None]
        at = np.searchsorted(points[0], named)
        chosen = np.searchsorted(points[0], det_points(scores, target, MOST_POINTS)[0])
        points = points[:, np.unique([*chosen, *at])]
    return np.ascontiguousarray(points[:, np.isfinite(points[0])])


def _training_data(bundle: Path) -> list[DataPart]:
    """Return what the training of a final.pt tells; none where it was trained elsewhere."""
    job, summary = job_of(bundle), bundle.with_name(SUMMARY_FILE)
    names = [Path(name).name for name in job.record.given("--data")] if job else []
    told = TrainSummary.read(summary) if summary.is_file() else TrainSummary()
    return [DataPart(0, name, told.speakers, told.utterances, told.hours) for name in names[:1]]


def pack(
    experiment: Path,
    run: str,
    system: str,
    licence: str = "",
    lists: Sequence[str] = (),
    with_head: bool = True,
) -> Package:
    """Return the package of a system of a run.

    lists : whose thresholds and error rates go in, the first is where thresholds come from; none: those for development
        and evaluation, and thresholds of the first of these
    Raises SreError where a file is missing, or is not what was scored.
    """
    packing = Packing.read(experiment, run, with_head)
    known = {result.trials: result for result in packing.results}
    if odd := [name for name in lists if name not in known]:
        raise SreError(f"{packing.folder}: no trial list '{odd[0]}', only {', '.join(known)}; give one of these")
    wanted = [known[name] for name in lists] or [one for one in packing.results if one.role != CONDITION]
    wanted.sort(key=lambda one: not one.development and not lists)
    final = next((one for one in packing.results if not one.development), packing.results[0])
    gathered = packing.gathered(final, system)
    measured = [packing.measured(one, system) for one in wanted]
    manifest = Manifest(
        f"{experiment.resolve().name}/{run}/{system}",
        gathered.networks,
        [part for part, _, _ in gathered.systems],
        [part for part, _ in measured],
        measured[0][0].name if measured else "",
        gathered.data,
        licence,
        packing.sources,
        code=code_version(),
    )
    backends = {n: backend for n, (_, backend, _) in enumerate(gathered.systems) if backend is not None}
    cohorts = {n: vectors for n, (_, _, vectors) in enumerate(gathered.systems) if vectors is not None}
    return Package(manifest, gathered.bundles, backends, cohorts, [curve for _, curve in measured])
