"""Closed-set and open-set identification rates from a trial list's scores (terms of ISO/IEC 19795-1).

A search is one test utterance against all models that the list tries it against. It is mated where one of these is a
target trial, and then counts by its best target; other targets of the same search are neither right nor wrong. Equal
scores count against the system: a nontarget model that ties with the mate stands before it. Intervals draw the
speakers of the searches with replacement; the models stay as they are. Legend: P trials, T searches, one for each test
utterance, R draws.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from sre import SreError
from sre.io.trials import LabelledTrials
from sre.metrics.bootstrap import Bootstrap, interval
from sre.metrics.rates import check_scores

RANKS = (1, 5, 10)
FPIRS = (0.01, 0.1)
AT_ONCE = 512  # probes against all models

Rates = dict[str, float | None]


@dataclass(frozen=True)
class Searches:
    """T searches.

    rank : (T,) of the mate, from 1; 0 of a search that is not mated
    mate, impostor : (T,) score of the mate, and of the best other model
    most : models of the largest search
    """

    rank: np.ndarray
    mate: np.ndarray
    impostor: np.ndarray
    most: int

    @classmethod
    def of(cls, trials: LabelledTrials, scores: np.ndarray) -> "Searches":
        """Return the searches of (P,) trials, in the order of `trials.test_ids`."""
        test, target, size = trials.test, trials.target, len(trials.test_ids)
        mate, impostor = np.full((2, size), -np.inf)
        np.maximum.at(mate, test[target], scores[target])
        np.maximum.at(impostor, test[~target], scores[~target])
        before = np.bincount(test[~target & (scores >= mate[test])], minlength=size)
        return cls(np.where(mate > -np.inf, before + 1, 0), mate, impostor, int(np.bincount(test).max()))

    @classmethod
    def among(cls, score: Callable[[np.ndarray], np.ndarray], probes: np.ndarray, right: np.ndarray) -> "Searches":
        """Return the searches of T probes (T, D) among all of S models.

        score : returns the (t, S) scores of t probes; right : (T,) the places of the probes' mates
        """
        found = []
        for begin in range(0, len(probes), AT_ONCE):
            scores = score(probes[begin : begin + AT_ONCE]).copy()
            rows, own = np.arange(len(scores)), right[begin : begin + AT_ONCE]
            mate = scores[rows, own]
            scores[rows, own] = -np.inf
            found.append((1 + (scores >= mate[:, None]).sum(axis=1), mate, scores.max(axis=1)))
        rank, mate, impostor = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return cls(rank, mate, impostor, scores.shape[1])

    def rates(self, weights: np.ndarray) -> Rates:
        """Return the rates where search t counts weights[t] times, (T,); NaN without any search of a kind."""
        mated = self.rank > 0
        whole = weights[mated].sum()
        found: Rates = {
            f"rank_{k}": _share(weights[mated & (self.rank <= k)].sum(), whole) for k in RANKS if k < self.most
        }
        return found if mated.all() else found | self._open_set(weights, whole)

    def _open_set(self, weights: np.ndarray, mated: float) -> Rates:
        """Return the open-set rates; `mated` is the weight of all mated searches."""
        first, others = self.rank == 1, self.rank == 0
        thresholds = np.append(np.unique(np.concatenate((self.mate[first], self.impostor[others]))), np.inf)
        nonmated = weights[others].sum()
        if not mated or not nonmated:
            return {f"fnir_at_fpir_{share}": np.nan for share in FPIRS}
        fpir = (nonmated - _below(self.impostor[others], weights[others], thresholds)) / nonmated
        fnir = (mated - weights[first].sum() + _below(self.mate[first], weights[first], thresholds)) / mated
        rates: Rates = {}
        for share in FPIRS:
            at = int(np.argmax(fpir <= share))
            rates[f"fnir_at_fpir_{share}"] = float(fnir[at])
            rates[f"threshold_fpir_{share}"] = float(thresholds[at]) if np.isfinite(thresholds[at]) else None
        return rates

    def with_intervals(self, speakers: np.ndarray, replicates: int, seed: int) -> dict[str, Any]:
        """Return the rates, and `intervals`, their 95 % intervals by name; None where nothing can be said.

        speakers : (T,) names of the speakers of the searches
        replicates : draws; 0: no intervals
        """
        rates: dict[str, Any] = self.rates(np.ones(len(self.rank), np.int64))
        names = [name for name in rates if not name.startswith("threshold")]
        if len(np.unique(speakers)) < 2 or not replicates:
            return rates | {"intervals": dict.fromkeys(names)}
        drawn = Bootstrap.of_speakers(speakers, speakers, replicates, seed)
        assert drawn.counts is not None, "speakers are drawn"
        each = [self.rates(counts[drawn.first]) for counts in drawn.counts]
        draws = {name: np.array([one[name] for one in each], float) for name in names}
        return rates | {"intervals": {name: interval(rates[name], draws[name], drawn.speakers, 1.0) for name in names}}


def _share(part: float, whole: float) -> float:
    return float(part / whole) if whole else np.nan


def _below(values: np.ndarray, weights: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Return (K,) the weight of the values that are below each of K thresholds."""
    order = np.argsort(values, kind="stable")
    return np.append(0, np.cumsum(weights[order]))[np.searchsorted(values[order], thresholds)]


def identification_rates(trials: LabelledTrials, scores: np.ndarray) -> Rates:
    """Return rank-k accuracy, and FNIR at given FPIR, of labelled trials and their (P,) scores; all rates are shares.

    `rank_<k>`: share of mated searches whose mate is among the k best models, for k below the models of the largest
    search. `fnir_at_fpir_<x>`: the lowest share of mated searches whose mate is not first, or scores under the
    threshold, over all thresholds that at most a share x of the non-mated searches reach with any model; that is
    absent where all searches are mated. `threshold_fpir_<x>` is the lowest of these thresholds, None: above all scores.

    Raises SreError as `check_scores` does, and if no test utterance is tried against more than one model.
    """
    check_scores(scores, trials.target)
    models = np.bincount(trials.test)
    if models.max() == 1:
        raise SreError(
            f"each of the {len(models)} test utterances is tried against one model, so there is nothing to identify;"
            " give a list that tries each against several"
        )
    searches = Searches.of(trials, scores)
    mated = int((searches.rank > 0).sum())
    facts: Rates = {"searches": len(models), "mated": mated, "nonmated": len(models) - mated}
    facts |= {"models_min": int(models.min()), "models_max": int(models.max())}
    return facts | searches.rates(np.ones(len(models), np.int64))
