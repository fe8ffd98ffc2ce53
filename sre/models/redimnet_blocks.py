"""What ReDimNet and ReDimNet2 are made of (their papers: redimnet.py, redimnet2.py).

A map is kept in one of two forms of the same size: 2-D (B, C, F, T), and 1-D (B, F C, T) with the bins outermost. When
convolutions stride over the bins the channels grow as much, so every stage's 1-D output has the same size and the next
stage starts from a weighted sum of all earlier ones. Shapes: B batch, C channels, F bins, T frames, H hidden.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from sre import SreError
from sre.models.transformer import attend

CONTEXTS = (7, 19, 31, 59)  # frames that the four convolutions of a TimeContext see
HEADS = 4


class StageSize(NamedTuple):
    """A row of the published size tables."""

    stride: int  # of the bins: the channels grow as much
    blocks: int  # 2-D blocks
    expansion: float  # the 2-D blocks have so many times the channels
    reduction: int | None  # the 1-D block has 1/reduction of the F C channels; None: no 1-D block
    time_stride: int = 1  # on top of the stages before (ReDimNet2)


def to_1d(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(1, 2)  # (B, C, F, T) -> (B, F C, T)


def to_2d(x: Tensor, channels: int) -> Tensor:
    return x.unflatten(1, (-1, channels)).transpose(1, 2)  # (B, F C, T) -> (B, C, F, T)


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of each point: (B, C, …) -> (B, C, …)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        end = x.dim() - 1  # ONNX's exporter does not know -1
        last = x.movedim(1, end)
        return functional.layer_norm(last, self.normalized_shape, self.weight, self.bias, self.eps).movedim(end, 1)


class ConvNextBlock(nn.Module):
    """Grouped convolution, batch norm, GELU, pointwise convolution, shortcut: (B, C, …) -> (B, C, …).

    dim is 1 (…: T) or 2 (…: F, T); a group has group_size channels.
    """

    def __init__(self, channels: int, dim: int, kernel: int, group_size: int = 1) -> None:
        super().__init__()
        conv, norm = (nn.Conv1d, nn.BatchNorm1d) if dim == 1 else (nn.Conv2d, nn.BatchNorm2d)
        self.spread = conv(channels, channels, kernel, padding=kernel // 2, groups=channels // group_size)
        self.norm = norm(channels)
        self.point = conv(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.point(functional.gelu(self.norm(self.spread(x))))


class FrequencyGate(nn.Module):
    """Squeeze and excitation of the bins (J. Thienpondt et al., 2021): (B, C, F, T) -> (B, C, F, T)."""

    def __init__(self, bins: int, hidden: int) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Linear(bins, hidden), nn.Linear(hidden, bins)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.excite(self.squeeze(x.mean(dim=(1, 3))).relu()).sigmoid()  # -> (B, F)
        return x * gate[:, None, :, None]


class ResidualBlock(nn.Module):
    """Two separable 3x3 convolutions with a shortcut: (B, C, F, T) -> (B, C, F, T); bins is F, None: no gate."""

    def __init__(self, channels: int, group_size: int, bins: int | None = None) -> None:
        super().__init__()
        self.conv1, self.bn1 = self._separable(channels, group_size), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = self._separable(channels, group_size), nn.BatchNorm2d(channels)
        self.gate = nn.Identity() if bins is None else FrequencyGate(bins, min(64, max(channels, 32)))

    @staticmethod
    def _separable(channels: int, group_size: int) -> nn.Sequential:
        groups = channels // group_size
        spread = nn.Conv2d(channels, channels, 3, padding=1, groups=groups, bias=False)
        return nn.Sequential(spread, nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x).relu())  # ReLU before the batch norm, as published
        return (x + self.gate(self.bn2(self.conv2(y)))).relu()


class EncoderLayer(nn.Module):
    """Post-norm Transformer encoder layer (A. Vaswani et al., 2017), feed-forward as wide as it: (B, T, H) -> same."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(hidden, hidden) for _ in range(3))
        self.out = nn.Linear(hidden, hidden)
        self.norm1, self.norm2 = nn.LayerNorm(hidden, eps=1e-6), nn.LayerNorm(hidden, eps=1e-6)
        self.feed = nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(approximate="tanh"), nn.Linear(hidden, hidden))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.out(attend(self.query(x), self.key(x), self.value(x), HEADS)))
        return self.norm2(x + self.feed(x))


