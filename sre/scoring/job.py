"""What one score job is asked for: all systems of one run on one trial list."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sre.config.conditions import Condition
from sre.config.stages import STAGE_VERSIONS
from sre.io.atomic import sha256_text
from sre.io.text import canonical
from sre.scoring.result import DEVELOPMENT


@dataclass(frozen=True, kw_only=True)
class ListJob:
    """What scores one trial list for a run, or for a fusion of runs, by the names of the step's options.

    systems : name -> resolved system
    development : metrics.json of the development list, with its calibrations; None: there is none
    p_target : the prior for which calibrations and fusions are trained
    replicates, replicates_seed : of the draws behind intervals; 0 replicates: no intervals
    metrics : the metrics.json to write, in the folder of the score files
    condition : what was done to the utterances of a list whose role is condition
    """

    run: str
    model: str
    seed: int
    role: str
    systems: dict[str, dict]
    trials: Path
    enroll_map: Path | None
    utt2spk: Path | None
    development: Path | None
    p_target: float
    replicates: int
    replicates_seed: int
    metrics: Path
    condition: Condition | None = None

    @property
    def folder(self) -> Path:
        """The folder of all that is written."""
        return self.metrics.parent

    @property
    def is_development(self) -> bool:
        """Whether calibrations and fusions are trained on the list."""
        return self.role == DEVELOPMENT

    @property
    def config_sha256(self) -> str:
        """The SHA-256 of all that was asked but for files, and of the stage's version."""
        config = {name: getattr(self, name) for name in ("run", "model", "seed", "role", "p_target", "systems")}
        drawn = {"replicates": self.replicates, "seed": self.replicates_seed}
        return sha256_text(canonical(config | {"bootstrap": drawn, "version": STAGE_VERSIONS["score"]}))


@dataclass(frozen=True, kw_only=True)
class ScoreJob(ListJob):
    """A job that scores all systems of one run.

    backend : files that are named <back-end>.npz
    cohort, cohort_utt2spk : training embeddings and their speakers, among whom cohorts are chosen
    quality : utt2quality of the list's utterances, for systems with quality measures; None: they have none
    version : on the development list, what its utterances are under other conditions: embeddings, and utt2quality
    """

    backend: Sequence[Path]
    embeddings: Sequence[Path]
    cohort: Path
    cohort_utt2spk: Path
    quality: Path | None = None
    version: Sequence[Sequence[Path]] = ()

    @property
    def backends(self) -> dict[str, Path]:
        """The files by the names of their back-ends."""
        return {path.stem: path for path in self.backend}


@dataclass(frozen=True, kw_only=True)
class FusionJob(ListJob):
    """A job that fuses systems of several runs, all scored on the list.

    input : MODEL/SYSTEM -> metrics.json of the run whose system it is; the one system of the job is "of" these
    """

    input: dict[str, Path]

    @property
    def system(self) -> str:
        """The name of the fusion."""
        (name,) = self.systems
        return name
