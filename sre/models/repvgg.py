"""RepVGG: three branches a layer in training, one 3x3 convolution in inference. WeSpeaker's RepVGG_TINY_A0.

X. Ding et al., RepVGG: Making VGG-style ConvNets great again, CVPR 2021; Y. Ma et al., Rep Works in Speaker
Verification, 2021. Shapes: B batch, T frames, F features, C channels, D embedding.
"""

import copy
from collections.abc import Sequence
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from sre.models.base import PooledNetwork
from sre.models.pooling import TSTP
from sre.models.resnet import conv_norm, residual_stages


class ConvNorm(nn.Module):
    """Convolution and batch norm: (B, C, F, T) -> (B, C', F/stride, T/stride)."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int) -> None:
        super().__init__()
        self.conv, self.bn = conv_norm(in_channels, channels, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(self.conv(x))


class RepBlock(nn.Module):
    """ReLU of the sum of a 3x3 branch, a 1x1 branch and, where the shape stays, a batch norm of the input itself.

    (B, C, F, T) -> (B, C', F/stride, T/stride)
    """

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.dense = ConvNorm(in_channels, channels, 3, stride)
        self.pointwise = ConvNorm(in_channels, channels, 1, stride)
        self.identity = nn.BatchNorm2d(channels) if in_channels == channels and stride == 1 else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.dense(x) + self.pointwise(x)
        if self.identity is not None:
            y = y + self.identity(x)
        return torch.relu(y)

    def fused(self) -> nn.Sequential:
        """Return what the block computes in evaluation mode: a 3x3 convolution with bias, ReLU (Ding, section 3.3)."""
        dense = self.dense.conv
        branches = [(dense.weight, self.dense.bn), (centred(self.pointwise.conv.weight), self.pointwise.bn)]
        if self.identity is not None:
            eye = torch.eye(dense.in_channels, dtype=dense.weight.dtype, device=dense.weight.device)
            branches.append((centred(eye[:, :, None, None]), self.identity))
        conv = nn.Conv2d(dense.in_channels, dense.out_channels, 3, stride=dense.stride[0], padding=1).to(dense.weight)
        kernels, biases = zip(*(absorb(kernel, bn) for kernel, bn in branches), strict=True)
        conv.load_state_dict({"weight": sum(kernels), "bias": sum(biases)})
        return nn.Sequential(conv, nn.ReLU())


def centred(kernel: Tensor) -> Tensor:
    """Return a 1x1 kernel in the middle of a 3x3 one: (C', C, 1, 1) -> (C', C, 3, 3)."""
    return functional.pad(kernel, (1, 1, 1, 1))


def absorb(kernel: Tensor, bn: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Return kernel (C', C, 3, 3) and bias (C',) of a convolution followed by this batch norm's running statistics."""
    assert bn.running_mean is not None and bn.running_var is not None
    scale = bn.weight / (bn.running_var + bn.eps).sqrt()
    return kernel * scale[:, None, None, None], bn.bias - scale * bn.running_mean


def fused(module: nn.Module) -> nn.Sequential:
    """Return a block's form for inference; of what holds blocks, all of them in theirs."""
    return module.fused() if isinstance(module, RepBlock) else nn.Sequential(*map(fused, module.children()))


class RepVGG(PooledNetwork):
    """The network RepVGG in its form for training, (B, T, F) -> (B, D).

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels : C of the first layer and the first stage; the four stages have C, 2C, 4C, 8C
    blocks : layers of each of the four stages
    """

    peer_options = {}
    peer_names = (  # of its training form
        ("stage0.", "stem."),
        ("rbr_dense.", "dense."),
        ("rbr_1x1.", "pointwise."),
        ("rbr_identity.", "identity."),
        ("seg.", "segment1."),
        *((f"stage{stage + 1}.", f"stages.{stage}.") for stage in range(4)),
    )

    def __init__(
        self, num_features: int, embedding_dim: int = 256, channels: int = 32, blocks: Sequence[int] = (3, 4, 23, 3)
    ) -> None:
        super().__init__(embedding_dim)
        self.stem: nn.Module = RepBlock(1, channels, 1)
        self.stages = residual_stages(RepBlock, channels, blocks)
        self.add_embedding(TSTP(8 * channels * -(-num_features // 8)))  # F/8, rounded up

    def frame_map(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2).unsqueeze(1)  # (B, T, F) -> (B, 1, F, T)
        return self.stages(self.stem(x))  # -> (B, C, F, T) -> (B, 8C, F/8, T/8)

    def reparameterise(self) -> Self:
        """Return a copy for inference, in evaluation mode, with one convolution for each block."""
        network = copy.deepcopy(self).eval()
        network.stem, network.stages = fused(network.stem), fused(network.stages)
        return network
