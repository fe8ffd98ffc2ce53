"""A row of a report against its files: are the numbers and intervals those that its scores and draws give?"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from math import isclose
from pathlib import Path

import numpy as np

from sre import SreError
from sre.experiments.records import changed, job_of
from sre.io.text import exact, read_object
from sre.io.trials import align_scores
from sre.metrics.bootstrap import intervals
from sre.metrics.rates import summarise
from sre.scoring.replicates import read_replicates, replicates_of
from sre.scoring.result import RESULT, SCORE_AGAIN

NUMBERS = (("EER", "eer"), *((f"minDCF({p})", f"min_dcf_{p}") for p in ("0.01", "0.05", "0.001")))


@dataclass
class Row:
    """One system of one run on one trial list; `line` is that of report.tsv, where it was asked for."""

    metrics_file: Path
    system: str
    line: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.result = read_object(self.metrics_file, RESULT, SCORE_AGAIN)
        self.outcome = self.result["systems"][self.system]
        self.scores = self.metrics_file.with_name(f"{self.system}.scores")

    @property
    def trials(self) -> Path:
        job = job_of(self.metrics_file)
        return Path(os.path.relpath(job.at(self.result["trials_file"]) if job else self.result["trials_file"]))


def check_row(row: Row, digest: Callable[[Path], str]) -> int:
    """Print a row's numbers, and whether the same come out again; returns how many differences there are."""
    result, metrics, draws = row.result, row.outcome.get("metrics"), row.result.get("bootstrap") or {}
    print(f"{result['run']} {row.system} on {result['trials']}: model {result['model']}, seed {result['seed']}")
    if not metrics:
        print(f"  failed: {row.outcome.get('reason', 'without a reason')}")
        if row.line.get("eer"):
            print(f"! report.tsv has eer {row.line['eer']} of it")
        return int(bool(row.line.get("eer")))
    print("  " + ", ".join(_number(metrics, name, key) for name, key in NUMBERS if key in metrics))
    if draws and metrics.get("intervals"):
        of = f"the {draws['speakers']} speakers" if draws.get("speakers") else "the trials, as if independent"
        how = f"{draws['replicates']} draws of {of}, seed {draws['seed']}"
        print(f"  in brackets: {draws.get('level', 0.95):.0%} intervals, from {how}")
    trials = f"{metrics['targets']} target and {metrics['nontargets']} nontarget trials of {row.trials}"
    print(f"  {trials}, SHA-256 {result['trials_sha256']}")
    costs = f"C_miss {exact(metrics.get('c_miss', 1))}, C_fa {exact(metrics.get('c_fa', 1))}"
    print(
        f"  {result.get('role', 'evaluation')} list; {costs}; config SHA-256 {result.get('config_sha256', 'unknown')}"
    )
    differences = [*_stale(row, metrics), *_differences(row, metrics, digest)]
    print("".join(f"! {text}\n" for text in differences), end="")
    if not differences:
        again = "numbers and intervals" if metrics.get("intervals") else "numbers"
        print(f"  score file and trial list: of the SHA-256 in metrics.json; {again} recomputed: the same")
    return len(differences)


def _number(metrics: dict, name: str, key: str) -> str:
    interval = (metrics.get("intervals") or {}).get(key)
    unit = " %" * (key == "eer")
    return f"{name} {metrics[key]:.4f}{unit}" + (f" ({interval[0]:.4f} to {interval[1]:.4f})" if interval else "")


def _flat(metrics: dict) -> dict[str, object]:
    """Its numbers by name, the ends of intervals as report.tsv calls them."""
    ends = {
        f"{key}_{end}": bound
        for key, pair in (metrics.get("intervals") or {}).items()
        for end, bound in zip(("low", "high"), pair or (None, None), strict=True)
    }
    return {key: value for key, value in metrics.items() if key != "intervals"} | ends


def _stale(row: Row, metrics: dict) -> list[str]:
    """Where the line of report.tsv, with its six digits, is not that of metrics.json."""
    said = row.line.get("status", "ok")
    found = [f"report.tsv has the status {said}, metrics.json ok"] if said != "ok" else []
    for key, value in _flat(metrics).items():
        if isinstance(value, float) and row.line.get(key, "") not in ("", f"{value:.6g}"):
            found.append(f"report.tsv has {key} {row.line[key]}, metrics.json {value:.6g}")
    return found


def _differences(row: Row, metrics: dict, digest: Callable[[Path], str]) -> list[str]:
    files = [(row.scores, row.outcome["scores_sha256"]), (row.trials, row.result["trials_sha256"])]
    if "replicates_sha256" in row.outcome:  # not of older versions
        files.append((replicates_of(row.scores), row.outcome["replicates_sha256"]))
    whats = {path: changed(path, {"sha256": sha256}, digest) for path, sha256 in files}
    found = [f"{path}: {what}, it is not what metrics.json is of" for path, what in whats.items() if what]
    try:
        scores, target = align_scores(row.scores, row.trials)
        costs = metrics.get("c_miss", 1.0), metrics.get("c_fa", 1.0)
        scores = scores.astype(np.float32).astype(np.float64)  # what was scored; a file has the fewest digits of it
        again = summarise(scores, target, *costs, calibrated=metrics.get("calibrated", False))
        if metrics.get("intervals") and replicates_of(row.scores).is_file() and not any(whats.values()):
            again["intervals"] = _intervals(row, again)
    except SreError as error:
        return [*found, f"cannot be recomputed: {error}"]
    again, known = _flat(again), _flat(metrics)
    keys = [key for key in again if key in known and not _equal(again[key], known[key])]
    return found + [f"recomputed: {key} is {again[key]}, metrics.json has {known[key]}" for key in keys]


def _intervals(row: Row, metrics: dict) -> dict[str, list[float] | None]:
    drawn = row.result["bootstrap"]
    draws = read_replicates(replicates_of(row.scores), drawn["columns"])
    return intervals(metrics, draws, drawn.get("speakers"))


def _equal(one: float | None, other: float | None) -> bool:
    """Up to what another processor's logarithms may change."""
    return one == other or (None not in (one, other) and isclose(one, other, rel_tol=1e-9, abs_tol=1e-12))
