"""X-vector TDNN. D. Snyder et al., X-vectors: Robust DNN embeddings for speaker recognition, ICASSP 2018.

Five frame-level layers (convolution, ReLU, batch norm without scale, as WeSpeaker's XVEC), statistics pooling and two
segment-level layers; and SpeechBrain's Xvector. Shapes: B batch, T frames, F features, C channels, D embedding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sre.models.base import PooledNetwork
from sre.models.pooling import TSTP, Pooling, mean_and_std

CONTEXTS = ((5, 1), (3, 2), (3, 3), (1, 1), (1, 1))  # kernel and dilation of each frame-level layer: 15 frames in all


class FrameLayer(nn.Module):
    """Dilated convolution over time, ReLU, batch norm: (B, C, T) -> (B, C', T - dilation (kernel - 1))."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.conv: nn.Module = nn.Conv1d(in_channels, out_channels, kernel, dilation=dilation)
        self.bn: nn.Module = nn.BatchNorm1d(out_channels, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(torch.relu_(self.conv(x)))


def frame_level(widths: Sequence[int], contexts: Sequence[tuple[int, int]]) -> nn.Sequential:
    """Return frame-level layers from the width of their input and of each, and each one's kernel and dilation."""
    return nn.Sequential(*map(FrameLayer, widths, widths[1:], *zip(*contexts, strict=True)))


class XVector(PooledNetwork):
    """The x-vector network, (B, T, F) -> (B, D), T at least 15.

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels, pooled_channels : width of the first four frame-level layers, and of the fifth
    embedding : "first" segment-level affine (Snyder; the second layer then only serves the training), or the "second"
        (WeSpeaker)
    """

    peer_options = {"embedding": "second"}
    peer_names = (
        *((f"frame_{number + 1}.", f"frames.{number}.") for number in range(5)),
        ("conv_1d.", "conv."),
        ("seg_bn_1.", "segment1_bn."),
        ("seg_1.", "segment1."),
        ("seg_2.", "segment2."),
    )

    def __init__(
        self,
        num_features: int,
        embedding_dim: int = 512,
        channels: int = 512,
        pooled_channels: int = 1500,
        embedding: str = "first",
    ) -> None:
        super().__init__(embedding_dim)
        self.frames = frame_level([num_features, *[channels] * 4, pooled_channels], CONTEXTS)
        self.add_embedding(TSTP(pooled_channels))
        self.segment1_bn = nn.BatchNorm1d(embedding_dim, affine=False)
        self.segment2 = nn.Linear(embedding_dim, embedding_dim)
        self.embedding = embedding

    def forward(self, x: Tensor) -> Tensor:
        """Return what the loss sees in training: the last segment-level layer's output."""
        return self._second(self.first_affine(x))

    def _second(self, x: Tensor) -> Tensor:
        """Return what follows the first affine layer, (B, D) -> (B, D)."""
        return self.segment2(self.segment1_bn(torch.relu(x)))

    def embed(self, x: Tensor) -> Tensor:
        """Return the embedding that is extracted."""
        return self.first_affine(x) if self.embedding == "first" else self(x)

    def for_loss(self, embedding: Tensor) -> Tensor:
        return self._second(embedding) if self.embedding == "first" else embedding

    def frame_map(self, x: Tensor) -> Tensor:
        return self.frames(x.transpose(1, 2))  # (B, T, F) -> (B, C, T - 14)


class ReflectedLayer(nn.Module):
    """Dilated convolution of what is mirrored at its ends, leaky ReLU, batch norm: (B, C, T) -> (B, C', T)."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, dilation: int) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv1d(
            in_channels, out_channels, kernel, dilation=dilation, padding=padding, padding_mode="reflect"
        )
        self.bn = nn.BatchNorm1d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(functional.leaky_relu(self.conv(x)))


class SpeechBrainStatistics(Pooling):
    """Mean and standard deviation over time, with SpeechBrain's offsets: (B, C, T) -> (B, 2C).

    There the mean has noise added that is drawn anew each time, from 1e-5 to 9e-5; here it is the noise's mean.
    """

    def __init__(self, in_dim: int) -> None:
        super().__init__(2 * in_dim)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        mean, std = mean_and_std(x, mask, offset=1e-12)  # at 0 a root has no gradient
        return torch.cat([mean + 5e-5, std + 1e-5], dim=1)


class XVectorSpeechBrain(PooledNetwork):
    """SpeechBrain's Xvector, (B, T, F) -> (B, D), T at least 4: as many frames as features, one affine layer.

    Parameters
    ----------
    num_features : F (published: 24)
    embedding_dim : D
    channels, pooled_channels : width of the first four frame-level layers, and of the fifth
    """

    def __init__(
        self, num_features: int, embedding_dim: int = 512, channels: int = 512, pooled_channels: int = 1500
    ) -> None:
        super().__init__(embedding_dim)
        widths = [num_features, *[channels] * 4, pooled_channels]
        self.frames = nn.Sequential(*map(ReflectedLayer, widths, widths[1:], *zip(*CONTEXTS, strict=True)))
        self.add_embedding(SpeechBrainStatistics(pooled_channels))

    def frame_map(self, x: Tensor) -> Tensor:
        return self.frames(x.transpose(1, 2))  # (B, T, F) -> (B, C, T)
