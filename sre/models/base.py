"""The contract of every embedding network. Shapes: B batch, T frames, F features, D embedding."""

import difflib
from collections.abc import Mapping, Sequence
from typing import ClassVar, Self

from torch import Tensor, nn

from sre import SreError
from sre.models.pooling import Pooling


class Network(nn.Module):
    """An embedding network, (B, T, F) -> (B, D).

    A subclass is built from F and, as keyword arguments, its options in recipes/config.schema.yaml; it gives D to this
    class. Its `forward` gives what the loss sees in training. A network with an own `embed` has an own `for_loss`.

    peer_options : the options with which the network is WeSpeaker's, and `sre import` reads WeSpeaker's weights; None:
        it cannot read them. A network with such options has `peer_names`, or a `peer_key` of its own.
    peer_names : parts of WeSpeaker's state-dict keys and what they are in ours, replaced in this order
    peer_features : the feature type that WeSpeaker trains it on
    exact : names of its first parts, which read and compute in float32 whatever the precision of inference
    """

    peer_options: ClassVar[Mapping[str, object] | None] = None
    peer_names: ClassVar[Sequence[tuple[str, str]]] = ()
    peer_features: ClassVar[str] = "fbank"
    exact: ClassVar[Sequence[str]] = ()

    def __init__(self, embedding_dim: int) -> None:
        super().__init__()
        self.embedding_dim = embedding_dim

    def embed(self, x: Tensor) -> Tensor:
        """Return the embeddings that are extracted, (B, T, F) -> (B, D); without its own: what the loss sees."""
        return self.forward(x)

    def for_loss(self, embedding: Tensor) -> Tensor:
        """Return what the loss sees of extracted embeddings, (B, D) -> (B, D): `forward` is this of `embed`."""
        return embedding

    def pooling(self) -> Pooling | None:
        """Return the part that makes one vector of all frames; None: there is none, as in recurrent networks."""
        return next((part for part in self.children() if isinstance(part, Pooling)), None)

    def constrain(self) -> None:
        """Move the weights towards what they must fulfil; the trainer calls it after every fourth step."""

    @classmethod
    def peer_key(cls, key: str) -> str:
        """Return our state-dict key of a key of WeSpeaker's network."""
        for theirs, ours in cls.peer_names:
            key = key.replace(theirs, ours)
        return key

    def reparameterise(self) -> Self:
        """Return the network for inference, the same function in fewer operations; without its own form: itself."""
        return self


class PooledNetwork(Network):
    """A network of frame-level layers, a pooling and one affine layer, (B, T, F) -> (B, D).

    A subclass makes its frame-level layers, then the rest by `add_embedding`.
    """

    def add_embedding(self, pool: Pooling) -> None:
        """Make the affine layer behind this pooling, (B, P) -> (B, D)."""
        self.pool = pool
        self.segment1 = nn.Linear(pool.out_dim, self.embedding_dim)

    def frame_map(self, x: Tensor) -> Tensor:
        """Return the map that is pooled: (B, T, F) -> (B, C, T') or, over bins too, (B, C, F', T')."""
        raise NotImplementedError

    def first_affine(self, x: Tensor) -> Tensor:
        """Return the affine layer's output, (B, T, F) -> (B, D)."""
        return self.segment1(self.pool(self.frame_map(x)))  # -> (B, P) -> (B, D)

    def forward(self, x: Tensor) -> Tensor:
        return self.first_affine(x)


def part_of(network: nn.Module, name: str, key: str, others: Sequence[str] = ()) -> nn.Module:
    """Return the part of a network with a dotted name.

    Raises SreError for `key` of a config where there is none, naming the nearest part, or the nearest of `others`.
    """
    parts = {path: module for path, module in network.named_modules() if path}
    if name not in parts:
        near = difflib.get_close_matches(name, [*others, *parts], 1, 0.0)[0]
        tops = ", ".join(path for path, _ in network.named_children())
        raise SreError(
            f"{key}: '{name}' is no part of {type(network).__name__}, which has {tops} and their parts; the nearest is"
            f" '{near}'"
        )
    return parts[name]
