"""metrics.json, the results of all systems of one run on one trial list: its one writer and reader.

Beside it stand, for each system that was scored, <system>.scores, <system>.metrics.json (its SystemResult, by which an
unchanged system is kept) and <system>.replicates.npy.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from sre.backends.quality import column_names
from sre.config.conditions import Condition
from sre.io.atomic import write_json
from sre.io.forms import NONE, NUMBER, Form, built, form_of
from sre.io.text import read_object, read_versioned
from sre.scoring.replicates import replicates_of

VERSION = 1  # of metrics.json; the form before it had none
SCORE_AGAIN = "delete it, and the stage score makes it again"
DEVELOPMENT = "development"  # the role of a list on which systems are chosen, calibrated and fused
CONDITION = "condition"  # the role of a list of another's trials, of noisy, reverberant or short speech


@dataclass(frozen=True)
class Draws:
    """How a list's bootstrap drew; two systems can be compared where their draws are equal.

    columns : of replicates.npy, names of rates
    speakers : of the list; None where trials were drawn, for nobody knows the speakers
    """

    replicates: int
    seed: int
    columns: list[str]
    speakers: int | None = None
    level: float = 0.95
    by: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return what is written: `speakers` only where speakers were drawn."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True)
class FittedCalibration:
    """The calibration of a system, or its fusion from several: LLR = scores @ weights + offset.

    inputs : the systems whose scores it takes, one a weight
    quality_measures : the weights of their columns follow; None: it was fitted on the trials as they are. With a list,
        also an empty one, it was fitted on them in all their versions
    quality_ranges : of each measure, the least and the most that it was fitted on, beyond which its ends count
    trials : name of the list that it was fitted on
    facts : of the fit, see sre.backends.calibration.fit_calibration
    """

    weights: list[float] = field(default_factory=list)
    offset: float | None = None
    inputs: list[str] = field(default_factory=list)
    trials: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    quality_measures: list[str] | None = None
    quality_ranges: list[list[float]] | None = None

    @property
    def columns(self) -> list[str]:
        """What each weight is of: systems, then the columns of quality measures."""
        return [*self.inputs, *column_names(self.quality_measures or [])]

    @property
    def p_target(self) -> float | None:
        """The prior at which the LLRs were to be best."""
        return self.facts.get("p_target")


@dataclass(frozen=True)
class SystemResult:
    """One system on one list: scored ("ok"), or failed for a reason.

    scores : name of the score file, which stands beside metrics.json
    metrics : of sre.metrics.rates.summarise, and the intervals of its rates; {} where it failed
    calibration : weights, offset, facts, inputs and trials of a calibrated or fused system
    backend : facts of the back-end and of the score normalisation
    code : version that scored it, which may be older than the job's: an unchanged system is kept
    inputs_sha256 : of all that decides its scores
    """

    status: str
    reason: str = "failed without a reason"
    scores: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] | None = None
    backend: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    scores_sha256: str = ""
    replicates_sha256: str = ""
    inputs_sha256: str = ""

    @property
    def done(self) -> bool:
        """Whether it was scored."""
        return self.status == "ok"

    @property
    def counts(self) -> tuple[int, int]:
        """The target and nontarget trials that were scored."""
        return self.metrics["targets"], self.metrics["nontargets"]

    @property
    def fitted_calibration(self) -> FittedCalibration | None:
        """The calibration; None of a system that is not calibrated."""
        return built(FittedCalibration, self.calibration)

    @property
    def intervals(self) -> dict[str, list[float] | None]:
        """The 95 % interval of each rate that has draws; None where the draws give none."""
        return self.metrics.get("intervals") or {}

    def as_dict(self) -> dict[str, Any]:
        """Return what is written: without the fields that a system of its status has not."""
        if not self.done:
            return {name: getattr(self, name) for name in ("status", "reason", "inputs_sha256")}
        content = asdict(self)
        absent = ["reason"] + ["replicates_sha256"] * (not self.replicates_sha256)
        return {name: value for name, value in content.items() if name not in absent}

    def write(self, path: Path) -> None:
        """Write <system>.metrics.json whole."""
        write_json(path, self.as_dict())

    @classmethod
    def read(cls, path: Path) -> "SystemResult":
        """Read <system>.metrics.json. Raises SreError naming the file and what is not of the form."""
        return built(cls, read_object(path, (FAILED, DONE), "it is scored again"))


def numbers_of(metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the numbers of `metrics`; the two ends of an interval of `eer` as report.tsv has it: eer_low, eer_high."""
    ends = {
        f"{key}_{end}": bound
        for key, pair in (metrics.get("intervals") or {}).items()
        for end, bound in zip(("low", "high"), pair or (None, None), strict=True)
    }
    return {key: value for key, value in metrics.items() if key != "intervals"} | ends


