"""ResNets over time and frequency: WeSpeaker's 32-channel family with TSTP, and the tutorial's d-vector.

K. He et al., Deep residual learning for image recognition, CVPR 2016; H. Zeinali et al., BUT system description to
VoxCeleb speaker recognition challenge, 2019. Shapes: B batch, T frames, F features, C channels, D embedding.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from sre.models.base import PooledNetwork
from sre.models.pooling import ASP, TSTP, Pooling, mean_and_std

Stride = int | tuple[int, int]  # over both, or over frequency and over time
PEER_STAGES = tuple((f"layer{stage + 1}.", f"stages.{stage}.") for stage in range(4))  # WeSpeaker's names, and ours


def conv_norm(
    in_channels: int, channels: int, kernel: int, stride: Stride = 1, groups: int = 1
) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    """Return a convolution without bias and its batch norm: (B, C, F, T) -> (B, C', F/stride, T/stride)."""
    conv = nn.Conv2d(in_channels, channels, kernel, stride, kernel // 2, groups=groups, bias=False)
    return conv, nn.BatchNorm2d(channels)


def projection(in_channels: int, channels: int, stride: Stride) -> nn.Sequential:
    """Return the shortcut of a block: empty where the block keeps the shape, else a 1x1 convolution and batch norm."""
    same = stride == 1 and in_channels == channels
    return nn.Sequential(*(() if same else conv_norm(in_channels, channels, 1, stride)))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with a shortcut: (B, C, F, T) -> (B, C', F/stride, T/stride).

    attention: a module that weights the residual branch, without parameters.
    """

    expansion = 1

    def __init__(self, in_channels: int, channels: int, stride: Stride, attention: nn.Module | None = None) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_norm(in_channels, channels, 3, stride)
        self.conv2, self.bn2 = conv_norm(channels, channels, 3)
        self.attention = attention or nn.Identity()
        self.shortcut = projection(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(self.attention(y) + self.shortcut(x))


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolution with a shortcut: (B, C, F, T) -> (B, C'', F/stride, T/stride).

    out_channels is C'', 4C' without it; groups are those of the 3x3 convolution.
    """

    expansion = 4

    def __init__(
        self, in_channels: int, channels: int, stride: int, out_channels: int | None = None, groups: int = 1
    ) -> None:
        super().__init__()
        out_channels = out_channels or self.expansion * channels
        self.conv1, self.bn1 = conv_norm(in_channels, channels, 1)
        self.conv2, self.bn2 = conv_norm(channels, channels, 3, stride, groups)
        self.conv3, self.bn3 = conv_norm(channels, out_channels, 1)
        self.shortcut = projection(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        return torch.relu(self.bn3(self.conv3(y)) + self.shortcut(x))


def residual_stages(
    block: Callable[[int, int, int], nn.Module],
    channels: int,
    blocks: Sequence[int],
    strides: Sequence[int] = (1, 2, 2, 2),
    expansion: int = 1,
) -> nn.Sequential:
    """Return stages of C, 2C, 4C, … channels, a stage's stride in its first block: (B, C, F, T) -> (B, C', F', T')."""
    stages, width = [], channels
    for stage, count in enumerate(blocks):
        layers = []
        for i in range(count):
            layers.append(block(width, channels << stage, strides[stage] if i == 0 else 1))
            width = expansion * channels << stage
        stages.append(nn.Sequential(*layers))
    return nn.Sequential(*stages)


def initialise(network: nn.Module) -> None:
    """Draw the weights of every 2-D convolution by He's normal initialisation, by its outputs."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")


class ResNet(PooledNetwork):
    """A ResNet of basic blocks, (B, T, F) -> (B, D).

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels : C of the first stage; the next stages have 2C, 4C, 8C
    blocks : residual blocks of each stage; the schema has those of ResNet18, 34, …
    """

    peer_options = {}
    peer_names = (*PEER_STAGES, ("seg_1.", "segment1."))
    block: type[BasicBlock | Bottleneck] = BasicBlock
    pooling_type: type[TSTP | ASP] = TSTP

    def __init__(
        self, num_features: int, embedding_dim: int = 256, channels: int = 32, *, blocks: Sequence[int]
    ) -> None:
        super().__init__(embedding_dim)
        self.conv1, self.bn1 = conv_norm(1, channels, 3)
        halvings = len(blocks) - 1
        self.stages = residual_stages(self.block, channels, blocks, (1, *[2] * halvings), self.block.expansion)
        width = self.block.expansion * (channels << halvings)
        self.add_embedding(self.pooling_type(width * -(-num_features >> halvings)))  # F/8, rounded up

    def frame_map(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2).unsqueeze(1)  # (B, T, F) -> (B, 1, F, T)
        x = torch.relu(self.bn1(self.conv1(x)))  # -> (B, C, F, T)
        return self.stages(x)  # -> (B, 8C, F/8, T/8), of bottlenecks (B, 32C, F/8, T/8)


class BottleneckResNet(ResNet):
    """A ResNet of bottlenecks; parameters are ResNet's."""

    block = Bottleneck


class BinAndTimeMean(Pooling):
    """The mean over bins and time: (B, C, F, T) -> (B, C)."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is None:
            return x.mean(dim=(2, 3))
        return mean_and_std(x.mean(dim=2), mask)[0]


class DVectorResNet(PooledNetwork):
    """The ResNet18 d-vector, (B, T, F) -> (B, D). Y. Jung, SpeakerRecognition_tutorial, 2018-2020.

    ResNet18 with 16 instead of 64 channels, a 7x7 first convolution without stride, no max pooling, and the mean over
    frequency and time. The d-vector is the affine layer's output; the training's classifier sees it after batch norm
    and ReLU. The tutorial's ResNets of bottlenecks (50, 101, 152) stop with an error there, and are not here.

    Parameters
    ----------
    num_features : F (the tutorial: 40)
    embedding_dim : D
    channels : C of the first stage; the four stages have C, 2C, 4C, 8C
    """

    blocks = (2, 2, 2, 2)

    def __init__(self, num_features: int, embedding_dim: int = 128, channels: int = 16) -> None:
        super().__init__(embedding_dim)
        self.conv1, self.bn1 = conv_norm(1, channels, 7)
        self.stages = residual_stages(BasicBlock, channels, self.blocks)
        self.add_embedding(BinAndTimeMean(8 * channels))
        self.segment1_bn = nn.BatchNorm1d(embedding_dim)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return what the classifier sees in training."""
        return self.for_loss(self.embed(x))

    def embed(self, x: Tensor) -> Tensor:
        """Return the d-vector."""
        return self.first_affine(x)

    def for_loss(self, embedding: Tensor) -> Tensor:
        return torch.relu(self.segment1_bn(embedding))

    def frame_map(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2).unsqueeze(1)  # (B, T, F) -> (B, 1, F, T)
        x = torch.relu(self.bn1(self.conv1(x)))  # -> (B, C, F, T)
        return self.stages(x)  # -> (B, 8C, F/8, T/8)


class DVectorResNet34(DVectorResNet):
    """The ResNet34 d-vector of the same tutorial; parameters are DVectorResNet's."""

    blocks = (3, 4, 6, 3)
