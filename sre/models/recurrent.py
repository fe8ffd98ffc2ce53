"""LSTM encoders.

L. Wan et al., Generalized end-to-end loss for speaker verification, ICASSP 2018 (GE2E), with the projection of H. Sak
et al., Interspeech 2014; and the encoders of Q. Wang's "Speaker Recognition From Scratch", trained on LibriSpeech's
triplets: 3 layers of 64 in one direction, of which the last frame counts, and of 64 each way, averaged over the frames.

Shapes: B batch, T frames, F features, H hidden, P projection, D embedding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sre import SreError
from sre.models.base import Network
from sre.models.pooling import at_least_float32


def outputs_of(lstm: nn.LSTM, x: Tensor) -> Tensor:
    """Return an LSTM's outputs, (B, T, F) -> (B, T, P or H), on a CPU in float32 also under autocast.

    oneDNN has no bf16 LSTM without AVX-512."""
    if x.device.type != "cpu":
        return lstm(x)[0]
    with torch.autocast("cpu", enabled=False):
        return lstm(x.to(next(lstm.parameters()).dtype))[0]


def joined(outputs: Tensor, frames: str) -> Tensor:
    """Return the "mean" over all frames' outputs, or those of the "last" frame: (B, T, D) -> (B, D)."""
    return outputs.mean(dim=1) if frames == "mean" else outputs[:, -1]


class GE2ELSTM(Network):
    """Linear layer on the last frame's output, of unit length: (B, T, F) -> (B, D).

    The default, 3 layers of 256, is the shape in general use; the paper's for text-independent verification is
    hidden_dim 768 with projection_dim 256, its text-dependent one 128 with 64 (and embedding_dim 64).

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    hidden_dim : H, memory cells of each layer
    projection_dim : P, what each layer outputs and feeds back, below H; 0: all H
    layers : of the LSTM
    """

    def __init__(
        self,
        num_features: int,
        embedding_dim: int = 256,
        hidden_dim: int = 256,
        projection_dim: int = 0,
        layers: int = 3,
    ) -> None:
        super().__init__(embedding_dim)
        if projection_dim >= hidden_dim:
            raise SreError(f"projection_dim {projection_dim} is not below hidden_dim {hidden_dim}: lower it, or set 0")
        self.lstm = nn.LSTM(num_features, hidden_dim, layers, batch_first=True, proj_size=projection_dim)
        self.segment1 = nn.Linear(projection_dim or hidden_dim, embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        folded = self.lstm.proj_size and torch.onnx.is_in_onnx_export()
        outputs = self._folded(x) if folded else outputs_of(self.lstm, x)  # (B, T, F) -> (B, T, P or H)
        last = outputs[:, -1]  # -> (B, P or H)
        return functional.normalize(self.segment1(last), dim=-1)  # -> (B, D)

    def _folded(self, x: Tensor) -> Tensor:
        """Return the same by LSTMs without projection, as ONNX knows no other: P h fed back by W is h by W P."""
        zeros = x.new_zeros(1, x.shape[0], self.lstm.hidden_size)
        for input_weight, recurrent_weight, input_bias, recurrent_bias, projection in self.lstm.all_weights:
            weights = [input_weight, recurrent_weight @ projection, input_bias, recurrent_bias]
            hidden, _, _ = torch.lstm(x, (zeros, zeros), weights, True, 1, 0.0, False, False, True)  # -> (B, T, H)
            x = functional.linear(hidden, projection)  # -> (B, T, P)
        return x


class LSTM(Network):
    """LSTM in one direction, of which the last frame has read all: (B, T, F) -> (B, D). No layer follows it.

    Parameters
    ----------
    num_features : F
    embedding_dim : D, memory cells of each layer
    layers : of the LSTM
    frames : the "last" frame's output, or the "mean" of all
    """

    def __init__(self, num_features: int, embedding_dim: int = 64, layers: int = 3, frames: str = "last") -> None:
        super().__init__(embedding_dim)
        self.lstm = nn.LSTM(num_features, embedding_dim, layers, batch_first=True)
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        return joined(at_least_float32(outputs_of(self.lstm, x)), self.frames)  # (B, T, F) -> (B, D)


class BLSTM(Network):
    """Bidirectional LSTM, its outputs averaged over the frames: (B, T, F) -> (B, D).

    Parameters
    ----------
    num_features : F
    embedding_dim : D, both directions together: even
    layers : of the LSTM
    frames : "mean" of all frames' outputs, or the "last" frame's (of which the backward half has read one frame only)
    """

    def __init__(self, num_features: int, embedding_dim: int = 128, layers: int = 3, frames: str = "mean") -> None:
        super().__init__(embedding_dim)
        if embedding_dim % 2:
            raise SreError(f"embedding_dim {embedding_dim} is odd: set an even one, half of it for each direction")
        self.lstm = nn.LSTM(num_features, embedding_dim // 2, layers, batch_first=True, bidirectional=True)
        self.frames = frames

    def forward(self, x: Tensor) -> Tensor:
        return joined(at_least_float32(outputs_of(self.lstm, x)), self.frames)  # (B, T, F) -> (B, D)
