"""Gemini DF-ResNet: a deep and narrow ResNet that keeps time finer than frequency, as WeSpeaker builds it.

B. Liu et al., DF-ResNet: Boosting speaker verification performance with depth-first design, Interspeech 2022;
T. Liu et al., Golden Gemini is all you need: finding the sweet spots for speaker verification, TASLP 2024 (strategy
T14c: frequency is halved by each stage, time by the second alone).
Shapes: B batch, T frames, F features, C channels, D embedding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sre.models.base import PooledNetwork
from sre.models.pooling import TSTP
from sre.models.resnet import Bottleneck, conv_norm

STRIDES = ((2, 1), (2, 2), (2, 1), (2, 1))  # of frequency and time, by stage


class InvertedBottleneck(Bottleneck):
    """1x1 to four times the channels, depthwise 3x3, 1x1 back, with a shortcut: (B, C, F, T) -> (B, C, F, T)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 4 * channels, stride=1, out_channels=channels, groups=4 * channels)


class GeminiDFResNet(PooledNetwork):
    """The network Gemini DF-ResNet, (B, T, F) -> (B, D).

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels : C of the first convolution and the first stage; the four stages have C, 2C, 4C, 8C
    blocks : inverted bottlenecks of each stage: (3, 3, 27, 3) is DF-ResNet114; 60 has (3, 3, 9, 3), 183 (3, 8, 45, 3)
        and 237 (3, 8, 63, 3)
    """

    peer_options = {}
    peer_names = (
        ("downsample_layers.0.", "stem."),
        *((f"downsample_layers.{stage + 1}.", f"downsample.{stage}.") for stage in range(4)),
        ("seg_1.", "segment1."),
    )

    def __init__(
        self, num_features: int, embedding_dim: int = 256, channels: int = 32, blocks: Sequence[int] = (3, 3, 27, 3)
    ) -> None:
        super().__init__(embedding_dim)
        widths = [channels, channels, 2 * channels, 4 * channels, 8 * channels]
        self.stem = nn.Sequential(*conv_norm(1, channels, 3))
        self.downsample = nn.ModuleList(
            nn.Sequential(*conv_norm(widths[i], widths[i + 1], 3, STRIDES[i])) for i in range(4)
        )
        self.stages = nn.ModuleList(
            nn.Sequential(*(InvertedBottleneck(widths[i + 1]) for _ in range(blocks[i]))) for i in range(4)
        )
        self.add_embedding(TSTP(8 * channels * -(-num_features // 16)))  # F/16, rounded up

    def frame_map(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2).unsqueeze(1)  # (B, T, F) -> (B, 1, F, T)
        x = torch.relu(self.stem(x))  # -> (B, C, F, T)
        for downsample, stage in zip(self.downsample, self.stages, strict=True):
            x = stage(downsample(x))  # -> (B, 8C, F/16, T/2) in the end
        return x
