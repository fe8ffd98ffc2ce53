"""ResNet34 with parameter-free attention and attentive statistics, as WeSpeaker's SimAM_ResNet34_ASP.

L. Yang et al., SimAM: A simple, parameter-free attention module for convolutional neural networks, ICML 2021;
X. Qin et al., Simple attention module based speaker verification with iterative noisy label detection, ICASSP 2022.
Shapes: B batch, T frames, F features, C channels, D embedding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sre.models.pooling import ASP, at_least_float32
from sre.models.resnet import PEER_STAGES, BasicBlock, ResNet, Stride


class SimAM(nn.Module):
    """Weight each place of each channel by how far it lies from the channel's mean: (B, C, F, T) -> (B, C, F, T).

    The weight is the sigmoid of the inverse of the least energy, Yang's eq. 5 and 6; energies are float32 at least.
    """

    def __init__(self, offset: float = 1e-4) -> None:
        super().__init__()
        self.offset = offset  # lambda of eq. 5

    def forward(self, x: Tensor) -> Tensor:
        y = at_least_float32(x)
        square = (y - y.mean(dim=(2, 3), keepdim=True)).square()
        variance = square.sum(dim=(2, 3), keepdim=True) / (y.shape[2] * y.shape[3] - 1)  # -> (B, C, 1, 1)
        weight = torch.sigmoid(square / (4 * (variance + self.offset)) + 0.5)
        return x * weight.to(x.dtype)


class SimAMBlock(BasicBlock):
    """A basic block whose residual branch SimAM weights: (B, C, F, T) -> (B, C', F/stride, T/stride)."""

    def __init__(self, in_channels: int, channels: int, stride: Stride) -> None:
        super().__init__(in_channels, channels, stride, SimAM())


class SimAMResNet(ResNet):
    """A ResNet with SimAM in its blocks, (B, T, F) -> (B, D); parameters are ResNet's.

    Blocks (3, 4, 6, 3) are WeSpeaker's SimAM_ResNet34, (6, 16, 24, 3) its SimAM_ResNet100.
    """

    block, pooling_type = SimAMBlock, ASP
    peer_names = (
        ("front.", ""),
        ("downsample.", "shortcut."),
        ("pooling.", "pool."),
        ("bottleneck.", "segment1."),
        *PEER_STAGES,
    )

    def __init__(
        self, num_features: int, embedding_dim: int = 256, channels: int = 64, *, blocks: Sequence[int] = (3, 4, 6, 3)
    ) -> None:
        super().__init__(num_features, embedding_dim, channels, blocks=blocks)
