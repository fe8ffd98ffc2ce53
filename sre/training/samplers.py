"""More ways to choose who is in a batch: few utterances of a speaker, speakers alike, triplets. See batches.py.

Legend: B chunks in a batch, S steps in an epoch, K speakers.
"""

from dataclasses import dataclass, field

import numpy as np

from sre import SreError
from sre.training.batches import Batches, SpeakerBatches, UtteranceBatches, by_speaker
from sre.training.options import TrainingOptions
from sre.training.schedule import Span


@dataclass
class CappedBatches(UtteranceBatches):
    """At most `most` utterances of each speaker an epoch, drawn anew for each epoch, in a new order.

    labels : (num_utts,) int, the speaker of each utterance
    """

    num_utts: int = field(init=False)  # in an epoch
    labels: np.ndarray = field(kw_only=True)
    most: int = field(kw_only=True)

    def __post_init__(self) -> None:
        self.utts = by_speaker(self.labels)
        self.num_utts = sum(min(len(utts), self.most) for utts in self.utts)
        super().__post_init__()

    def order(self, epoch: int) -> np.ndarray:
        """Return the (S, B) utterance indices of an epoch's batches."""
        draw = self.draw_of(epoch)
        drawn = np.concatenate([draw.permutation(utts)[: self.most] for utts in self.utts])
        return draw.permutation(drawn)[: self.steps_per_epoch * self.batch_size].reshape(self.steps_per_epoch, -1)


@dataclass
class BalancedBatches(Batches):
    """Each speaker as often as any other, whatever the number of its utterances, each of which is equally likely.

    The speakers of an epoch's chunks are all K in a new order, again and again. An epoch has as many steps as batches
    fit into all utterances, at least one.

    labels : (num_utts,) int, the speaker of each utterance
    """

    labels: np.ndarray = field(kw_only=True)

    def __post_init__(self) -> None:
        self.utts = by_speaker(self.labels)
        self.steps_per_epoch = max(1, len(self.labels) // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Return the (S, B) utterance indices of an epoch's batches."""
        draw, count = self.draw_of(epoch), self.steps_per_epoch * self.batch_size
        rounds = -(-count // len(self.utts))
        speakers = np.concatenate([draw.permutation(len(self.utts)) for _ in range(rounds)])[:count]
        return _one_of_each(self.utts, speakers, draw.random(count)).reshape(self.steps_per_epoch, -1)


@dataclass
class TripletBatches(Batches):
    """Triplets drawn afresh, three rows each: two different utterances of one speaker, then one of another speaker.

    Speakers are drawn uniformly, whatever the number of their utterances; the first one among those with two or more.
    The three have one augmented copy. An epoch has as many steps as batches fit into all utterances, at least one.

    labels : (num_utts,) int, the speaker of each utterance

    Raises SreError if 3 does not divide the batch size, with one speaker, or if none has two utterances.
    """

    labels: np.ndarray = field(kw_only=True)

    def __post_init__(self) -> None:
        self.chunks_per_speaker = 3
        if self.batch_size % 3:
            raise SreError(f"training.batch_size {self.batch_size} is no multiple of 3, as triplets need; change it")
        self.utts = by_speaker(self.labels)
        self.able = np.array([number for number, utts in enumerate(self.utts) if len(utts) > 1])
        if len(self.utts) < 2 or not len(self.able):
            raise SreError(
                f"triplets need two speakers, one of them with two utterances; there are {len(self.utts)},"
                f" {len(self.able)} with two utterances: add data, or take another training.sampler"
            )
        self.steps_per_epoch = max(1, len(self.labels) // self.batch_size)

    def order(self, epoch: int) -> np.ndarray:
        """Return the (S, B) utterance indices of an epoch's batches, B = 3 for each triplet: a, p, n, a, p, n …"""
        draw, count = self.draw_of(epoch), self.steps_per_epoch * self.batch_size // 3
        first = self.able[draw.integers(len(self.able), size=count)]
        second = draw.integers(len(self.utts) - 1, size=count)
        second += second >= first  # any but the first
        sizes = np.array([len(utts) for utts in self.utts])
        anchor = draw.integers(sizes[first])
        positive = draw.integers(sizes[first] - 1)
        positive += positive >= anchor
        pairs = [[self.utts[s][a], self.utts[s][p]] for s, a, p in zip(first, anchor, positive, strict=True)]
        negative = _one_of_each(self.utts, second, draw.random(count))
        return np.column_stack([pairs, negative]).reshape(self.steps_per_epoch, -1)


def _one_of_each(utts: list[np.ndarray], speakers: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return an utterance of each of these speakers, of (n,) uniform draws."""
    return np.array([utts[s][int(u * len(utts[s]))] for s, u in zip(speakers, draws, strict=True)])


def batches_of(options: TrainingOptions, labels: np.ndarray, num_draws: int) -> Batches:
    """Return the batches of a training. labels : (num_utts,) int. Raises SreError where they cannot be made."""
    batches = _batches_of(options, labels, num_draws)
    batches.steps = Span.of(options, batches.steps_per_epoch).updates
    return batches


def _batches_of(options: TrainingOptions, labels: np.ndarray, num_draws: int) -> Batches:
    o, most = options, options.utterances_per_speaker
    drawn = o.batch_size, o.epochs, o.chunk_frames, o.seed, num_draws
    if o.sampler == "balanced":
        return BalancedBatches(*drawn, labels=labels)
    if o.sampler == "triplets":
        return TripletBatches(*drawn, labels=labels)
    if o.chunks_per_speaker:
        return SpeakerBatches(*drawn, chunks_per_speaker=o.chunks_per_speaker, labels=labels, most=most)
    return CappedBatches(*drawn, labels=labels, most=most) if most else UtteranceBatches(*drawn, num_utts=len(labels))
