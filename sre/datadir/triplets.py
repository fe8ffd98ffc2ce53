"""Trial lists of random triplets: each anchor against another utterance of its speaker, and against one of another.

As the lists of Q. Wang's "Speaker Recognition From Scratch" are drawn, but by a seed, and without a trial twice.
Sessions and genders are not looked at. Legend: U utterances.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sre import SreError
from sre.datadir.draws import Draw
from sre.datadir.trials import MadeTrials
from sre.io.trials import write_trials

ROUNDS = 20  # of as many draws as triplets are wanted


def make_triplet_trials(
    where: str | Path, utt2spk: Mapping[str, str], count: int, seed: int, out: str | Path
) -> MadeTrials:
    """Write the two trials of each of `count` random triplets, or of as many as are found, in bytewise order.

    where : how errors name the utterances
    Raises SreError unless there are two speakers, one of them with two utterances.
    """
    utts = sorted(utt2spk)
    names, speakers = np.unique([utt2spk[utt] for utt in utts], return_inverse=True)
    sizes = np.bincount(speakers)
    if len(names) < 2 or sizes.max() < 2:
        raise SreError(
            f"{where}: a triplet is of two speakers, one with two utterances, and {len(utts)} utterances of"
            f" {len(names)} speakers have none; take more of them"
        )
    triplets = draw_triplets(speakers, count, seed)
    rows = [(utts[a], utts[other], target) for a, p, n in triplets for other, target in ((p, True), (n, False))]
    write_trials(out, sorted(rows))
    made = MadeTrials(len(triplets), len(triplets), tests=len({test for _, test, _ in rows}))
    made.models, made.speakers = len({enrol for enrol, _, _ in rows}), len(np.unique(speakers[np.unique(triplets)]))
    if alone := names[sizes == 1].tolist():
        made.remarks.append(f"{len(alone)} speakers have one utterance and are no anchors, e.g. {alone[0]}")
    if len(triplets) < count:
        made.remarks.append(
            f"{count} triplets were asked; {ROUNDS * count} draws gave {len(triplets)} without a trial twice"
        )
    return made


def draw_triplets(speakers: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Return (n, 3) places of the anchor, the positive and the negative of n triplets, n at most `count`.

    speakers : (U,) int, of each utterance, 0 and on
    Speakers are drawn uniformly, the anchor's among those with two utterances, and so is an utterance of each. Of
    triplets that share a pair, in either order, the first one stays.
    """
    draw, order, sizes = Draw("triplets", seed), np.argsort(speakers, kind="stable"), np.bincount(speakers)
    starts, able = np.cumsum(sizes) - sizes, np.flatnonzero(sizes > 1)
    found: list[list[int]] = []
    taken: set[int] = set()
    for _ in range(ROUNDS):
        first = able[draw.below(np.full(count, len(able)))]
        second = draw.below(np.full(count, len(sizes) - 1))
        second += second >= first  # any but the first
        anchor, positive = draw.below(sizes[first]), draw.below(sizes[first] - 1)
        positive += positive >= anchor
        inside = np.stack(
            [starts[first] + anchor, starts[first] + positive, starts[second] + draw.below(sizes[second])]
        )
        drawn = order[inside]  # (3, count)
        low, high = np.minimum(drawn[0], drawn[1:]), np.maximum(drawn[0], drawn[1:])
        codes = low * len(speakers) + high  # (2, count)
        for triplet, pairs in zip(drawn.T.tolist(), codes.T.tolist(), strict=True):
            if len(found) < count and taken.isdisjoint(pairs):
                taken.update(pairs)
                found.append(triplet)
        if len(found) == count:
            break
    return np.array(found)
