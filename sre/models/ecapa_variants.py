"""ECAPA-TDNN as SpeechBrain (and after it 3D-Speaker) and NeMo have it; `sre.models.ecapa` is WeSpeaker's.

B. Desplanques et al., ECAPA-TDNN: Emphasized channel attention, propagation and aggregation in TDNN based speaker
verification, Interspeech 2020. N. Dawalatabad et al., ECAPA-TDNN embeddings for speaker diarization, Interspeech 2021
(NeMo's). Shapes: B batch, T frames, F features, C channels, P pooled channels, D embedding.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sre.models.base import Network
from sre.models.ecapa import DILATIONS, SCALE, SQUEEZED, FrameLayer, SqueezeExcitation
from sre.models.quartznet import ContextPooling

PADDED_TO = 16  # frames of NeMo's feature maps, whose padding its ECAPA convolves


class FirstPasses(nn.Module):
    """Hierarchical dilated convolutions over S groups of channels: (B, C, T) -> (B, C, T).

    The first group passes as it is; each other is convolved after adding the group before's result.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        width = channels // SCALE
        self.layers = nn.ModuleList(
            FrameLayer(width, width, 3, dilation, padding_mode="reflect") for _ in range(SCALE - 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        first, *groups = x.chunk(SCALE, dim=1)  # (B, C, T) -> S x (B, C/S, T)
        y, outputs = torch.zeros_like(first), [first]
        for group, layer in zip(groups, self.layers, strict=True):
            y = layer(group + y)
            outputs.append(y)
        return torch.cat(outputs, dim=1)


class ReflectedBlock(nn.Module):
    """SE-Res2 block with a shortcut, whose convolutions mirror the sequence at its ends: (B, C, T) -> (B, C, T)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = FrameLayer(channels, channels)
        self.res2 = FirstPasses(channels, dilation)
        self.last = FrameLayer(channels, channels)
        self.se = SqueezeExcitation(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.se(self.last(self.res2(self.first(x))))


class ECAPASpeechBrain(Network):
    """SpeechBrain's ECAPA_TDNN, (B, T, F) -> (B, D), T at least 5.

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels : C, a multiple of 8; the published one is 1024
    pooled_channels : P, published with 3 C
    """

    def __init__(
        self, num_features: int, embedding_dim: int = 192, channels: int = 1024, pooled_channels: int = 3072
    ) -> None:
        super().__init__(embedding_dim)
        self.first = FrameLayer(num_features, channels, 5, padding_mode="reflect")
        self.blocks = nn.ModuleList(ReflectedBlock(channels, dilation) for dilation in DILATIONS)
        self.aggregate = FrameLayer(len(DILATIONS) * channels, pooled_channels)
        self.pool = ContextPooling(pooled_channels, floor=1e-12)
        self.segment = nn.Sequential(nn.BatchNorm1d(self.pool.out_dim), nn.Linear(self.pool.out_dim, embedding_dim))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x.transpose(1, 2))  # (B, T, F) -> (B, C, T)
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        x = self.aggregate(torch.cat(outputs, dim=1))  # 3 x (B, C, T) -> (B, P, T)
        return self.segment(self.pool(x))  # -> (B, 2P) -> (B, D)


class NormedExcitation(nn.Module):
    """Scale each channel by a gate of its mean over the first `frames`, with batch norm: (B, C, T) -> (B, C, T)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, SQUEEZED)
        self.bn = nn.BatchNorm1d(SQUEEZED)
        self.linear2 = nn.Linear(SQUEEZED, channels)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        squeezed = self.bn(torch.relu(self.linear1(x[..., :frames].mean(dim=-1))))  # -> (B, S)
        return x * self.linear2(squeezed).sigmoid().unsqueeze(-1)


class GroupedBlock(nn.Module):
    """Block with one convolution over groups of channels, squeeze-excitation, shortcut: (B, C, T) -> (B, C, T)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = FrameLayer(channels, channels)
        self.grouped = FrameLayer(channels, channels, 3, groups=SCALE)
        self.last = FrameLayer(channels, channels)
        self.se = NormedExcitation(channels)

    def forward(self, x: Tensor, frames: int) -> Tensor:
        return x + self.se(self.last(self.grouped(self.first(x))), frames)


class ECAPANeMo(Network):
    """NeMo's ECAPA_TDNN, (B, T, F) -> (B, D): groups in place of Res2Net's chain, no dilation.

    NeMo pads the features with zeros, by at least one frame, to a multiple of 16, and its convolutions see the padding;
    statistics are of the T frames. So it is here, and the embedding is NeMo's.

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels : C, a multiple of 8; 3 C are pooled
    """

    def __init__(self, num_features: int, embedding_dim: int = 192, channels: int = 1024) -> None:
        super().__init__(embedding_dim)
        self.first = FrameLayer(num_features, channels, 5)
        self.blocks = nn.ModuleList(GroupedBlock(channels) for _ in DILATIONS)
        pooled = len(DILATIONS) * channels
        self.aggregate = FrameLayer(pooled, pooled)
        self.pool = ContextPooling(pooled)
        self.segment = nn.Sequential(nn.BatchNorm1d(self.pool.out_dim), nn.Linear(self.pool.out_dim, embedding_dim))

    def forward(self, x: Tensor) -> Tensor:
        frames = x.shape[1]
        x = functional.pad(x.transpose(1, 2), (0, PADDED_TO - frames % PADDED_TO))  # (B, T, F) -> (B, F, T + padding)
        x = self.first(x)  # -> (B, C, T + padding)
        outputs = []
        for block in self.blocks:
            x = block(x, frames)
            outputs.append(x)
        x = self.aggregate(torch.cat(outputs, dim=1)[..., :frames])  # -> (B, P, T)
        return self.segment(self.pool(x))  # -> (B, 2P) -> (B, D)
