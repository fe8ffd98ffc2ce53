"""Small Transformer encoder of the LibriSpeech triplet system of Q. Wang's "Speaker Recognition From Scratch".

A. Vaswani et al., Attention is all you need, NeurIPS 2017, layer norm after each residual sum. As published there is no
positional encoding, so that an embedding does not depend on the order of its frames; one decoder layer, asked with a
zero vector, pools them. Attention is spelled out, since torch's fused layers cannot be exported to ONNX.

Shapes: B batch, T frames, F features, D embedding (the model's width), H heads, Q queries.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sre import SreError
from sre.models.base import Network


def attend(queries: Tensor, keys: Tensor, values: Tensor, heads: int, dropout: float = 0.0) -> Tensor:
    """Return what queries (B, Q, D) find by keys among values (both (B, T, D)), in each head of D/H: (B, Q, D)."""
    # (B, T, D) -> (B, H, T, D/H)
    query, key, value = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (queries, keys, values))
    attended = functional.scaled_dot_product_attention(query, key, value, dropout_p=dropout)
    return attended.transpose(1, 2).flatten(2)  # (B, H, Q, D/H) -> (B, Q, D)


class Attention(nn.Module):
    """Multi-head attention of queries (B, Q, D) to a memory (B, T, D): (B, Q, D)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.heads, self.dropout = heads, dropout

    def forward(self, queries: Tensor, memory: Tensor) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        return self.out(attend(self.query(queries), self.key(memory), self.value(memory), self.heads, dropout))


def _feedforward(width: int, hidden: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width))


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward part, each added to its input and normalised: (B, T, D) -> (B, T, D)."""

    def __init__(self, width: int, heads: int, feedforward_dim: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout)
        self.feedforward = _feedforward(width, feedforward_dim, dropout)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.dropout(self.attention(x, x)))
        return self.norm2(x + self.dropout(self.feedforward(x)))


class DecoderLayer(nn.Module):
    """The same with attention to a memory in between: queries (B, Q, D) and memory (B, T, D) -> (B, Q, D)."""

    def __init__(self, width: int, heads: int, feedforward_dim: int, dropout: float) -> None:
        super().__init__()
        self.attention, self.cross_attention = Attention(width, heads, dropout), Attention(width, heads, dropout)
        self.feedforward = _feedforward(width, feedforward_dim, dropout)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        x = self.norm1(x + self.dropout(self.attention(x, x)))
        x = self.norm2(x + self.dropout(self.cross_attention(x, memory)))
        return self.norm3(x + self.dropout(self.feedforward(x)))


class Transformer(Network):
    """A Transformer encoder and a decoder that pools, (B, T, F) -> (B, D).

    Parameters
    ----------
    num_features : F
    embedding_dim : D, a multiple of heads
    layers : of the encoder
    heads : H, of every attention
    feedforward_dim : hidden width of each layer's feed-forward part (2048: torch's default, which the authors left)
    dropout : of the attention weights and of what each part adds
    """

    def __init__(
        self,
        num_features: int,
        embedding_dim: int = 32,
        layers: int = 2,
        heads: int = 8,
        feedforward_dim: int = 2048,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(embedding_dim)
        if embedding_dim % heads:
            raise SreError(f"embedding_dim {embedding_dim} is not a multiple of the {heads} heads: change one of them")
        options = (embedding_dim, heads, feedforward_dim, dropout)
        self.input = nn.Linear(num_features, embedding_dim)
        self.encoder = nn.Sequential(*(EncoderLayer(*options) for _ in range(layers)))
        self.decoder = DecoderLayer(*options)

    def forward(self, x: Tensor) -> Tensor:
        memory = self.encoder(torch.sigmoid(self.input(x)))  # (B, T, F) -> (B, T, D)
        zeros = memory.new_zeros(memory.shape[0], 1, self.embedding_dim)
        return self.decoder(zeros, memory).squeeze(1)  # -> (B, 1, D) -> (B, D)
