"""Error rates of scores, exact where scores tie, and how sure they are. Only numpy and scipy are needed.

Each function takes (P,) scores and (P,) labels, True for a target trial. Rates are shares from 0 to 1, but EER is in
per cent in all that is written or drawn: `summarise`, `Bootstrap.replicates` and `eer_with_interval`.

>>> import numpy as np
>>> scores = np.array([4.0, 3.0, 2.0, -1.0, 1.0, 0.0, -2.0, -3.0])
>>> target = np.array([True] * 4 + [False] * 4)
>>> rate, threshold = eer(scores, target)
>>> f"{rate:.3f} at {threshold:.1f}"
'0.250 at 1.0'
>>> f"{summarise(scores, target)['eer']:.1f} %"
'25.0 %'
>>> cost, threshold = min_dcf(scores, target, p_target=0.01)
>>> f"{cost:.2f} at {threshold:.1f}"
'0.25 at 2.0'
>>> f"{act_dcf(scores, target, p_target=0.05):.2f}, {cllr(scores, target):.2f} and {min_cllr(scores, target):.2f} bits"
'0.50, 0.67 and 0.34 bits'

Intervals draw speakers, not trials. Two systems are compared on the same draws:

>>> speakers, noise = np.repeat(np.arange(20), 3), np.random.default_rng(0).normal(size=(2, 1770))
>>> first, second = np.triu_indices(60, 1)  # all pairs of 60 utterances of 20 speakers
>>> enrol, test = speakers[first], speakers[second]
>>> target = enrol == test
>>> ours, theirs = 3 * target + noise[0], 2 * target + noise[1]
>>> (our_eer, (low, high)), (their_eer, _) = (eer_with_interval(s, target, (enrol, test), 200) for s in (ours, theirs))
>>> low < our_eer < high < their_eer < 20
True
>>> drawn = Bootstrap.of_speakers(enrol, test, replicates=200, seed=1)
>>> difference = drawn.replicates(theirs, target)["eer"] - drawn.replicates(ours, target)["eer"]
>>> low, high, p = paired(their_eer - our_eer, difference, drawn.speakers)
>>> low > 0 and p < 0.05
True
"""

from sre.metrics.bootstrap import (
    COLUMNS,
    FEW_SPEAKERS,
    Bootstrap,
    eer_with_interval,
    holm,
    interval,
    intervals,
    paired,
    why_no_interval,
)
from sre.metrics.rates import (
    NIST_PLANS,
    P_TARGETS,
    act_dcf,
    bayes_threshold,
    c_primary,
    check_scores,
    cllr,
    det_points,
    eer,
    eer_convex_hull,
    fa_at_miss,
    min_cllr,
    min_dcf,
    miss_at_fa,
    operating_points,
    summarise,
)
from sre.metrics.sorted_scores import SortedScores
