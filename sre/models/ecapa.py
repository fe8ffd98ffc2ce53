"""ECAPA-TDNN. B. Desplanques et al., ECAPA-TDNN: Emphasized channel attention, propagation and aggregation in TDNN
based speaker verification, Interspeech 2020; in detail as WeSpeaker's ECAPA_TDNN (ReLU before batch norm).

Shapes: B batch, T frames, F features, C channels, S scale of the Res2Net convolution, D embedding.
"""

import re
from typing import Literal

import torch
from torch import Tensor, nn

from sre.models.base import Network
from sre.models.pooling import POOLINGS

DILATIONS = (2, 3, 4)  # of the three SE-Res2 blocks
PEER_PARTS = ("first", "res2", "last", "se")  # WeSpeaker numbers the parts of a block
PEER_NAMES = {"layer1": "first", "conv": "aggregate", "bn": "pool_bn", "linear": "segment1"}  # WeSpeaker's, ours
SCALE = 8
SQUEEZED = 128  # width of the squeeze-excitation's bottleneck
AGGREGATED = 1536  # channels before the pooling, whatever C is


class FrameLayer(nn.Module):
    """Convolution over time, ReLU, batch norm: (B, C, T) -> (B, C', T).

    groups, padding_mode : PyTorch's, of the convolution: "zeros" or "reflect" beyond the ends
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        dilation: int = 1,
        groups: int = 1,
        padding_mode: Literal["zeros", "reflect"] = "zeros",
    ) -> None:
        super().__init__()
        padding = dilation * (kernel // 2)
        self.conv = nn.Conv1d(
            in_channels,
            out_channels,
            kernel,
            padding=padding,
            dilation=dilation,
            groups=groups,
            padding_mode=padding_mode,
        )
        self.bn = nn.BatchNorm1d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(torch.relu(self.conv(x)))


class Res2Conv(nn.Module):
    """Hierarchical dilated convolutions over S groups of channels: (B, C, T) -> (B, C, T).

    Each group but the last is convolved after adding the group before's result; the last one passes as it is.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        width = channels // SCALE
        self.convs = nn.ModuleList(
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation) for _ in range(SCALE - 1)
        )
        self.bns = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(SCALE - 1))

    def forward(self, x: Tensor) -> Tensor:
        *groups, last = x.chunk(SCALE, dim=1)  # (B, C, T) -> S x (B, C/S, T)
        y, outputs = torch.zeros_like(last), []
        for group, conv, bn in zip(groups, self.convs, self.bns, strict=True):
            y = bn(torch.relu(conv(group + y)))
            outputs.append(y)
        return torch.cat([*outputs, last], dim=1)


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate computed from the means over time: (B, C, T) -> (B, C, T)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(channels, SQUEEZED)
        self.linear2 = nn.Linear(SQUEEZED, channels)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.linear2(torch.relu(self.linear1(x.mean(dim=-1)))).sigmoid()  # -> (B, C)
        return x * gate.unsqueeze(-1)


class Block(nn.Module):
    """SE-Res2 block with a shortcut: (B, C, T) -> (B, C, T)."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = FrameLayer(channels, channels)
        self.res2 = Res2Conv(channels, dilation)
        self.last = FrameLayer(channels, channels)
        self.se = SqueezeExcitation(channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.se(self.last(self.res2(self.first(x))))


class ECAPA(Network):
    """The network ECAPA-TDNN, (B, T, F) -> (B, D).

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels : C, a multiple of 8; 512 and 1024 are published
    pooling : a name of sre.models.pooling.POOLINGS; "astp_global" is the paper's, "astp" has no global context
    """

    peer_options = {}

    def __init__(
        self, num_features: int, embedding_dim: int = 192, channels: int = 512, pooling: str = "astp_global"
    ) -> None:
        super().__init__(embedding_dim)
        self.first = FrameLayer(num_features, channels, kernel=5)
        self.blocks = nn.ModuleList(Block(channels, dilation) for dilation in DILATIONS)
        self.aggregate = nn.Conv1d(len(DILATIONS) * channels, AGGREGATED, 1)
        self.pool = POOLINGS[pooling](AGGREGATED)
        self.pool_bn = nn.BatchNorm1d(self.pool.out_dim)
        self.segment1 = nn.Linear(self.pool.out_dim, embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x.transpose(1, 2))  # (B, T, F) -> (B, C, T)
        outputs = []
        for block in self.blocks:
            x = block(x)
            outputs.append(x)
        x = torch.relu(self.aggregate(torch.cat(outputs, dim=1)))  # 3 x (B, C, T) -> (B, 1536, T)
        return self.segment1(self.pool_bn(self.pool(x)))  # -> (B, 3072) -> (B, D)

    @classmethod
    def peer_key(cls, key: str) -> str:
        """Return our name of a parameter of WeSpeaker's ECAPA_TDNN."""
        if block := re.match(r"layer(\d)\.se_res2block\.(\d)\.", key):
            return f"blocks.{int(block[1]) - 2}.{PEER_PARTS[int(block[2])]}.{key[block.end() :]}"
        part, _, rest = key.partition(".")
        return f"{PEER_NAMES.get(part, part)}.{rest}"
