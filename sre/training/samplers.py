"""More ways to choose who is in a batch: few utterances of a speaker, speakers alike, triplets, pairs of sessions.

See batches.py.

Legend: B chunks in a batch, S steps in an epoch, K speakers.
"""

from dataclasses import dataclass, field

import numpy as np

from sre import SreError
from sre.machine.log import say
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


@dataclass(frozen=True)
class SpeakerSessions:
    """The utterances of a speaker, one session after another.

    utts : (n,) indices; begin, size : (n,) place of the first utterance of each one's session, and how many it has
    """

    utts: np.ndarray
    begin: np.ndarray
    size: np.ndarray

    @classmethod
    def of(cls, utts: np.ndarray, sessions: np.ndarray) -> "SpeakerSessions":
        """Return those of a speaker, of the (n,) sessions of its utterances."""
        order = np.argsort(sessions, kind="stable")
        _, begin, inverse, counts = np.unique(
            sessions[order], return_index=True, return_inverse=True, return_counts=True
        )
        return cls(utts[order], begin[inverse], counts[inverse])

    @property
    def is_able(self) -> bool:
        """Whether two utterances are of one session, and two of different ones."""
        return bool((self.size > 1).any() and (self.size < len(self.utts)).any())

    def pairs(self, count: int, draw: np.random.Generator) -> np.ndarray:
        """Return (4 count,) indices of pairs, two each: so many within a session, then as many across two."""
        within = np.flatnonzero(self.size > 1)
        a = within[draw.integers(len(within), size=count)]
        b = self.begin[a] + draw.integers(self.size[a] - 1)
        b += b >= a  # any but the first
        c = draw.integers(len(self.utts), size=count)
        d = draw.integers(len(self.utts) - self.size[c])
        d += np.where(d >= self.begin[c], self.size[c], 0)  # any session but its own
        return self.utts[np.column_stack([np.concatenate([a, c]), np.concatenate([b, d])]).ravel()]


@dataclass
class SessionBatches(Batches):
    """Pairs of utterances of one speaker, drawn afresh: as many within a session as across two.

    A batch has B / M different speakers, one after another, each drawn as often as any other. Of its M rows the first
    M / 2 are pairs within a session, two rows each, the others pairs across two. A speaker without a pair of one of the
    kinds is in no batch; `unable` counts them. An epoch has as many steps as batches fit into all utterances, at least
    one.

    labels, sessions : (num_utts,) int, the speaker and the session of each utterance

    Raises SreError where a batch has more speakers than can give pairs, or none can.
    """

    labels: np.ndarray = field(kw_only=True)
    sessions: np.ndarray = field(kw_only=True)
    unable: int = field(init=False)

    def __post_init__(self) -> None:
        everyone = [SpeakerSessions.of(utts, self.sessions[utts]) for utts in by_speaker(self.labels)]
        self.able = [one for one in everyone if one.is_able]
        self.unable = len(everyone) - len(self.able)
        self.num_speakers = self.batch_size // self.chunks_per_speaker
        if len(self.able) < self.num_speakers:
            raise SreError(
                f"a batch has {self.num_speakers} speakers, and {len(self.able)} of {len(everyone)} have utterances of"
                " one session and of two; lower training.batch_size, or take another loss"
            )
        self.steps_per_epoch = max(1, len(self.labels) // self.batch_size)

    @property
    def remark(self) -> str:
        everyone = len(self.able) + self.unable
        said = f"of {everyone} speakers are in no batch: they lack two utterances of one session, or of two sessions"
        return f"{self.unable} {said}" if self.unable else ""

    def order(self, epoch: int) -> np.ndarray:
        """Return the (S, B) utterance indices of an epoch's batches."""
        draw, count = self.draw_of(epoch), self.chunks_per_speaker // 4
        chosen = [draw.permutation(len(self.able))[: self.num_speakers] for _ in range(self.steps_per_epoch)]
        return np.stack([np.concatenate([self.able[one].pairs(count, draw) for one in some]) for some in chosen])


def _one_of_each(utts: list[np.ndarray], speakers: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Return an utterance of each of these speakers, of (n,) uniform draws."""
    return np.array([utts[s][int(u * len(utts[s]))] for s, u in zip(speakers, draws, strict=True)])


def batches_of(
    options: TrainingOptions, labels: np.ndarray, num_draws: int, sessions: np.ndarray | None = None
) -> Batches:
    """Return the batches of a training, after what should be known of them was said.

    labels, sessions : (num_utts,) int; the latter for the sampler that asks for them
    Raises SreError where they cannot be made.
    """
    batches = _batches_of(options, labels, num_draws, sessions)
    batches.steps = Span.of(options, batches.steps_per_epoch).updates
    if batches.remark:
        say(batches.remark)
    return batches


def _batches_of(options: TrainingOptions, labels: np.ndarray, num_draws: int, sessions: np.ndarray | None) -> Batches:
    o, most = options, options.utterances_per_speaker
    drawn = o.batch_size, o.epochs, o.chunk_frames, o.seed, num_draws
    if o.sampler == "balanced":
        return BalancedBatches(*drawn, labels=labels)
    if o.sampler == "triplets":
        return TripletBatches(*drawn, labels=labels)
    if o.sampler == "sessions":
        assert sessions is not None
        return SessionBatches(*drawn, chunks_per_speaker=o.chunks_per_speaker, labels=labels, sessions=sessions)
    if o.chunks_per_speaker:
        return SpeakerBatches(*drawn, chunks_per_speaker=o.chunks_per_speaker, labels=labels, most=most)
    return CappedBatches(*drawn, labels=labels, most=most) if most else UtteranceBatches(*drawn, num_utts=len(labels))
