"""The equal error rate for people who have two arrays: with its interval, as shares."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sre import SreError
from sre.metrics.bootstrap import Bootstrap, interval
from sre.metrics.rates import eer


@dataclass(frozen=True)
class EqualErrorRate:
    """An equal error rate, a share from 0 to 1.

    low, high : its 95 % interval; None where the scores tell none, as without any error
    threshold : the score from which a trial is accepted
    targets, nontargets : the trials of both kinds
    """

    rate: float
    low: float | None
    high: float | None
    threshold: float
    targets: int
    nontargets: int


def equal_error_rate(
    scores: np.ndarray | Sequence[float],
    labels: np.ndarray | Sequence[bool],
    speakers: tuple[Sequence, Sequence] | None = None,
    replicates: int = 1000,
    seed: int = 1,
) -> EqualErrorRate:
    """Return the equal error rate of scores, where a trial of equal score is accepted, with its interval.

    scores, labels : (P,) numbers, and (P,) True (or 1) of trials of one speaker
    speakers : (P,) names of the speaker on each side of each trial, whom the interval draws. None: trials are drawn,
        and the interval is far too short if a speaker has several trials.
    replicates, seed : of the draws; 0 draws: no interval
    Raises SreError for scores that are not finite or all equal, labels of one kind only, and unequal lengths.
    """
    scores, target = np.asarray(scores, np.float64), np.asarray(labels)
    if not np.isin(target, (0, 1)).all():
        raise SreError("labels are True or 1 of trials of one speaker, False or 0 of others; give one for each score")
    target = target.astype(bool)
    rate, threshold = eer(scores, target)
    bounds = None
    if replicates:
        if speakers is None:
            drawn = Bootstrap.of_trials(len(scores), replicates, seed)
        else:
            enrol, test = (np.asarray(side, dtype=str) for side in speakers)
            if not len(enrol) == len(test) == len(scores):
                raise SreError(f"{len(scores)} scores, {len(enrol)} and {len(test)} speakers; give both of each trial")
            drawn = Bootstrap.of_speakers(enrol, test, replicates, seed)
        bounds = interval(100 * rate, drawn.replicates(scores, target)["eer"], drawn.speakers, 100.0)
    low, high = (bound / 100 for bound in bounds) if bounds else (None, None)
    targets = int(target.sum())
    return EqualErrorRate(rate, low, high, threshold, targets, len(target) - targets)
