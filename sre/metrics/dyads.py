"""The variance of a rate over trials, which are of one speaker or of two, and vary together if they share one.

M. Fafchamps and F. Gubert, The formation of risk sharing networks, J. Development Economics, 2007 (of regressions).
"""

from dataclasses import dataclass

import numpy as np


@dataclass
class Dyads:
    """The speakers of trials, as numbers below `speakers`.

    of_target : (N,), of the target trials
    first, second : (M,), of both sides of the nontarget trials
    pair : (M,), the number of their unordered pair
    """

    of_target: np.ndarray
    first: np.ndarray
    second: np.ndarray
    pair: np.ndarray
    speakers: int

    @classmethod
    def of(cls, of_target: np.ndarray, first: np.ndarray, second: np.ndarray, speakers: int) -> "Dyads":
        """Return the dyads of these speakers, with their pairs numbered."""
        pairs = np.minimum(first, second).astype(np.int64) * speakers + np.maximum(first, second)
        return cls(of_target, first, second, np.unique(pairs, return_inverse=True)[1], speakers)

    def variance(self, misses: np.ndarray, alarms: np.ndarray) -> float:
        """Return the variance of the sum of what each target (N,) and nontarget (M,) trial adds.

        Trials that share a speaker vary together. The sum over dyads can come out too small by chance; the variance
        where only trials of the same speaker or the same pair vary together is a lower bound.
        """
        alone = np.bincount(self.of_target, misses, self.speakers)
        shared = alone + sum(np.bincount(side, alarms, self.speakers) for side in (self.first, self.second))
        pairs = (np.bincount(self.pair, alarms) ** 2).sum()  # are in `shared` twice
        dyads = self.speakers / (self.speakers - 1) * ((shared**2).sum() - pairs)
        return float(max(dyads, (alone**2).sum() + pairs))
