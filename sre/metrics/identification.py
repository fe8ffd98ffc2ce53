"""Closed-set and open-set identification rates from a trial list's scores (terms of ISO/IEC 19795-1).

A search is one test utterance against all models that the list tries it against. It is mated where one of these is a
target trial, and then counts by its best target; other targets of the same search are neither right nor wrong. Equal
scores count against the system: a nontarget model that ties with the mate stands before it. Legend: P trials, T
searches, one for each test utterance.
"""

import numpy as np

from sre import SreError
from sre.io.trials import LabelledTrials
from sre.metrics.rates import check_scores

RANKS = (1, 5, 10)
FPIRS = (0.01, 0.1)


def identification_rates(trials: LabelledTrials, scores: np.ndarray) -> dict[str, float | None]:
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
    mate, rank, impostor = _candidates(trials, scores)
    mated = rank > 0
    facts: dict[str, float | None] = {"searches": len(models), "mated": int(mated.sum())}
    facts |= {"nonmated": int((~mated).sum()), "models_min": int(models.min()), "models_max": int(models.max())}
    facts |= {f"rank_{k}": float((rank[mated] <= k).mean()) for k in RANKS if k < models.max()}
    if mated.all():
        return facts
    return facts | _open_set(mate[rank == 1], impostor[~mated], int(mated.sum()))


def _candidates(trials: LabelledTrials, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (T,) each search's best target's score and rank (0 if it has none), and its best nontarget's score."""
    test, target, size = trials.test, trials.target, len(trials.test_ids)
    mate, impostor = np.full((2, size), -np.inf)
    np.maximum.at(mate, test[target], scores[target])
    np.maximum.at(impostor, test[~target], scores[~target])
    before = np.bincount(test[~target & (scores >= mate[test])], minlength=size)
    return mate, np.where(mate > -np.inf, before + 1, 0), impostor


def _open_set(first: np.ndarray, impostors: np.ndarray, mated: int) -> dict[str, float | None]:
    """Return the open-set rates, from the scores of mates that stand first, and of the best models of the others.

    mated : the number of searches that are mated
    """
    thresholds = np.append(np.unique(np.concatenate((first, impostors))), np.inf)
    fpir = (len(impostors) - np.searchsorted(np.sort(impostors), thresholds)) / len(impostors)
    fnir = (mated - len(first) + np.searchsorted(np.sort(first), thresholds)) / mated
    rates: dict[str, float | None] = {}
    for share in FPIRS:
        at = int(np.argmax(fpir <= share))
        rates[f"fnir_at_fpir_{share}"] = float(fnir[at])
        rates[f"threshold_fpir_{share}"] = float(thresholds[at]) if np.isfinite(thresholds[at]) else None
    return rates
