"""What is written of a list's systems once they have scores: files, rates, intervals; what is unchanged is kept."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sre import FileError, SreError
from sre.io.atomic import atomic_output, sha256_file
from sre.io.trials import LabelledTrials, write_scores
from sre.machine.environment import code_version, environment
from sre.machine.log import say, warn
from sre.metrics.bootstrap import Bootstrap, intervals
from sre.metrics.rates import summarise
from sre.metrics.speakers import bootstrap_of, check_speakers_known
from sre.scoring.job import ListJob
from sre.scoring.replicates import replicates_of
from sre.scoring.result import Draws, ListResult, SystemResult, codes_of

Scored = tuple[np.ndarray, dict[str, Any]]  # (P,) values of float32, and facts


@dataclass
class Judge:
    """Writes <system>.scores, <system>.metrics.json and the draws of each system of a list, and keeps what stands.

    bootstrap : the draws behind the intervals; None: there are no intervals
    """

    job: ListJob
    trials: LabelledTrials
    bootstrap: Bootstrap | None

    @classmethod
    def of(cls, job: ListJob, trials: LabelledTrials, speakers: tuple[np.ndarray, np.ndarray] | None) -> "Judge":
        """Return the judge of a list; speakers : of its models (E,) and tests (T,).

        Raises SreError where a speaker is not known: trials would be drawn in the place of speakers.
        """
        if job.utt2spk and speakers:
            check_speakers_known(trials, speakers, job.utt2spk)
        drawn = job.replicates, job.replicates_seed
        return cls(job, trials, bootstrap_of(trials, speakers, *drawn) if job.replicates else None)

    @property
    def draws(self) -> dict[str, Any] | None:
        """What the draws are made of, of which the identity of each system has a part."""
        return self.bootstrap.facts() if self.bootstrap else None

    def system(self, name: str, key: str, scored: Callable[[], Scored]) -> SystemResult:
        """Return the result of a system, made of `scored()` where none stands whose inputs have the digest `key`.

        A system that raises SreError has the reason as its result; a FileError is raised.
        """
        path, record = self.job.folder / f"{name}.scores", self.job.folder / f"{name}.metrics.json"
        if kept := self._kept(name, key):
            say(f"{name}: unchanged, kept")
            return kept
        try:
            result = self._made(name, *scored())
        except FileError:
            raise
        except SreError as error:
            path.unlink(missing_ok=True)
            result = SystemResult("failed", str(error))
        result = replace(result, inputs_sha256=key)
        result.write(record)
        return result

    def _kept(self, name: str, key: str) -> SystemResult | None:
        path, record = self.job.folder / f"{name}.scores", self.job.folder / f"{name}.metrics.json"
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

    def _made(self, name: str, scores: np.ndarray, facts: dict[str, Any]) -> SystemResult:
        path, target = self.job.folder / f"{name}.scores", self.trials.target
        metrics = summarise(scores, target, calibrated=bool(self.job.systems[name]["of"]))
        if self.bootstrap:
            draws = self.bootstrap.replicates(scores, target)
            metrics["intervals"] = intervals(metrics, draws, self.bootstrap.speakers)
            with atomic_output(replicates_of(path), "wb") as file:
                np.save(file, np.stack(list(draws.values()), axis=1))
        write_scores(path, self.trials, scores)
        return SystemResult(
            "ok",
            scores=path.name,
            scores_sha256=sha256_file(path),
            replicates_sha256=sha256_file(replicates_of(path)) if self.bootstrap else "",
            metrics=metrics,
            calibration=facts.get("calibration"),
            backend={name: fact for name, fact in facts.items() if name != "calibration"},
            code=code_version(),  # a system that is kept was made by an older one than the others
        )

    def result(
        self, systems: Mapping[str, SystemResult], begun: float, digests: Mapping[str, str], **more: Any
    ) -> ListResult:
        """Return the result of the list, by a job that began at `begun` of the monotonic clock.

        digests : SHA-256 of `trials` and `enroll_map`, "" without a map
        more : fields of ListResult that are of one kind of job
        """
        job, codes = self.job, codes_of(systems.values())
        return ListResult(
            job.model,
            job.run,
            job.seed,
            trials=job.folder.name,
            trials_file=str(job.trials),
            trials_sha256=digests["trials"],
            systems=dict(systems),
            role=job.role,
            condition=job.condition,
            enroll_map=str(job.enroll_map) if job.enroll_map else None,
            enroll_map_sha256=digests["enroll_map"],
            data=str(job.utt2spk.parent) if job.utt2spk else None,
            bootstrap=Draws(**self.bootstrap.facts()) if self.bootstrap else None,
            environment=environment() | {"code": ", ".join(sorted(codes)) or code_version()},
            config_sha256=job.config_sha256,
            wall_s=round(time.monotonic() - begun, 3),
            **more,
        )

    def say(self, systems: Mapping[str, SystemResult]) -> None:
        """Say the EER of each system, or why it failed."""
        for name, result in systems.items():
            say(f"{name}: " + (f"EER {result.metrics['eer']:.3f} %" if result.done else result.reason))
        say(f"{len(systems)} systems on {len(self.trials)} trials")
