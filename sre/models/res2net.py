"""Res2Net over time and frequency, as WeSpeaker's Res2Net34.

S.-H. Gao et al., Res2Net: A new multi-scale backbone architecture, TPAMI 2021; for speakers T. Zhou et al., ResNeXt and
Res2Net structures for speaker verification, SLT 2021. Shapes: B batch, T frames, F features, C channels, D embedding.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from sre.models.base import PooledNetwork
from sre.models.pooling import TSTP
from sre.models.resnet import conv_norm, projection, residual_stages


def clipped_relu(x: Tensor) -> Tensor:
    return functional.hardtanh(x, 0.0, 20.0)


class Sum(nn.Module):
    """How Gao's block takes a branch's output into the next group: (B, W, F, T) twice -> (B, W, F, T)."""

    def __init__(self, width: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


class Branch(nn.Module):
    """K_i(fusion(y_{i-1}, x_i)), K_i a 3x3 convolution: (B, W, F, T) twice -> (B, W, F, T)."""

    def __init__(self, width: int, fusion: nn.Module) -> None:
        super().__init__()
        self.fusion, self.conv = fusion, nn.Sequential(*conv_norm(width, width, 3))

    def forward(self, previous: Tensor, group: Tensor) -> Tensor:
        return clipped_relu(self.conv(self.fusion(previous, group)))


class Res2NetBlock(nn.Module):
    """Bottleneck whose 3x3 convolution is a chain over groups: (B, C, F, T) -> (B, E C', F/stride, T/stride).

    A 1x1 convolution gives `scale` groups x_i of W = floor(C' base_width / 64) channels; y_1 = K_1(x_1),
    y_i = K_i(fusion(y_{i-1}, x_i)); what is left passes as it is (in Gao's eq. 1 the first group, in WeSpeaker's
    Res2Net the last, in ERes2Net none); a 1x1 convolution joins the groups.

    Parameters
    ----------
    in_channels, channels, stride : C, C', of frequency and time
    base_width, scale, expansion : W for C' = 64, number of groups, E
    branches : convolved groups, 1 to scale
    fusion : built from W
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        stride: int,
        base_width: int,
        scale: int,
        expansion: int,
        branches: int,
        fusion: Callable[[int], nn.Module] = Sum,
    ) -> None:
        super().__init__()
        width, self.scale, self.convolved = channels * base_width // 64, scale, branches
        self.reduce = nn.Sequential(*conv_norm(in_channels, width * scale, 1, stride))
        self.first = nn.Sequential(*conv_norm(width, width, 3))
        self.branches = nn.ModuleList(Branch(width, fusion(width)) for _ in range(branches - 1))
        self.expand = nn.Sequential(*conv_norm(width * scale, channels * expansion, 1))
        self.shortcut = projection(in_channels, channels * expansion, stride)

    def forward(self, x: Tensor) -> Tensor:
        groups = list(clipped_relu(self.reduce(x)).chunk(self.scale, dim=1))  # (B, C, F, T) -> scale x (B, W, F', T')
        y = [clipped_relu(self.first(groups[0]))]
        for i, branch in enumerate(self.branches):
            y.append(branch(y[i], groups[i + 1]))
        joined = self.expand(torch.cat(y + groups[self.convolved :], dim=1))  # -> (B, scale W, …) -> (B, E C', F', T')
        return clipped_relu(joined + self.shortcut(x))


class Res2Net(PooledNetwork):
    """The network Res2Net, (B, T, F) -> (B, D).

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels : C of the first stage; the four stages have C, 2C, 4C, 8C, times the expansion
    blocks : residual blocks of each stage
    base_width, scale, expansion : of each block, see Res2NetBlock
    """

    peer_options = {}

    def __init__(
        self,
        num_features: int,
        embedding_dim: int = 256,
        channels: int = 32,
        blocks: Sequence[int] = (3, 4, 6, 3),
        base_width: int = 32,
        scale: int = 2,
        expansion: int = 2,
    ) -> None:
        super().__init__(embedding_dim)
        block = partial(
            Res2NetBlock, base_width=base_width, scale=scale, expansion=expansion, branches=max(scale - 1, 1)
        )
        halvings = len(blocks) - 1
        self.stem = nn.Sequential(*conv_norm(1, channels, 3))
        self.stages = residual_stages(block, channels, blocks, (1, *[2] * halvings), expansion)
        self.add_embedding(TSTP(expansion * (channels << halvings) * -(-num_features >> halvings)))  # F/8, rounded up

    def frame_map(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2).unsqueeze(1)  # (B, T, F) -> (B, 1, F, T)
        x = torch.relu(self.stem(x))  # -> (B, C, F, T)
        return self.stages(x)  # -> (B, 8 E C, F/8, T/8)

    @classmethod
    def peer_key(cls, key: str) -> str:
        """Return our state-dict key of a key of WeSpeaker's Res2Nets."""
        key = re.sub(r"^conv1\.", "stem.0.", re.sub(r"^bn1\.", "stem.1.", key))
        key = re.sub(r"^layer(\d)", lambda match: f"stages.{int(match[1]) - 1}", key)
        for theirs, ours in (("1", "reduce"), ("3", "expand"), ("s.0", "first")):
            key = key.replace(f".conv{theirs}.", f".{ours}.0.").replace(f".bn{theirs}.", f".{ours}.1.")
        key = re.sub(r"\.convs\.(\d+)", lambda match: f".branches.{int(match[1]) - 1}.conv.0", key)
        key = re.sub(r"\.bns\.(\d+)", lambda match: f".branches.{int(match[1]) - 1}.conv.1", key)
        return key.replace("seg_1.", "segment1.")
