"""Nontarget trials: all of them, model by model, or a seeded draw with about equally many of each speaker."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from sre.datadir.draws import Draw
from sre.datadir.trial_sides import Sides, rows_by


@dataclass
class Opposite:
    """What the models of a speaker may meet in nontarget trials: `count` tests from `start` on, around a circle."""

    models: np.ndarray
    circle: np.ndarray
    start: int
    count: int
    draw: Draw

    @property
    def size(self) -> int:
        """The number of pairs."""
        return len(self.models) * self.count

    def drawn(self, wanted: int) -> tuple[np.ndarray, np.ndarray]:
        """Return so many of the pairs: models, tests."""
        numbers = self.draw.distinct(wanted, self.size)
        places = (self.start + numbers % self.count) % len(self.circle)
        return self.models[numbers // self.count], self.circle[places]


def draw_nontargets(sides: Sides, wanted: int, seed: int, remarks: list[str]) -> np.ndarray:
    """Return the sorted codes of `wanted` nontarget trials, or of all that there are, as equally by speaker as may be.

    The speakers of a gender stand in a circle, in a random order. Where pairs are mirrored, a speaker meets the half
    of the others that follows it, so that two speakers meet once.
    """
    opposite: list[Opposite] = []
    by_test, by_model = rows_by(sides.test_speaker), rows_by(sides.enrol_speaker)
    alone = 0
    for gender in np.unique(sides.gender).tolist():
        members = np.flatnonzero(sides.gender == gender).tolist()
        alone += len(members) == 1
        members = Draw("nontarget", seed, gender).shuffled(members)
        tests = [by_test.get(place, np.empty(0, np.int64)) for place in members]
        circle, ends = np.concatenate(tests), np.cumsum([0, *map(len, tests)]).tolist()
        for at, place in enumerate(members):
            others = len(members) - 1
            if sides.mirrored:
                others = others // 2 + (others % 2 and at < len(members) // 2)
            last = at + 1 + others  # the place behind the last of them, around the circle
            count = ends[min(last, len(members))] - ends[at + 1] + ends[max(0, last - len(members))]
            if place in by_model and count:
                draw = Draw("nontarget", seed, sides.speakers[place])
                opposite.append(Opposite(by_model[place], circle, ends[at + 1], count, draw))
    if alone:
        remarks.append(f"{alone} speakers are the only ones of their gender, and in no nontarget trial")
    counts = _levelled(np.array([one.size for one in opposite], np.int64), wanted)
    if counts.sum() < wanted:
        remarks.append(f"{wanted} nontarget trials were asked, there are no more than {counts.sum()}")
    drawn = [sides.codes(*one.drawn(count)) for one, count in zip(opposite, counts.tolist(), strict=True) if count]
    return np.sort(np.concatenate([np.empty(0, np.int64), *drawn]))


def _levelled(sizes: np.ndarray, wanted: int) -> np.ndarray:
    """Return how many are taken of each size: the same number of all, and all of those that have fewer."""
    wanted = min(wanted, int(sizes.sum()))
    low, high = 0, int(sizes.max(initial=0))
    while low < high:  # the highest level that is not too much
        level = (low + high + 1) // 2
        low, high = (level, high) if np.minimum(sizes, level).sum() <= wanted else (low, level - 1)
    taken = np.minimum(sizes, low)
    more = np.flatnonzero(sizes > low)[: wanted - int(taken.sum())]
    taken[more] += 1
    return taken


def all_nontargets(sides: Sides) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each model with the tests of other speakers of its gender; of a mirrored pair only the later utterance."""
    gender = sides.gender[sides.test_speaker]
    for model, speaker in enumerate(sides.enrol_speaker.tolist()):
        first = model + 1 if sides.mirrored else 0
        other = (gender[first:] == sides.gender[speaker]) & (sides.test_speaker[first:] != speaker)
        yield model, first + np.flatnonzero(other)
