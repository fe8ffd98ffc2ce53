"""CAM++: densely connected TDNN with context-aware masking behind a convolutional head.

H. Wang et al., CAM++: A fast and efficient network for speaker verification using context-aware masking, Interspeech
2023; as in 3D-Speaker and WeSpeaker. Shapes: B batch, T frames (T' = T/2, rounded up, behind the first TDNN layer),
F features, C channels, G growth, S segments, D embedding.
"""

import re
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from sre.models.base import Network
from sre.models.pooling import TSTP, VARIANCE_OFFSET
from sre.models.resnet import BasicBlock, conv_norm

KERNEL = 3  # of each dense layer
DILATIONS = (1, 2, 2)  # of each dense block


class Head(nn.Module):
    """Front-end convolution module, stride 8 over frequency and none over time: (B, T, F) -> (B, C F/8, T)."""

    def __init__(self, num_features: int, channels: int) -> None:
        super().__init__()
        halve = (2, 1)
        self.conv1, self.bn1 = conv_norm(1, channels, 3)
        self.blocks = nn.Sequential(*(BasicBlock(channels, channels, stride) for stride in (halve, 1, halve, 1)))
        self.conv2, self.bn2 = conv_norm(channels, channels, 3, halve)
        self.out_channels = channels * -(-num_features // 8)  # F/8, rounded up

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2).unsqueeze(1)  # (B, T, F) -> (B, 1, F, T)
        x = torch.relu(self.bn1(self.conv1(x)))  # -> (B, C, F, T)
        x = self.blocks(x)  # -> (B, C, F/4, T)
        x = torch.relu(self.bn2(self.conv2(x)))  # -> (B, C, F/8, T)
        return x.flatten(1, 2)  # -> (B, C F/8, T)


def segment_mean(x: Tensor, segment: int = 100) -> Tensor:
    """Return the mean over each 100 frames (2 s at 20 ms), repeated in each of them: (B, C, T') -> (B, C, T').

    The last segment is what is left.
    """
    means = functional.avg_pool1d(x, segment, ceil_mode=True, count_include_pad=False)  # -> (B, C, S)
    return means.repeat_interleave(segment, dim=-1)[..., : x.shape[-1]]


