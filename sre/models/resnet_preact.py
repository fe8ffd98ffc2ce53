"""SpeechBrain's ResNet: batch norm and ReLU before each convolution, squeeze and excitation in the first two stages.

K. He et al., Identity mappings in deep residual networks, ECCV 2016; M. Rouvier, P.-M. Bousquet, Studying squeeze-and-
excitation used in CNN for speaker verification, ASRU 2021. Shapes: B batch, T frames, F features, C channels,
D embedding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sre.models.base import PooledNetwork
from sre.models.pooling import ASP
from sre.models.resnet import conv_norm, initialise, projection
from sre.models.resnet_se import SqueezeExcitation

WIDTHS = (1, 1, 2, 2)  # of the four stages, times C
STRIDES = (1, 2, 2, 2)


class PreActivatedBlock(nn.Module):
    """3x3, 3x3 and 1x1 convolution, each after batch norm and ReLU, and a shortcut: (B, C, T, F) -> (B, C', T', F').

    attention : weights the residual branch
    """

    def __init__(self, in_channels: int, channels: int, stride: int, attention: nn.Module) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels, 1, bias=False)
        self.attention = attention
        self.shortcut = projection(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(torch.relu(self.bn1(x)))
        y = self.conv2(torch.relu(self.bn2(y)))
        y = self.conv3(torch.relu(self.bn3(y)))
        return self.attention(y) + self.shortcut(x)


class ResNetSpeechBrain(PooledNetwork):
    """SpeechBrain's ResNet, (B, T, F) -> (B, D).

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels : C of the first two stages; the last two have 2C
    blocks : residual blocks of each of the four stages
    """

    def __init__(
        self, num_features: int, embedding_dim: int = 256, channels: int = 128, blocks: Sequence[int] = (3, 4, 6, 3)
    ) -> None:
        super().__init__(embedding_dim)
        self.conv1, self.bn1 = conv_norm(1, channels, 3)
        stages, width = [], channels
        for stage, count in enumerate(blocks):
            layers = []
            for i in range(count):
                out = WIDTHS[stage] * channels
                attention = SqueezeExcitation(out, reduction=1) if stage < 2 else nn.Identity()
                layers.append(PreActivatedBlock(width, out, STRIDES[stage] if i == 0 else 1, attention))
                width = out
            stages.append(nn.Sequential(*layers))
        self.stages = nn.Sequential(*stages)
        self.add_embedding(ASP(width * -(-num_features // 8)))  # F/8, rounded up
        self.pool_bn = nn.BatchNorm1d(self.pool.out_dim)
        self.segment1_bn = nn.BatchNorm1d(embedding_dim)
        initialise(self)

    def frame_map(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x.unsqueeze(1))))  # (B, T, F) -> (B, C, T, F), as there
        return self.stages(x).transpose(2, 3)  # -> (B, 2C, T/8, F/8) -> (B, 2C, F/8, T/8)

    def first_affine(self, x: Tensor) -> Tensor:
        """Return the affine layer's output, batch-normalised before and after, (B, T, F) -> (B, D)."""
        return self.segment1_bn(self.segment1(self.pool_bn(self.pool(self.frame_map(x)))))
