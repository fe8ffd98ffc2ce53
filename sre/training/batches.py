"""Batches of N speakers x M utterances, for losses that compare within a batch; a function of (seed, step) too."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from sre import SreError
from sre.training.chunks import Item


@dataclass
class SpeakerBatches:
    """The batches from one step to the end, each of `chunks_per_speaker` (M) items of N different speakers in turn.

    In an epoch a speaker's n utterances are shuffled and cut into round(n / M) groups, at least one: what is too much
    is left out, what is missing is repeated from the beginning, as another crop (`repeated` counts that). Groups are
    dealt at random to the epoch's batches; a speaker with more groups than there are batches, and batches with more
    than N groups, leave some out. The M items of a group have one augmented copy (draws[1] is the same), since a
    changed speed is another speaker.

    labels : (num_utts,) int, the speaker of each utterance
    batch_size : N M

    Iterates over lists of Items, like sre.training.chunks.Batches. Raises SreError where M does not divide the batch
    size, or N is more than there are speakers.
    """

    labels: np.ndarray
    batch_size: int
    chunks_per_speaker: int
    epochs: int
    chunk_frames: tuple[int, int]
    seed: int
    num_draws: int = 1
    first_step: int = 0
    steps_per_epoch: int = field(init=False)
    repeated: int = field(init=False)

    def __post_init__(self) -> None:
        size, M = self.batch_size, self.chunks_per_speaker
        self.N, rest = divmod(size, M)
        if rest or self.N < 2:
            raise SreError(
                f"training.batch_size {size} is not 2 or more times training.chunks_per_speaker {M}; change one"
            )
        _, speaker = np.unique(self.labels, return_inverse=True)
        self.utts = np.split(np.argsort(speaker, kind="stable"), np.cumsum(np.bincount(speaker))[:-1])
        if len(self.utts) < self.N:
            raise SreError(
                f"a batch of {size} with {M} chunks a speaker needs {self.N} speakers and there are {len(self.utts)};"
                " lower training.batch_size or raise training.chunks_per_speaker"
            )
        counts = np.array([len(utts) for utts in self.utts])
        groups = np.maximum(1, (counts + M // 2) // M)
        steps = groups.sum() // self.N
        while np.minimum(groups, steps).sum() < steps * self.N:  # a speaker is in a batch once
            steps = np.minimum(groups, steps).sum() // self.N
        self.groups, self.steps_per_epoch = np.minimum(groups, steps), int(steps)
        self.repeated = int(np.maximum(0, self.groups * M - counts).sum())

    def __len__(self) -> int:
        return self.epochs * self.steps_per_epoch - self.first_step

    def __iter__(self) -> Iterator[list[Item]]:
        low, high = self.chunk_frames
        for step in range(self.first_step, self.epochs * self.steps_per_epoch):
            epoch, position = divmod(step, self.steps_per_epoch)
            if position == 0 or step == self.first_step:
                order = self.order(epoch)
            draw = np.random.default_rng([self.seed, 2, step])
            frames = int(draw.integers(low, high + 1))
            draws = draw.random((self.batch_size, 1 + self.num_draws))
            draws[:, 1] = np.repeat(draws[:: self.chunks_per_speaker, 1], self.chunks_per_speaker)
            yield [(int(index), frames, row) for index, row in zip(order[position], draws, strict=True)]

    def order(self, epoch: int) -> np.ndarray:
        """(steps_per_epoch, N M) utterances of an epoch's batches.

        Each speaker's groups go to the batches that have the fewest so far, so that none has more than one more than
        another, and all have N.
        """
        draw = np.random.default_rng([self.seed, 1, epoch])
        batches: list[list[np.ndarray]] = [[] for _ in range(self.steps_per_epoch)]
        filled = np.zeros(self.steps_per_epoch)
        for speaker in draw.permutation(len(self.utts)):
            number = self.groups[speaker]
            groups = np.resize(draw.permutation(self.utts[speaker]), (number, self.chunks_per_speaker))
            emptiest = np.argpartition(filled + draw.random(len(filled)), number - 1)[:number]
            filled[emptiest] += 1
            for batch, group in zip(emptiest, groups, strict=True):
                batches[batch].append(group)
        return np.stack([np.concatenate([b[i] for i in draw.permutation(len(b))[: self.N]]) for b in batches])
