"""ResNet34 with parameter-free attention and attentive statistics, as WeSpeaker's SimAM_ResNet34_ASP.

L. Yang et al., SimAM: A simple, parameter-free attention module for convolutional neural networks, ICML 2021;
X. Qin et al., Simple attention module based speaker verification with iterative noisy label detection, ICASSP 2022.
Shapes: B batch, T frames, F features, C channels, D embedding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sre.models.base import Network
from sre.models.pooling import ASP
from sre.models.resnet import BasicBlock, residual_stages


class SimAM(nn.Module):
    """Weight each place of each channel by how far it lies from the channel's mean: (B, C, F, T) -> (B, C, F, T).

    The weight is the sigmoid of the inverse of the least energy, Yang's eq. 5 and 6; energies are float32 at least.
    """

    def __init__(self, offset: float = 1e-4) -> None:
        super().__init__()
        self.offset = offset  # lambda of eq. 5

    def forward(self, x: Tensor) -> Tensor:
        y = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
        square = (y - y.mean(dim=(2, 3), keepdim=True)).square()
        variance = square.sum(dim=(2, 3), keepdim=True) / (y.shape[2] * y.shape[3] - 1)  # -> (B, C, 1, 1)
        weight = torch.sigmoid(square / (4 * (variance + self.offset)) + 0.5)
        return x * weight.to(x.dtype)


def simam_block(in_channels: int, channels: int, stride: int) -> BasicBlock:
    return BasicBlock(in_channels, channels, stride, SimAM())


class SimAMResNet(Network):
    """A ResNet with SimAM in its blocks, (B, T, F) -> (B, D).

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels : C of the first stage; the four stages have C, 2C, 4C, 8C
    blocks : residual blocks of each of the four stages; (6, 16, 24, 3) is WeSpeaker's SimAM_ResNet100
    """

    peer_options = {}

    def __init__(
        self, num_features: int, embedding_dim: int = 256, channels: int = 64, blocks: Sequence[int] = (3, 4, 6, 3)
    ) -> None:
        super().__init__(embedding_dim)
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.stages = residual_stages(simam_block, channels, blocks)
        self.pool = ASP(8 * channels * -(-num_features // 8))
        self.segment1 = nn.Linear(self.pool.out_dim, embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2).unsqueeze(1)  # (B, T, F) -> (B, 1, F, T)
        x = torch.relu(self.bn1(self.conv1(x)))  # -> (B, C, F, T)
        x = self.stages(x).flatten(1, 2)  # -> (B, 8C, F/8, T/8) -> (B, 8C x F/8, T/8)
        return self.segment1(self.pool(x))  # -> (B, 2 x 8C x F/8) -> (B, D)

    @staticmethod
    def peer_key(key: str) -> str:
        """Return our state-dict key of a key of WeSpeaker's SimAM_ResNet."""
        for old, new in (
            ("front.", ""),
            ("downsample.", "shortcut."),
            ("pooling.", "pool."),
            ("bottleneck.", "segment1."),
            *((f"layer{stage + 1}.", f"stages.{stage}.") for stage in range(4)),
        ):
            key = key.replace(old, new)
        return key
