"""Decisions: a threshold, where it is from, and how often it errs on the list that tells. Rates are shares.

A trial is accepted if score >= threshold. Legend: K thresholds of a list, with P_miss and P_fa at each.
"""

from dataclasses import dataclass
from math import exp, isfinite, log

import numpy as np

from sre import SreError
from sre.metrics.sorted_scores import bayes_threshold
from sre.voices.manifest import ListPart, Manifest

P_TARGET = 0.05  # where nobody says another


@dataclass(frozen=True)
class Point:
    """An operating point: the prior probability of the same speaker, and the costs of a miss and of a false alarm."""

    p_target: float = P_TARGET
    c_miss: float = 1.0
    c_fa: float = 1.0


@dataclass(frozen=True)
class Threshold:
    """A threshold, and how often it errs on a list; None where no list tells.

    why : where it is from, as "at the EER"
    list_name, p_miss, p_fa, targets, nontargets : the list, the shares of its trials that it errs on, and their numbers
    """

    value: float
    why: str
    list_name: str | None = None
    p_miss: float | None = None
    p_fa: float | None = None
    targets: int = 0
    nontargets: int = 0


@dataclass(frozen=True)
class Decision:
    """What was decided of two voices, and how sure that is.

    score : of the system; llr : the same where it is a log-likelihood ratio (natural logarithm), else None
    accepted : whether it is one speaker; None where there is no threshold
    posterior : the probability of one speaker at the prior; None without llr
    """

    score: float
    llr: float | None
    accepted: bool | None
    posterior: float | None
    threshold: Threshold | None


@dataclass(frozen=True)
class Measured:
    """The lists that a package's last system was measured on: (3, K) rising thresholds, P_miss and P_fa of each."""

    manifest: Manifest
    curves: list[np.ndarray]
    calibrated: bool

    def threshold(
        self, point: Point | None = None, far: float | None = None, at: float | None = None, name: str | None = None
    ) -> Threshold:
        """Return the threshold that is asked for.

        point : an operating point, for log-likelihood ratios
        far : the lowest threshold whose P_fa on the list is at most this
        at : this number. None of them: the point's defaults where scores are log-likelihood ratios, else the EER's
        name : of the list; None: the development list, else the first one
        Raises SreError where it cannot be told.
        """
        if sum(asked is not None for asked in (point, far, at)) > 1:
            raise SreError("a threshold, an operating point and a rate of false alarms were given; give one of them")
        if at is not None:
            return self._rates(at, "given", name)
        if far is not None:
            return self._at_far(far, name)
        if point is None and not self.calibrated:
            return self._at_eer(name)
        if not self.calibrated:
            raise SreError(
                "the model's scores are no log-likelihood ratios, so that a prior and costs give no threshold; pack a"
                " system with +cal, or give --threshold or --far"
            )
        point = point or Point()
        if not (0 < point.p_target < 1 and point.c_miss > 0 and point.c_fa > 0):
            raise SreError(f"{point}: a prior between 0 and 1 and costs above 0 are needed; write them so")
        value = bayes_threshold(point.p_target, point.c_miss, point.c_fa)
        return self._rates(value, f"P_target {point.p_target:g}, C_miss {point.c_miss:g}, C_fa {point.c_fa:g}", name)

    def _list(self, name: str | None) -> tuple[ListPart, np.ndarray] | None:
        """Return a list and its curve; None where there is none and none was named. Raises SreError for an odd name."""
        parts = self.manifest.lists
        wanted = name or self.manifest.threshold_list
        found = [(part, curve) for part, curve in zip(parts, self.curves, strict=True) if part.name == wanted]
        if name and not found:
            known = ", ".join(part.name for part in parts) or "none"
            raise SreError(f"list '{name}' is not in the package, which has {known}; give one of these")
        return found[0] if found else next(zip(parts, self.curves, strict=True), None)

    def _needed(self, name: str | None, what: str) -> tuple[ListPart, np.ndarray]:
        found = self._list(name)
        if found is None:
            raise SreError(
                f"{what} needs a trial list that the model was measured on, and it has none; give --threshold"
            )
        return found

    def _at_eer(self, name: str | None) -> Threshold:
        part, _ = self._needed(name, "a threshold at the EER")
        value = part.metrics.get("eer_threshold")
        if not isinstance(value, int | float):
            raise SreError(f"list '{part.name}' has no threshold at the EER; give --threshold")
        return self._rates(float(value), "at the EER", part.name)

    def _at_far(self, far: float, name: str | None) -> Threshold:
        part, curve = self._needed(name, "a rate of false alarms")
        if not 0 <= far < 1:
            raise SreError(f"a rate of false alarms of {far:g}; write 1 % as 0.01")
        if far * part.nontargets < 1:
            raise SreError(
                f"list '{part.name}' has {part.nontargets} nontarget trials, of which {far:g} is not even one; give a"
                " rate that is larger, or --threshold"
            )
        low = np.flatnonzero(curve[2] <= far)
        value = curve[0, low[0]] if len(low) else np.nextafter(curve[0, -1], np.inf)
        return self._rates(float(value), f"P_fa at most {far:g}", part.name)

    def _rates(self, value: float, why: str, name: str | None) -> Threshold:
        """Return a threshold with the rates of the least one that the list has and that is not below it."""
        found = self._list(name)
        if found is None:
            return Threshold(value, why)
        part, curve = found
        at = int(np.searchsorted(curve[0], value))
        p_miss, p_fa = (float(curve[1, at]), float(curve[2, at])) if at < curve.shape[1] else (1.0, 0.0)
        return Threshold(value, why, part.name, p_miss, p_fa, part.targets, part.nontargets)


def posterior(llr: float, p_target: float) -> float:
    """Return the probability of one speaker, of a log-likelihood ratio and the prior."""
    log_odds = llr + log(p_target) - log(1 - p_target)
    if log_odds >= 0:
        return 1 / (1 + exp(-log_odds)) if isfinite(log_odds) else 1.0
    return exp(log_odds) / (1 + exp(log_odds)) if log_odds > -700 else 0.0
