"""Which chunks a step of a training sees: a function of (seed, step), so that there is nothing to save.

Legend: B chunks in a batch, N speakers and M chunks of each in turn (B = N M), S steps in an epoch, here a pass.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from sre import SreError

Item = tuple[int, int, np.ndarray]  # utterance index, frames, uniform draws: the start, then the augmentation's


@dataclass
class Batches(ABC):
    """The batches from `first_step` to the end of the training, each a list of B Items, for a DataLoader.

    All chunks of a batch have one length, drawn from `chunk_frames` (least, most). The M items in turn have one
    augmented copy (draws[1] is the same), since a changed speed is another speaker. `num_draws` is how many uniform
    numbers the augmentation takes for a chunk. `steps` is the number of batches, in place of `epochs`, where it is not
    0: the last epoch may end early.
    """

    batch_size: int
    epochs: int
    chunk_frames: tuple[int, int]
    seed: int
    num_draws: int = 1
    first_step: int = 0
    steps: int = field(default=0, kw_only=True)
    chunks_per_speaker: int = field(default=1, kw_only=True)  # M
    steps_per_epoch: int = field(init=False)  # S

    @abstractmethod
    def order(self, epoch: int) -> np.ndarray:
        """Return the (S, B) utterance indices of an epoch's batches."""

    @property
    def chunks(self) -> int:
        """The number of chunks in a batch."""
        return self.batch_size

    @property
    def remark(self) -> str:
        """What a person should know of them; "": nothing."""
        return ""

    @property
    def end(self) -> int:
        """The number of batches of the whole training."""
        return self.steps or self.epochs * self.steps_per_epoch

    def draw_of(self, epoch: int) -> np.random.Generator:
        """Return the generator of an epoch's order."""
        return np.random.default_rng([self.seed, 1, epoch])

    def __len__(self) -> int:
        return self.end - self.first_step

    def __iter__(self) -> Iterator[list[Item]]:
        low, high = self.chunk_frames
        for step in range(self.first_step, self.end):
            epoch, position = divmod(step, self.steps_per_epoch)
            if position == 0 or step == self.first_step:
                order = self.order(epoch)
            draw = np.random.default_rng([self.seed, 2, step])
            frames = int(draw.integers(low, high + 1))
            draws = draw.random((order.shape[1], 1 + self.num_draws))
            draws[:, 1] = np.repeat(draws[:: self.chunks_per_speaker, 1], self.chunks_per_speaker)
            yield [(int(index), frames, row) for index, row in zip(order[position], draws, strict=True)]


def by_speaker(labels: np.ndarray) -> list[np.ndarray]:
    """Return the utterance indices of each speaker, of (num_utts,) labels."""
    _, speaker = np.unique(labels, return_inverse=True)
    return np.split(np.argsort(speaker, kind="stable"), np.cumsum(np.bincount(speaker))[:-1])


@dataclass
class UtteranceBatches(Batches):
    """Every utterance at most once an epoch, in a new order; those that do not fill a batch at its end are left out.

    Where there are fewer utterances than a batch has, all are the one batch of an epoch.
    """

    num_utts: int = field(kw_only=True)

    def __post_init__(self) -> None:
        self.steps_per_epoch = max(1, self.num_utts // self.batch_size)

    @property
    def chunks(self) -> int:
        """The number of chunks in a batch."""
        return min(self.batch_size, self.num_utts)

    def order(self, epoch: int) -> np.ndarray:
        """Return the (S, B) utterance indices of an epoch's batches."""
        shuffled = self.draw_of(epoch).permutation(self.num_utts)
        return shuffled[: self.steps_per_epoch * self.batch_size].reshape(self.steps_per_epoch, -1)


@dataclass
class SpeakerBatches(Batches):
    """Batches of N different speakers with M chunks of each in turn, for losses that compare within a batch.

    In an epoch a speaker's n utterances are shuffled and cut into round(n / M) groups, at least one: what is too much
    is left out, what is missing is repeated from the beginning, as another crop (`repeated` counts that). Groups are
    dealt at random to the epoch's batches; a speaker with more groups than there are batches, and batches with more
    than N groups, leave some out.

    labels : (num_utts,) int, the speaker of each utterance
    most : utterances of a speaker in an epoch, drawn anew for each; 0: all

    Raises SreError if M does not divide the batch size, or N is more than there are speakers.
    """

    labels: np.ndarray = field(kw_only=True)
    most: int = field(default=0, kw_only=True)
    repeated: int = field(init=False)

    def __post_init__(self) -> None:
        size, M = self.batch_size, self.chunks_per_speaker
        self.N, rest = divmod(size, M)
        if rest or self.N < 2:
            raise SreError(
                f"training.batch_size {size} is not 2 or more times training.chunks_per_speaker {M}; change one"
            )
        self.utts = by_speaker(self.labels)
        if len(self.utts) < self.N:
            raise SreError(
                f"a batch of {size} with {M} chunks a speaker needs {self.N} speakers and there are {len(self.utts)};"
                " lower training.batch_size or raise training.chunks_per_speaker"
            )
        counts = np.array([min(len(utts), self.most or len(utts)) for utts in self.utts])
        groups = np.maximum(1, (counts + M // 2) // M)
        steps = groups.sum() // self.N
        while np.minimum(groups, steps).sum() < steps * self.N:  # a speaker is in a batch once
            steps = np.minimum(groups, steps).sum() // self.N
        self.groups, self.steps_per_epoch = np.minimum(groups, steps), int(steps)
        self.repeated = int(np.maximum(0, self.groups * M - counts).sum())

    @property
    def remark(self) -> str:
        said = "chunks an epoch are of repeated utterances, to fill groups of a speaker"
        return f"{self.repeated} {said}" if self.repeated else ""

    def order(self, epoch: int) -> np.ndarray:
        """Return the (S, B) utterance indices of an epoch's batches.

        Each speaker's groups go to the batches that have the fewest so far, so that none has more than one more than
        another, and all have N.
        """
        draw = self.draw_of(epoch)
        batches: list[list[np.ndarray]] = [[] for _ in range(self.steps_per_epoch)]
        filled = np.zeros(self.steps_per_epoch)
        for speaker in draw.permutation(len(self.utts)):
            number = self.groups[speaker]
            utts = draw.permutation(self.utts[speaker])[: self.most or None]
            groups = np.resize(utts, (number, self.chunks_per_speaker))
            emptiest = np.argpartition(filled + draw.random(len(filled)), number - 1)[:number]
            filled[emptiest] += 1
            for batch, group in zip(emptiest, groups, strict=True):
                batches[batch].append(group)
        return np.stack([np.concatenate([b[i] for i in draw.permutation(len(b))[: self.N]]) for b in batches])
