"""ReDimNet2 B0-B6. I. Yakovlev and A. Okhotnikov, ReDimNet2: Scaling Speaker Verification via Time-Pooled Dimension
Reshaping, Interspeech 2026.

ReDimNet (redimnet.py) whose stages also stride over time, each from the full frame rate and back to it; the strided
convolutions are grouped. A pointwise convolution on each bin, attentive statistics with global context, batch norm and
one affine layer follow. WeSpeaker's B0, B1, B2, B3 and B5 have a smaller head, over all bins at once, and its B3 other
stages: 0.70, 1.25, 2.53, 2.36 and 7.90 million parameters. Shapes: B batch, T frames, F features, C channels,
D embedding.
"""

import math
from typing import NamedTuple

from torch import Tensor, nn

from sre.models.base import Network
from sre.models.pooling import ASTP
from sre.models.redimnet_blocks import (
    Backbone,
    ResidualBlock,
    Stage,
    StageSize,
    check_bins,
    peer_stage_key,
    time_context,
    to_2d,
)

TIME_STRIDES = (1, 1, 2, 2, 4, 4)  # of the stages
STRIDES = (1, 2, 1, 2, 1, 2)
BLOCKS = (2, 3, 4, 5, 4, 3)


class Size(NamedTuple):
    channels: int  # of the stem
    stages: tuple[StageSize, ...]
    head: int | None = None  # channels after the stages, of each bin; None: as they are
    flat: bool = False  # the head's channels are over all bins at once


def _stages(
    expansions: tuple[float, ...],
    reductions: tuple[int, ...],
    strides: tuple[int, ...] = STRIDES,
    blocks: tuple[int, ...] = BLOCKS,
) -> tuple[StageSize, ...]:
    return tuple(map(StageSize, strides, blocks, expansions, reductions, TIME_STRIDES))


_NARROW, _WIDE = (2, 1, 1, 1, 1, 1), (4, 3, 2, 1, 1, 1)

SIZES = {
    "b0": Size(12, _stages(_NARROW, (36, 36, 36, 36, 18, 18)), 64),
    "b1": Size(16, _stages(_NARROW, (32, 32, 32, 32, 16, 16))),
    "b2": Size(20, _stages(_NARROW, (40, 30, 30, 20, 20, 10), (1, 2, 1, 3, 1, 2))),
    "b3": Size(24, _stages(_WIDE, (24,) * 6)),
    "b4": Size(32, _stages(_WIDE, (24,) * 6)),
    "b5": Size(48, _stages(_WIDE, (48, 48, 48, 48, 32, 32)), 256),
    "b6": Size(64, _stages((3, 2, 2, 1, 0.75, 0.5), (64, 64, 48, 48, 32, 24), blocks=(3, 4, 5, 5, 4, 3)), 224),
}
WESPEAKER_SIZES = {
    **SIZES,
    "b0": SIZES["b0"]._replace(flat=True),
    "b1": SIZES["b1"]._replace(head=64, flat=True),
    "b2": SIZES["b2"]._replace(head=64, flat=True),
    "b3": Size(24, _stages(_NARROW, (36, 36, 36, 36, 18, 18)), 64, flat=True),
    "b5": SIZES["b5"]._replace(flat=True),
}


def _squeeze(wide: int, channels: int) -> nn.Module:
    """Back to the stage's channels after wider or narrower blocks: (B, wide, F, T) -> (B, C, F, T)."""
    if wide == channels:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(wide, channels, 1), nn.BatchNorm2d(channels, eps=1e-6))


def _build_stages(num_features: int, size: Size) -> list[Stage]:
    stages, channels = [], size.channels
    for stride, count, expansion, reduction, time_stride in size.stages:
        out = channels * stride
        wide, kernel = int(out * expansion), (stride, time_stride)
        scale = nn.Conv2d(channels, wide, kernel, stride=kernel, groups=math.gcd(channels, wide))
        blocks = [ResidualBlock(wide, group_size=1) for _ in range(count)]
        context = time_context(num_features * size.channels, reduction)
        stages.append(Stage(channels, scale, blocks, _squeeze(wide, out), context, time_stride))
        channels = out
    return stages


def _build_head(num_features: int, size: Size) -> tuple[nn.Module, int]:
    """Return the head, and how many channels it gives to the pooling."""
    in_channels = num_features * size.channels
    if size.head is None:
        return nn.Identity(), in_channels
    if size.flat:
        return nn.Conv1d(in_channels, size.head, 1), size.head
    stride = math.prod(stage.stride for stage in size.stages)
    return nn.Conv2d(size.channels * stride, size.head, 1), size.head * num_features // stride


class ReDimNet2(Network):
    """The network ReDimNet2, (B, T, F) -> (B, D), T at least 4.

    Up to three frames at the end are left out, so that 4 divides the number of the others.

    Parameters
    ----------
    num_features : F; published with 72
    embedding_dim : D
    size : "b0" to "b6"
    wespeaker : WeSpeaker's smaller B0, B1, B2, B3 and B5 instead of the published ones (B4 and B6 are the same)

    Raises
    ------
    SreError : the size's strides do not divide F
    """

    peer_options = {"wespeaker": True}
    peer_features = "tf_mel"
    peer_names = (
        ("backbone.fin_wght1d.w", f"backbone.mixes.{len(TIME_STRIDES)}.weight"),
        ("backbone.head.", "head."),
        ("linear.", "segment1."),
    )

    def __init__(self, num_features: int, embedding_dim: int = 192, size: str = "b6", wespeaker: bool = False) -> None:
        super().__init__(embedding_dim)
        chosen = (WESPEAKER_SIZES if wespeaker else SIZES)[size]
        check_bins(f"ReDimNet2 {size}", num_features, chosen.stages)
        self.backbone = Backbone(
            num_features, chosen.channels, _build_stages(num_features, chosen), num_features * chosen.channels
        )
        self.head, pooled = _build_head(num_features, chosen)
        self.pool = ASTP(pooled, global_context=True)
        self.bn = nn.BatchNorm1d(self.pool.out_dim)
        self.segment1 = nn.Linear(self.pool.out_dim, embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.backbone(x[:, : x.shape[1] // 4 * 4])  # (B, T, F) -> (B, F C, T), T a multiple of 4
        if isinstance(self.head, nn.Conv2d):
            x = to_2d(x, self.head.in_channels)  # -> (B, 8C, F/8, T)
        x = self.head(x).flatten(1, -2)  # -> (B, C', T)
        return self.segment1(self.bn(self.pool(x)))  # -> (B, 2C') -> (B, D)

    @classmethod
    def peer_key(cls, key: str) -> str:
        """Return our name of a key of WeSpeaker's state dict."""
        if key.startswith("backbone.stage"):
            return peer_stage_key(key, first_block=3)
        return super().peer_key(key)
