"""ReDimNet B0-B6. I. Yakovlev et al., Reshape Dimensions Network for Speaker Recognition, Interspeech 2024.

The network goes between 2-D maps, on which convolutions over frequency and time work, and 1-D maps of the same size,
on which convolutions and attention over time work; each stage starts from a weighted sum of all earlier 1-D maps.
Attentive statistics with global context and one affine layer follow. The sizes are WeSpeaker's, whose parameter counts
are not all the published ones (here/published, in millions): B0 1.00/1.0, B1 2.12/2.2, B2 4.89/4.7, B3 3.22/3.0,
B4 6.43/6.3, B5 7.65/9.2, B6 15.01/15.0. Shapes: B batch, T frames, F features, C channels, D embedding.
"""

from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor, nn

from sre.models.base import PooledNetwork
from sre.models.pooling import ASTP
from sre.models.redimnet_blocks import (
    Backbone,
    ConvNextBlock,
    ResidualBlock,
    Stage,
    StageSize,
    check_bins,
    peer_stage_key,
    time_context,
)


class Size(NamedTuple):
    channels: int  # of the stem
    block: str  # of the 2-D maps: convnext, residual, or gated (residual with a gate on the bins)
    group_size: int  # channels in a group of the 3x3 convolutions
    stages: tuple[StageSize, ...]


def _size(channels: int, block: str, group_size: int, *columns: Sequence) -> Size:
    """Return a size from the columns of its table: for each stage stride, blocks, expansion, reduction."""
    return Size(channels, block, group_size, tuple(map(StageSize, *columns)))


_B4_COLUMNS = ((1, 2, 1, 2, 1, 2), (4, 4, 6, 6, 8, 4), (2, 2, 2, 1, 1, 1), (48, 48, 48, 32, 24, 16))

SIZES = {
    "b0": _size(10, "residual", 1, (1, 2, 1, 2, 1), (2, 3, 3, 4, 3), (1, 2, 3, 2, 1), (30, 30, 30, 10, 10)),
    "b1": _size(12, "convnext", 8, (1, 2, 3, 2, 2), (2, 3, 4, 5, 3), (1, 1, 1, 1, 1), (None, None, 12, 12, 8)),
    "b2": _size(16, "convnext", 4, (1, 2, 1, 2, 1, 2), (2, 2, 3, 4, 4, 4), (1, 1, 1, 1, 1, 1), (12, 12, 12, 8, 8, 4)),
    "b3": _size(16, "gated", 1, (1, 2, 1, 2, 1, 2), (6, 6, 8, 10, 10, 8), (4, 2, 2, 2, 1, 1), (32, 32, 32, 16, 16, 16)),
    "b4": _size(32, "gated", 1, *_B4_COLUMNS),
    "b5": _size(32, "gated", 16, *_B4_COLUMNS),
    "b6": _size(
        32, "residual", 32, (1, 2, 1, 3, 1, 2), (4, 6, 6, 8, 8, 8), (4, 2, 2, 1, 1, 1), (32, 32, 24, 24, 16, 16)
    ),
}


def _block(kind: str, channels: int, bins: int, group_size: int) -> nn.Module:
    if kind == "convnext":
        return ConvNextBlock(channels, 2, 3, group_size)
    return ResidualBlock(channels, group_size, bins if kind == "gated" else None)


def _squeeze(wide: int, channels: int, group_size: int) -> nn.Module:
    """Back to the stage's channels after wider blocks: (B, wide, F, T) -> (B, C, F, T)."""
    if wide == channels:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(wide, channels, 3, padding=1, groups=channels // group_size),
        nn.BatchNorm2d(channels, eps=1e-6),
        nn.GELU(),
        nn.Conv2d(channels, channels, 1),
    )


def _build_stages(num_features: int, size: Size) -> list[Stage]:
    stages, channels, bins = [], size.channels, num_features
    for stride, count, expansion, reduction, _ in size.stages:
        out, bins = channels * stride, bins // stride
        wide = int(out * expansion)
        scale = nn.Conv2d(channels, wide, (stride, 1), stride=(stride, 1))
        blocks = [_block(size.block, wide, bins, size.group_size) for _ in range(count)]
        context = time_context(num_features * size.channels, reduction)
        stages.append(Stage(channels, scale, blocks, _squeeze(wide, out, size.group_size), context))
        channels = out
    return stages


class ReDimNet(PooledNetwork):
    """The network ReDimNet, (B, T, F) -> (B, D).

    Parameters
    ----------
    num_features : F; published with 60 for B0 and 72 for the others
    embedding_dim : D
    size : "b0" to "b6"

    Raises
    ------
    SreError : the size's strides do not divide F
    """

    peer_options = {}

    def __init__(self, num_features: int, embedding_dim: int = 192, size: str = "b2") -> None:
        super().__init__(embedding_dim)
        chosen = SIZES[size]
        check_bins(f"ReDimNet {size}", num_features, chosen.stages)
        self.backbone = Backbone(num_features, chosen.channels, _build_stages(num_features, chosen), first_weight=1)
        self.add_embedding(ASTP(num_features * chosen.channels, global_context=True))

    def frame_map(self, x: Tensor) -> Tensor:
        return self.backbone(x)  # (B, T, F) -> (B, F C, T)

    @classmethod
    def peer_key(cls, key: str) -> str:
        """Return our name of a key of WeSpeaker's state dict."""
        if key.startswith("backbone.stage"):
            return peer_stage_key(key, first_block=1)
        if key.startswith("backbone.inputs_weights."):
            return key.replace("inputs_weights", "mixes") + ".weight"
        return key.replace("seg_1.", "segment1.")