class TimeContext(nn.Module):
    """The 1-D block: growing convolutions over time and self-attention, in few channels. (B, F C, T) -> (B, F C, T)."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.reduce = nn.Sequential(nn.Conv1d(channels, hidden, 1), ChannelNorm(hidden))
        self.convs = nn.Sequential(*(ConvNextBlock(hidden, 1, kernel) for kernel in CONTEXTS))
        self.encoder = EncoderLayer(hidden)
        self.expand = nn.Conv1d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.convs(self.reduce(x))  # -> (B, H, T)
        return x + self.expand(self.encoder(y.transpose(1, 2)).transpose(1, 2))


def time_context(channels: int, reduction: int | None) -> nn.Module:
    """Return the 1-D block of a stage, nothing without a reduction; every head gets as many channels."""
    if reduction is None:
        return nn.Identity()
    return TimeContext(channels, max(channels // reduction // HEADS, 1) * HEADS)


class Mix(nn.Module):
    """Weighted sum of `inputs` maps (B, F C, T); the weights are a softmax over the maps, for each channel.

    One map needs no weight; it is kept, untrained, because the published state dicts have it.
    """

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, inputs, channels, 1), requires_grad=inputs > 1)

    def forward(self, maps: list[Tensor]) -> Tensor:
        if len(maps) == 1:
            return maps[0]
        weight = self.weight.softmax(dim=1)  # (1, inputs, F C, 1)
        mixed = maps[0] * weight[:, 0]
        for i in range(1, len(maps)):
            mixed = mixed + maps[i] * weight[:, i]
        return mixed


class Stage(nn.Module):
    """Strided convolution, 2-D blocks, back to the stage's channels, 1-D block: (B, F C, T) -> (B, F C, T).

    in_channels is C of its input; with time_stride the blocks work on T / time_stride frames.
    """

    def __init__(
        self,
        in_channels: int,
        scale: nn.Module,
        blocks: Sequence[nn.Module],
        squeeze: nn.Module,
        context: nn.Module,
        time_stride: int = 1,
    ) -> None:
        super().__init__()
        self.scale, self.blocks, self.squeeze, self.context = scale, nn.Sequential(*blocks), squeeze, context
        self.in_channels, self.time_stride = in_channels, time_stride

    def forward(self, x: Tensor) -> Tensor:
        x = self.scale(to_2d(x, self.in_channels))  # -> (B, expansion C s, F/s, T/time_stride)
        x = self.squeeze(self.blocks(x))  # -> (B, C s, F/s, T/time_stride)
        x = self.context(to_1d(x))  # -> (B, F C, T/time_stride)
        if self.time_stride > 1:
            x = functional.interpolate(x, scale_factor=float(self.time_stride), mode="nearest")  # -> (B, F C, T)
        return x


class Backbone(nn.Module):
    """Stem and stages, each from a mix of all outputs before it: (B, T, F) -> (B, F C, T).

    first_weight is the size of the first mix's unused weight.
    """

    def __init__(self, num_features: int, channels: int, stages: list[Stage], first_weight: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, channels, 3, padding=1), ChannelNorm(channels))
        self.stages = nn.ModuleList(stages)
        size = num_features * channels
        self.mixes = nn.ModuleList(Mix(i + 1, size if i else first_weight) for i in range(len(stages) + 1))

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2).unsqueeze(1)  # (B, T, F) -> (B, 1, F, T)
        maps = [to_1d(self.stem(x))]  # -> (B, F C, T)
        for i, stage in enumerate(self.stages):
            maps.append(stage(self.mixes[i](maps)))
        return self.mixes[-1](maps)


def check_bins(name: str, num_features: int, stages: tuple[StageSize, ...]) -> None:
    """Check the number of features. Raises SreError if the stages' strides do not divide the number of features."""
    stride = math.prod(stage.stride for stage in stages)
    if num_features % stride:
        raise SreError(f"{name} needs a multiple of {stride} features, not {num_features}: 72 mel bins fit every size.")


PARTS = (  # the peer's name of a part, ours
    ("conv_block.", ""),
    ("pwconv1.", "point."),
    ("dwconvs.0.", "spread."),
    ("conv1.", "conv1.0."),
    ("conv1pw.", "conv1.1."),
    ("conv2.", "conv2.0."),
    ("conv2pw.", "conv2.1."),
    ("se.squeeze.", "gate.squeeze."),
    ("se.exitation.", "gate.excite."),
    ("red_dim_conv.", "context.reduce."),
    ("tcm.4.", "context.encoder."),
    ("tcm.", "context.convs."),
    ("exp_dim_conv.", "context.expand."),
    ("attention.q_proj.", "query."),
    ("attention.k_proj.", "key."),
    ("attention.v_proj.", "value."),
    ("attention.out_proj.", "out."),
    ("final_layer_norm.", "norm2."),
    ("layer_norm.", "norm1."),
    ("feed_forward.intermediate_dense.", "feed.0."),
    ("feed_forward.output_dense.", "feed.2."),
)


def peer_stage_key(key: str, first_block: int) -> str:
    """Return our name of WeSpeaker's `backbone.stage…` key; first_block: place of the first 2-D block in its stages."""
    found = re.fullmatch(r"backbone\.stage(\d+)\.(\d+)\.(.*)", key)
    if not found:
        return key
    stage, place, rest = found.groups()
    if rest == "w":
        return f"backbone.mixes.{stage}.weight"
    if rest in ("weight", "bias"):
        part = "scale."
    elif rest[0].isdigit():
        part = "squeeze."
    else:
        part = f"blocks.{int(place) - first_block}." if rest.startswith("conv_block.") else ""
    for theirs, ours in PARTS:
        rest = rest.replace(theirs, ours)
    return f"backbone.stages.{stage}.{part}{rest}"
