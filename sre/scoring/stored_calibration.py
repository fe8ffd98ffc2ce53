"""Calibrations and fusions of anybody's score files, and the JSON that keeps one: its one writer and reader."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError
from sre.backends.calibration import Calibration, fit_calibration
from sre.io.atomic import sha256_file, write_json
from sre.io.forms import NUMBER, built, form_of
from sre.io.text import read_versioned
from sre.io.trials import Trials, align_scores, read_scores, scores_of
from sre.metrics.rates import act_dcf, cllr

VERSION = 1
FIT_AGAIN = "fit it again (steps.calibrate, steps.fuse)"


@dataclass(frozen=True)
class StoredCalibration:
    """LLR = scores @ weights + offset, and what it was fitted on.

    scores : names of the score files, one a weight
    trials : name of the labelled list
    scores_sha256, trials_sha256 : of these files
    facts : of the fit, see sre.backends.calibration.fit_calibration
    """

    weights: list[float]
    offset: float
    scores: list[str]
    trials: str
    scores_sha256: list[str] = field(default_factory=list)
    trials_sha256: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    def llrs(self, columns: np.ndarray) -> np.ndarray:
        """Return (P,) LLRs of (P, K) scores. Raises SreError where there are not K of them."""
        return Calibration(np.array(self.weights), self.offset).apply(columns)

    def write(self, path: Path) -> None:
        """Write it whole."""
        write_json(path, asdict(self) | {"version": VERSION})

    @classmethod
    def read(cls, path: Path) -> "StoredCalibration":
        """Read it. Raises SreError naming the file where it is damaged, of another form or of a newer version."""
        content = read_versioned(path, FORM, VERSION, FIT_AGAIN)
        try:
            Calibration.from_dict(content)
        except SreError as error:
            raise SreError(f"{path}: {error}") from None
        if len(content["weights"]) != len(content["scores"]):
            raise SreError(f"{path}: not one weight for each score file that it names; {FIT_AGAIN}")
        return built(cls, content)


FORM = form_of(StoredCalibration) | {"weights": [NUMBER], "offset": NUMBER, "scores": [str], "trials": str}


def fit_files(scores: Sequence[Path], trials: Path, p_target: float) -> tuple[StoredCalibration, dict[str, float]]:
    """Fit a calibration of one score file, or a fusion of several, on a labelled list; trials may be in any order.

    Returns it with actDCF(p_target), costs of 1, and Cllr in bits of its LLRs on that list, and, of one file, of the
    scores as they are (`…_before`). Raises SreError where the trials are not those of the list, naming one that lacks.
    """
    aligned = [align_scores(path, trials) for path in scores]
    columns, target = np.stack([values for values, _ in aligned], axis=1), aligned[0][1].target
    try:
        fitted = fit_calibration(columns, target, p_target)
    except SreError as error:
        raise SreError(f"{', '.join(map(str, scores))}: {error}") from None
    numbers = {}
    for name, values in {"_before": columns[:, 0], "": fitted.apply(columns)}.items():
        if not name or len(scores) == 1:
            numbers[f"act_dcf{name}"] = act_dcf(values, target, p_target)
            numbers[f"cllr{name}"] = cllr(values, target)
    digests = [sha256_file(path) for path in scores]
    names = [path.name for path in scores]
    told = fitted.weights.tolist(), fitted.offset, names, trials.name, digests, sha256_file(trials), fitted.facts
    return StoredCalibration(*told), numbers


def apply_to_files(calibration: StoredCalibration, scores: Sequence[Path]) -> tuple[Trials, np.ndarray]:
    """Return the trials of the first score file, in its order, and their (P,) LLRs.

    Raises SreError where there is not one file a weight, or another file has other trials.
    """
    if len(scores) != len(calibration.weights):
        raise SreError(
            f"{len(scores)} score files were given, and the calibration is of {len(calibration.weights)}:"
            f" {', '.join(calibration.scores)}; give one for each, in this order"
        )
    trials, first = read_scores(scores[0])
    others = [scores_of(path, trials, scores[0]) for path in scores[1:]]
    return trials, calibration.llrs(np.stack([first, *others], axis=1))