@dataclass(frozen=True)
class ListResult:
    """The results of all systems of one run on one trial list, and what they were scored of.

    trials_file, enroll_map, data, embeddings : paths as the score job was given them
    environment : code, python, packages and device of sre.machine.environment
    condition : what was done to the utterances; None, and not in the file, of a list of any other role
    fused_runs : the runs whose systems its one system is fused from; [], and not in the file, of a run
    path : where it was read; no part of the file
    """

    model: str
    run: str
    seed: int
    trials: str
    trials_file: str
    trials_sha256: str
    systems: dict[str, SystemResult]
    role: str = "evaluation"
    condition: Condition | None = None
    missing_trials: int = 0  # never set, as a trial without a score is an error; a key for those who read the file
    enroll_map: str | None = None
    enroll_map_sha256: str = ""
    data: str | None = None
    embeddings: list[str] = field(default_factory=list)
    fused_runs: list[str] = field(default_factory=list)
    bootstrap: Draws | None = None
    environment: dict[str, Any] = field(default_factory=dict)
    config_sha256: str = ""
    wall_s: float | None = None
    path: Path = Path()

    @property
    def folder(self) -> Path:
        """The folder of the metrics file and of the score files."""
        return self.path.parent

    @property
    def development(self) -> bool:
        """Whether systems are chosen, calibrated and fused on the list."""
        return self.role == DEVELOPMENT

    @property
    def identity(self) -> str:
        """The list's digest, of its trials and of what its models are, and the condition that it was made under."""
        condition = self.condition and replace(self.condition, of="")  # a list may have another name elsewhere
        return self.trials_sha256 + self.enroll_map_sha256 + (condition.text if condition else "")

    def scores(self, system: str) -> Path:
        """Return the score file of a system."""
        return self.folder / self.systems[system].scores

    def replicates(self, system: str) -> Path:
        """Return the file of the bootstrap's draws of a system."""
        return replicates_of(self.scores(system))

    def write(self, path: Path) -> None:
        """Write metrics.json whole."""
        content = asdict(self)
        for name in ("path", *(name for name in ("condition", "fused_runs") if not content[name])):
            del content[name]
        drawn = self.bootstrap and self.bootstrap.as_dict()
        systems = {name: result.as_dict() for name, result in self.systems.items()}
        write_json(path, content | {"bootstrap": drawn, "systems": systems, "version": VERSION})

    @classmethod
    def read(cls, path: str | Path) -> "ListResult":
        """Read a metrics.json, also of the form without a version.

        Raises SreError naming the file where it is missing, damaged, of another form or of a newer version.
        """
        return built(cls, read_versioned(path, RESULT, VERSION, SCORE_AGAIN) | {"path": Path(path)})


METRICS: Form = {"eer": NUMBER, "targets": int, "nontargets": int, "*": (NONE, NUMBER)}
METRICS |= {"c_miss?": NUMBER, "c_fa?": NUMBER, "eer_threshold?": NUMBER, "calibrated?": bool}
METRICS |= {"intervals?": (NONE, {"*": (NONE, [(NONE, NUMBER), (NONE, NUMBER)])})}
CALIBRATION = form_of(FittedCalibration) | {"weights": [NUMBER], "offset": NUMBER, "facts?": {"*": (bool, NUMBER, str)}}
FAILED = form_of(SystemResult) | {"status": "failed"}
DONE = form_of(SystemResult) | {"status": "ok", "scores": str, "metrics": METRICS}
DONE |= {"calibration?": (NONE, CALIBRATION)}
ENVIRONMENT = {"code": str, "python": str, "packages": {"*": str}, "device": str}
RESULT = form_of(ListResult) | {"systems": {"*": (FAILED, DONE)}, "environment?": (NONE, ENVIRONMENT)}


def codes_of(results: Iterable[SystemResult]) -> set[str]:
    """Return the versions of the code that scored the systems."""
    return {result.code for result in results if result.code}