class MaskedLayer(nn.Module):
    """Convolution whose output is masked by its context: (B, C, T') -> (B, G, T').

    The context of a frame is the mean of the utterance plus that of the frame's segment.
    """

    def __init__(self, in_channels: int, out_channels: int, dilation: int) -> None:
        super().__init__()
        padding = dilation * (KERNEL - 1) // 2
        self.local = nn.Conv1d(in_channels, out_channels, KERNEL, dilation=dilation, padding=padding, bias=False)
        self.squeeze = nn.Conv1d(in_channels, in_channels // 2, 1)
        self.excite = nn.Conv1d(in_channels // 2, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        context = x.mean(dim=-1, keepdim=True) + segment_mean(x)  # (B, C, 1), (B, C, T') -> (B, C, T')
        mask = torch.sigmoid(self.excite(torch.relu(self.squeeze(context))))  # -> (B, C/2, T') -> (B, G, T')
        return self.local(x) * mask


class DenseLayer(nn.Module):
    """Bottleneck of 4G channels and a masked layer, joined to the input: (B, C, T') -> (B, C + G, T')."""

    def __init__(self, in_channels: int, growth: int, dilation: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm1d(in_channels)
        self.reduce = nn.Conv1d(in_channels, 4 * growth, 1, bias=False)
        self.bn2 = nn.BatchNorm1d(4 * growth)
        self.masked = MaskedLayer(4 * growth, growth, dilation)

    def forward(self, x: Tensor) -> Tensor:
        y = self.reduce(torch.relu(self.bn1(x)))  # (B, C, T') -> (B, 4G, T')
        y = self.masked(torch.relu(self.bn2(y)))  # -> (B, G, T')
        return torch.cat([x, y], dim=1)


class DenseBlock(nn.Module):
    """Dense layers and a transition to half their channels: (B, C, T') -> (B, (C + layers G) / 2, T')."""

    def __init__(self, in_channels: int, growth: int, layers: int, dilation: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(DenseLayer(in_channels + i * growth, growth, dilation) for i in range(layers)))
        joined = in_channels + layers * growth
        self.out_channels = joined // 2
        self.bn = nn.BatchNorm1d(joined)
        self.conv = nn.Conv1d(joined, self.out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(torch.relu(self.bn(self.layers(x))))


class CAMPlusPlus(Network):
    """The network CAM++, (B, T, F) -> (B, D).

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels : C of the first TDNN layer
    growth : G, of each dense layer
    blocks : dense layers of each of the three blocks
    head_channels : of the convolutional head
    variance_offset : under the root of the pooled deviations; 3D-Speaker has none, for which 1e-12 stands
    """

    peer_options = {}
    peer_names = (
        ("xvector.", ""),
        ("tdnn.nonlinear.batchnorm", "tdnn_bn"),
        ("tdnn.linear", "tdnn"),
        ("out_nonlinear.batchnorm", "out_bn"),
        ("dense.nonlinear.batchnorm", "segment1_bn"),
        ("dense.linear", "segment1"),
        ("nonlinear1.batchnorm", "bn1"),
        ("nonlinear2.batchnorm", "bn2"),
        ("nonlinear.batchnorm", "bn"),
        ("cam_layer.linear_local", "masked.local"),
        ("cam_layer.linear1", "masked.squeeze"),
        ("cam_layer.linear2", "masked.excite"),
        ("linear1.", "reduce."),
        ("linear.", "conv."),
    )

    def __init__(
        self,
        num_features: int,
        embedding_dim: int = 512,
        channels: int = 128,
        growth: int = 32,
        blocks: Sequence[int] = (12, 24, 16),
        head_channels: int = 32,
        variance_offset: float = VARIANCE_OFFSET,
    ) -> None:
        super().__init__(embedding_dim)
        self.head = Head(num_features, head_channels)
        self.tdnn = nn.Conv1d(self.head.out_channels, channels, 5, stride=2, padding=2, bias=False)
        self.tdnn_bn = nn.BatchNorm1d(channels)
        self.blocks = nn.Sequential()
        for layers, dilation in zip(blocks, DILATIONS, strict=True):
            block = DenseBlock(channels, growth, layers, dilation)
            self.blocks.append(block)
            channels = block.out_channels
        self.out_bn = nn.BatchNorm1d(channels)
        self.pool = TSTP(channels, variance_offset)
        self.segment1 = nn.Conv1d(self.pool.out_dim, embedding_dim, 1, bias=False)  # a linear layer, as published
        self.segment1_bn = nn.BatchNorm1d(embedding_dim, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.head(x)  # (B, T, F) -> (B, C_head F/8, T)
        x = torch.relu(self.tdnn_bn(self.tdnn(x)))  # -> (B, C, T')
        x = torch.relu(self.out_bn(self.blocks(x)))  # -> (B, C', T')
        x = self.segment1(self.pool(x).unsqueeze(-1)).squeeze(-1)  # -> (B, 2C') -> (B, D)
        return self.segment1_bn(x)

    @classmethod
    def peer_key(cls, key: str) -> str:
        """Return our state-dict key of a key of WeSpeaker's CAM++."""
        key = re.sub(r"head\.layer(\d)\.(\d)", lambda m: f"head.blocks.{2 * (int(m[1]) - 1) + int(m[2])}", key)
        key = re.sub(r"block(\d)\.tdnnd(\d+)", lambda m: f"blocks.{int(m[1]) - 1}.layers.{int(m[2]) - 1}", key)
        key = re.sub(r"transit(\d)", lambda m: f"blocks.{int(m[1]) - 1}", key)
        return super().peer_key(key)
