"""ClovaAI's ResNets with squeeze and excitation: ResNetSE34L ("fast") and ResNetSE34V2 ("H / ASP").

J. S. Chung et al., In defence of metric learning for speaker recognition, Interspeech 2020 (34L); H. S. Heo et al.,
Clova baseline system for the VoxCeleb speaker recognition challenge 2020 (34V2); their voxceleb_trainer.
Shapes: B batch, T frames, F features, C channels, D embedding.
"""

import torch
from torch import Tensor, nn

from sre.models.base import PooledNetwork
from sre.models.pooling import ASP, SAP
from sre.models.resnet import conv_norm, initialise, projection, residual_stages


class SqueezeExcitation(nn.Module):
    """Weight each channel by what the means of all of them say (J. Hu et al. 2018): (B, C, F, T) -> (B, C, F, T)."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction)
        self.excite = nn.Linear(channels // reduction, channels)

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.sigmoid(self.excite(torch.relu(self.squeeze(x.mean(dim=(2, 3))))))  # -> (B, C)
        return x * weight[:, :, None, None]


class SEBasicBlock(nn.Module):
    """Two 3x3 convolutions, squeeze and excitation, and a shortcut: (B, C, F, T) -> (B, C', F/stride, T/stride).

    The first batch norm comes after the ReLU, as published.
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv_norm(in_channels, channels, 3, stride)
        self.conv2, self.bn2 = conv_norm(channels, channels, 3)
        self.se = SqueezeExcitation(channels)
        self.shortcut = projection(in_channels, channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(torch.relu(self.conv1(x)))
        return torch.relu(self.se(self.bn2(self.conv2(y))) + self.shortcut(x))


def input_norm(num_features: int, instance_norm: bool) -> nn.Module:
    """Return what gives each bin mean 0 and variance 1 over time, (B, F, T) -> (B, F, T), or the input itself."""
    return nn.InstanceNorm1d(num_features) if instance_norm else nn.Identity()


class ResNetSE34L(PooledNetwork):
    """The fast ResNet: few channels, mean over frequency, self-attentive pooling; (B, T, F) -> (B, D).

    Parameters
    ----------
    num_features : F (published: 40)
    embedding_dim : D
    channels : C of the first stage; the four stages have C, 2C, 4C, 8C
    instance_norm : each bin to mean 0 and variance 1 over the utterance's or chunk's time, at the input
    """

    def __init__(
        self, num_features: int, embedding_dim: int = 512, channels: int = 16, instance_norm: bool = True
    ) -> None:
        super().__init__(embedding_dim)
        self.input_norm = input_norm(num_features, instance_norm)
        self.conv1, self.bn1 = conv_norm(1, channels, 7, stride=(2, 1))
        self.stages = residual_stages(SEBasicBlock, channels, (3, 4, 6, 3), strides=(1, 2, 2, 1))
        self.add_embedding(SAP(8 * channels))
        initialise(self)

    def frame_map(self, x: Tensor) -> Tensor:
        x = self.input_norm(x.transpose(1, 2)).unsqueeze(1)  # (B, T, F) -> (B, 1, F, T)
        x = torch.relu(self.bn1(self.conv1(x)))  # -> (B, C, F/2, T)
        return self.stages(x).mean(dim=2)  # -> (B, 8C, F/8, T/4) -> (B, 8C, T/4)


class ResNetSE34V2(PooledNetwork):
    """The wide one: attentive statistics of every channel and bin; (B, T, F) -> (B, D).

    Parameters
    ----------
    num_features : F (published: 64)
    embedding_dim : D
    channels : C of the first stage; the four stages have C, 2C, 4C, 8C
    instance_norm : each bin to mean 0 and variance 1 over the utterance's or chunk's time, at the input
    """

    def __init__(
        self, num_features: int, embedding_dim: int = 512, channels: int = 32, instance_norm: bool = True
    ) -> None:
        super().__init__(embedding_dim)
        self.input_norm = input_norm(num_features, instance_norm)
        self.conv1 = nn.Conv2d(1, channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.stages = residual_stages(SEBasicBlock, channels, (3, 4, 6, 3))
        self.add_embedding(ASP(8 * channels * -(-num_features // 8)))
        initialise(self)

    def frame_map(self, x: Tensor) -> Tensor:
        x = self.input_norm(x.transpose(1, 2)).unsqueeze(1)  # (B, T, F) -> (B, 1, F, T)
        x = self.bn1(torch.relu(self.conv1(x)))  # -> (B, C, F, T)
        return self.stages(x)  # -> (B, 8C, F/8, T/8)
