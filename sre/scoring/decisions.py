"""Decisions on trials, also of lists without labels: from which score on a trial is accepted, and the table of it.

A trial is accepted iff score >= threshold, as in all error rates (sre/metrics/rates.py). Scores are compared as the
float32 that a score file holds. Legend: P trials.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf, isfinite, sqrt
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import csv

from sre import SreError
from sre.io.atomic import atomic_output
from sre.io.columns import arrow_codes, arrow_numbers, arrow_strings
from sre.io.ids import alike, shown
from sre.io.tables import read_table
from sre.io.trials import LabelledTrials, Trials
from sre.metrics.choices import best_f1, best_gmean
from sre.metrics.rates import bayes_threshold, eer, miss_at_fa

ROWS = 1 << 17  # written at a time
WORDS = ("reject", "accept")
METRICS: dict[str, Callable[[np.ndarray, np.ndarray], tuple[float, float]]] = {
    "eer": eer,
    "f1": best_f1,
    "gmean": best_gmean,
}


@dataclass(frozen=True)
class Rule:
    """The least score that is accepted, and how it was found.

    threshold : inf rejects every trial
    how : in words
    p_miss, p_fa : shares, at the threshold on the development list; None without one
    """

    threshold: float
    how: str
    p_miss: float | None = None
    p_fa: float | None = None

    def accepts(self, scores: np.ndarray) -> np.ndarray:
        """Return (P,) bool of (P,) scores."""
        return as_written(scores) >= self.threshold

    @property
    def text(self) -> str:
        """Return the rule in words."""
        least = f"score >= {self.threshold:.6g}" if self.threshold < inf else "no score"
        return f"accepted is {least}, {self.how}"


def as_written(scores: np.ndarray) -> np.ndarray:
    """Return (P,) float64 scores as a score file gives them back: rounded to float32."""
    with np.errstate(over="ignore"):  # beyond float32 is beyond every score
        return np.asarray(scores).astype(np.float32).astype(np.float64)


def given_rule(threshold: float) -> Rule:
    """Return the rule of a threshold that somebody gave."""
    return Rule(float(as_written(np.array(threshold))), "as it was given")


def bayes_rule(p_target: float, c_miss: float = 1.0, c_fa: float = 1.0) -> Rule:
    """Return the rule of least cost for scores that are natural-log likelihood ratios."""
    costs = "" if c_miss == c_fa == 1 else f", C_miss {c_miss:g} and C_fa {c_fa:g}"
    return Rule(bayes_threshold(p_target, c_miss, c_fa), f"that of Bayes for P_target {p_target:g}{costs}")


def tuned_rule(scores: np.ndarray, trials: LabelledTrials, where: object, metric: str, share: float = 0.0) -> Rule:
    """Return the rule that is best on a labelled development list.

    scores : (P,) of `trials`
    metric : eer (equal error rates), f1, gmean, or far: the least P_miss at which P_fa <= share
    where : how the list is named. Raises SreError, naming it, where its scores have no error rates.
    """
    scores, target = as_written(scores), trials.target
    try:
        if metric == "far":
            threshold, how = miss_at_fa(scores, target, share)[1], f"the lowest with P_fa <= {share:g}"
        else:
            value, threshold = METRICS[metric](scores, target)
            how = (
                f"that of the EER, {100 * value:.2f} %,"
                if metric == "eer"
                else f"that of the highest {metric}, {value:.4f},"
            )
    except SreError as error:
        raise SreError(f"{where}: {error}") from None
    accepted = scores >= threshold
    p_miss, p_fa = float((~accepted)[target].mean()), float(accepted[~target].mean())
    return Rule(threshold, f"{how} on {where}", p_miss, p_fa)


def tuned_rules(scores: np.ndarray, trials: LabelledTrials, where: object, shares: Iterable[float]) -> dict[str, Rule]:
    """Return name -> rule: eer, f1 and gmean, and far_F for each share F of false alarms. As `tuned_rule`."""
    found = {metric: tuned_rule(scores, trials, where, metric) for metric in METRICS}
    return found | {f"far_{share:.6g}": tuned_rule(scores, trials, where, "far", share) for share in shares}


def write_rules(path: str | Path, rules: Mapping[str, Rule], trials: LabelledTrials) -> None:
    """Write a CSV of rule, threshold, p_miss, p_fa, f1 and gmean, of rules that were tuned on these trials.

    threshold is inf where all are rejected; f1 and gmean are those of sre/metrics/choices.py, at the threshold.
    """
    targets = int(np.count_nonzero(trials.target))
    with atomic_output(path) as file:
        file.write("rule,threshold,p_miss,p_fa,f1,gmean\n")
        for name, rule in rules.items():
            assert rule.p_miss is not None and rule.p_fa is not None, "tuned on a list"
            hits, alarms = (1 - rule.p_miss) * targets, rule.p_fa * (len(trials) - targets)
            f1, gmean = 2 * hits / (targets + hits + alarms), sqrt((1 - rule.p_miss) * (1 - rule.p_fa))
            numbers = ",".join(f"{value:.6g}" for value in (rule.p_miss, rule.p_fa, f1, gmean))
            file.write(f"{name},{rule.threshold:.9g},{numbers}\n")


def write_decisions(
    path: str | Path, trials: Trials, scores: np.ndarray, accepted: np.ndarray, llrs: np.ndarray | None = None
) -> None:
    """Write a CSV of enrol, test, score, llr (where there are LLRs) and decision, accept or reject; (P,) each."""
    sides = arrow_strings(trials.enrol_ids), arrow_strings(trials.test_ids)
    words = arrow_strings(WORDS)
    names = ["enrol", "test", "score", *(["llr"] if llrs is not None else []), "decision"]

    def rows(part: slice) -> pa.RecordBatch:
        indices = (index[part].astype(np.int32) for index in (trials.enrol, trials.test))
        ids = [arrow_codes(index, strings).cast(pa.string()) for index, strings in zip(indices, sides, strict=True)]
        numbers = [values[part].astype(np.float32) for values in (scores, llrs) if values is not None]
        decision = arrow_codes(accepted[part].astype(np.int32), words).cast(pa.string())
        return pa.record_batch([*ids, *map(arrow_numbers, numbers), decision], names=names)

    special = any(mark in name for ids in (trials.enrol_ids, trials.test_ids) for name in ids for mark in ',"')
    form = csv.WriteOptions(include_header=False, quoting_style="needed" if special else "none")  # needed: each text
    with atomic_output(path, "wb") as file:
        file.write(f"{','.join(names)}\n".encode())
        for start in range(0, len(trials), ROWS):
            csv.write_csv(rows(slice(start, start + ROWS)), file, form)


def with_sources(trials: Trials, data: Path) -> Trials:
    """Return the trials with the files of a data directory's utt2source in the place of their ids.

    Raises SreError where an id has no file there.
    """
    table, files = read_table(data / "utt2source"), list[np.ndarray]()
    for ids in (trials.enrol_ids, trials.test_ids):
        if missing := [name for name in ids if name not in table]:
            example = shown(missing[0]) + alike(missing[0], table)
            where = f"{data}/utt2source: {len(missing)} ids of the trials are not in it"
            raise SreError(f"{where}, e.g. {example}; give the directory that they are of, or no --sources")
        files.append(np.array([table[name] for name in ids], dtype=object))
    return replace(trials, enrol_ids=files[0], test_ids=files[1])


def summary(rule: Rule, accepted: np.ndarray, target: np.ndarray | None) -> dict[str, object]:
    """Return what was decided, for JSON; of a labelled list also the share of errors of each kind."""
    found: dict[str, object] = {"trials": len(accepted), "accepted": int(np.count_nonzero(accepted))}
    found |= {"threshold": rule.threshold if isfinite(rule.threshold) else None, "rule": rule.text}
    if rule.p_miss is not None:
        found["development"] = {"p_miss": rule.p_miss, "p_fa": rule.p_fa}
    if target is not None and 0 < np.count_nonzero(target) < len(target):
        found["labels"] = {
            "p_miss": float((~accepted)[target].mean()),
            "p_fa": float(accepted[~target].mean()),
        }
    return found
