"""ResNet34 over time and frequency, as WeSpeaker's ResNet34-TSTP (K. He et al., CVPR 2016; H. Zeinali et al., 2019).

Shapes: B batch, T frames, F features, C channels, D embedding.
"""

import torch
from torch import Tensor, nn

from sre.models.layers import StatisticsPooling


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut: (B, C, F, T) -> (B, C', F/stride, T/stride)."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False), nn.BatchNorm2d(channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.shortcut(x))


class ResNet34(nn.Module):
    """(B, T, F) -> (B, D).

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels : C of the first stage; the four stages have C, 2C, 4C, 8C
    blocks : residual blocks of each stage
    """

    def __init__(
        self, num_features: int, embedding_dim: int = 256, channels: int = 32, blocks: tuple[int, ...] = (3, 4, 6, 3)
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        stages, width, bins = [], channels, num_features
        for stage, count in enumerate(blocks):
            out, stride = channels << stage, 1 if stage == 0 else 2
            stages.append(
                nn.Sequential(
                    *(BasicBlock(width if i == 0 else out, out, stride if i == 0 else 1) for i in range(count))
                )
            )
            width, bins = out, (bins + stride - 1) // stride
        self.stages = nn.Sequential(*stages)
        self.pool = StatisticsPooling()
        self.segment1 = nn.Linear(2 * width * bins, embedding_dim)
        self.embedding_dim = embedding_dim

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2).unsqueeze(1)  # (B, T, F) -> (B, 1, F, T)
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.stages(x)  # -> (B, 8C, F/8, T/8)
        return self.segment1(self.pool(x))  # -> (B, 16C F/8) -> (B, D)

    embed = forward
