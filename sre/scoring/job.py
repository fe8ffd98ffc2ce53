"""One score job: all systems of one run on one trial list, and the metrics.json that sums them up."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sre.config.stages import STAGE_VERSIONS
from sre.io.atomic import locked, sha256_text
from sre.io.text import canonical
from sre.io.trials import read_trials
from sre.machine.environment import code_version, environment
from sre.machine.log import say
from sre.metrics.speakers import bootstrap_of, check_speakers_known
from sre.scoring.evaluation import Evaluation
from sre.scoring.read_cohort import read_training
from sre.scoring.result import DEVELOPMENT, Draws, ListResult, codes_of
from sre.scoring.systems import Scorer, digests_of, read_development, score_systems


@dataclass(frozen=True)
class ScoreJob:
    """What a score job is asked for, by the names of the step's options.

    backend : files that are named <back-end>.npz
    systems : name -> resolved system
    cohort, cohort_utt2spk : training embeddings and their speakers, among whom cohorts are chosen
    development : metrics.json of the development list, with its calibrations; None: there is none
    p_target : the prior for which calibrations and fusions are trained
    replicates, replicates_seed : of the draws behind intervals; 0 replicates: no intervals
    metrics : the metrics.json to write, in the folder of the score files
    """

    run: str
    model: str
    seed: int
    role: str
    systems: dict[str, dict]
    backend: Sequence[Path]
    trials: Path
    enroll_map: Path | None
    embeddings: Sequence[Path]
    utt2spk: Path | None
    cohort: Path
    cohort_utt2spk: Path
    development: Path | None
    p_target: float
    replicates: int
    replicates_seed: int
    metrics: Path

    @property
    def config_sha256(self) -> str:
        """The SHA-256 of all that was asked but for files, and of the stage's version."""
        config = {name: getattr(self, name) for name in ("run", "model", "seed", "role", "p_target", "systems")}
        drawn = {"replicates": self.replicates, "seed": self.replicates_seed}
        return sha256_text(canonical(config | {"bootstrap": drawn, "version": STAGE_VERSIONS["score"]}))

    def score(self) -> None:
        """Score all systems into the folder of `metrics`, and write that.

        Raises SreError where the inputs do not fit together; a system that cannot be scored has the reason instead.
        """
        begun, folder = time.monotonic(), self.metrics.parent
        trials = read_trials(self.trials)
        evaluation = Evaluation.read(trials, self.enroll_map, self.embeddings, self.utt2spk)
        if self.utt2spk and evaluation.speakers:  # else trials were drawn in place of speakers
            check_speakers_known(trials, evaluation.speakers, self.utt2spk)
        training = read_training([self.cohort], self.cohort_utt2spk)
        digests = digests_of(evaluation, training, self.trials, self.enroll_map)
        calibrations = read_development(self.development) if self.development else {}
        drawn = self.replicates, self.replicates_seed
        bootstrap = bootstrap_of(trials, evaluation.speakers, *drawn) if self.replicates else None
        scorer = Scorer(
            evaluation,
            {path.stem: path for path in self.backend},
            training,
            self.systems,
            folder,
            is_development=self.role == DEVELOPMENT,
            calibrations=calibrations,
            p_target=self.p_target,
            bootstrap=bootstrap,
        )
        with locked(folder / ".score.lock"):
            systems = score_systems(scorer, digests)
            codes = codes_of(systems.values())
            ListResult(
                self.model,
                self.run,
                self.seed,
                trials=folder.name,
                trials_file=str(self.trials),
                trials_sha256=digests["trials"],
                systems=systems,
                role=self.role,
                enroll_map=str(self.enroll_map) if self.enroll_map else None,
                enroll_map_sha256=digests["enroll_map"],
                data=str(self.utt2spk.parent) if self.utt2spk else None,
                embeddings=[str(path) for path in self.embeddings],
                bootstrap=Draws(**bootstrap.facts()) if bootstrap else None,
                environment=environment() | {"code": ", ".join(sorted(codes)) or code_version()},
                config_sha256=self.config_sha256,
                wall_s=round(time.monotonic() - begun, 3),
            ).write(self.metrics)
        for name, result in systems.items():
            say(f"{name}: " + (f"EER {result.metrics['eer']:.3f} %" if result.done else result.reason))
        say(f"{len(systems)} systems on {len(trials.enrol)} trials")
