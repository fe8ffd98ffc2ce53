"""RawNet3, a network on the waveform.

J. Jung et al., Pushing the limits of raw waveform speaker recognition, Interspeech 2022; in detail as ClovaAI's
voxceleb_trainer, with the filterbank of M. Pariente et al., Filterbank design for end-to-end speech separation, ICASSP
2020 (asteroid-filterbanks: ParamSincFB).
Shapes: B batch, S samples, T frames, F samples of a block of 10 ms, C channels, W taps of a filter, K bands.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from sre.models.base import Network
from sre.models.ecapa import Res2Conv
from sre.models.pooling import Pooling, at_least_float32, attention, mean_and_std, weighted_mean_and_std

BLOCKS_PER_S = 100  # of the waveform: as many features as it has samples in 10 ms say its sample rate
PREEMPHASIS = 0.97
TAPS = 251
LEAST_LOW, LEAST_BAND = 50.0, 50.0  # Hz, of a band's lower edge and of its width
FIRST_LOW = 30.0  # Hz, where the lowest band begins before the training, above LEAST_LOW
FLOOR = 1e-6  # under the logarithm
DILATIONS = (2, 3, 4)  # of the three blocks
POOLED = (5, 3)  # frames of which the first and the second block keep the maximum
ATTENTION = 128  # width of the attention's hidden layer
LEAST, GREATEST = 1e-2, 1e2  # of the pooling's deviations
OFFSET = 1e-12  # of variances, below any digit of LEAST: the root of 0 has no gradient


class SincFilterbank(nn.Module):
    """Log amplitudes of the waveform in bands whose edges are learnt, less their means over time: (B, S) -> (B, 2K, T).

    Each band has an even and an odd filter: windowed differences of two sincs, and of their Hilbert transforms. Before
    them come pre-emphasis and the waveform's own mean and variance. It computes in float32 under autocast too.

    Parameters
    ----------
    outputs : 2K
    stride : samples from one output to the next
    sample_rate : Hz
    """

    emphasis: Tensor
    window: Tensor
    times: Tensor

    def __init__(self, outputs: int, stride: int, sample_rate: int) -> None:
        super().__init__()
        self.stride, self.highest = stride, sample_rate / 2
        self.norm = nn.InstanceNorm1d(1, eps=1e-4, affine=True)
        mel = torch.linspace(_to_mel(FIRST_LOW), _to_mel(self.highest - LEAST_LOW - LEAST_BAND), outputs // 2 + 1)
        edges = 700 * (10 ** (mel / 2595) - 1)
        self.low = nn.Parameter(edges[:-1, None].clone())  # (K, 1) Hz above LEAST_LOW
        self.band = nn.Parameter(edges.diff()[:, None])  # (K, 1) Hz above LEAST_BAND
        half = TAPS // 2
        self.register_buffer("emphasis", torch.tensor([-PREEMPHASIS, 1.0]))  # of a sample before, and of it
        self.register_buffer("window", torch.hamming_window(TAPS, periodic=False)[:half].clone())  # (W/2,)
        self.register_buffer("times", 2 * math.pi * torch.arange(-half, 0.0) / sample_rate)  # (W/2,)

    def filters(self) -> Tensor:
        """Return the (2K, 1, W) filters, the even ones first."""
        low = LEAST_LOW + self.low.abs()
        high = (low + LEAST_BAND + self.band.abs()).clamp(LEAST_LOW, self.highest)
        band, at_low, at_high = high - low, low * self.times, high * self.times  # (K, 1), (K, W/2), (K, W/2)
        shape = self.window / (self.times / 2) / (2 * band)
        even, odd = (at_high.sin() - at_low.sin()) * shape, (at_low.cos() - at_high.cos()) * shape
        middle = torch.ones_like(band)
        both = [torch.cat([even, middle, even.flip(1)], dim=1), torch.cat([odd, 0 * middle, -odd.flip(1)], dim=1)]
        return torch.cat(both).unsqueeze(1)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):  # the meta device has none
            x = at_least_float32(x)
            before = torch.cat([x[:, 1:2], x[:, :-1]], dim=1)  # the first sample's is the second: mirrored
            x = self.norm((self.emphasis[0] * before + self.emphasis[1] * x).unsqueeze(1))  # (B, S) -> (B, 1, S)
            x = functional.conv1d(x, self.filters(), stride=self.stride).abs()  # -> (B, 2K, T)
            x = (x + FLOOR).log()
            return x - x.mean(dim=-1, keepdim=True)


def _to_mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


class FeatureMapScaling(nn.Module):
    """Add to each channel, then scale it by a gate of the means over time (AFMS): (B, C, T) -> (B, C, T)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(channels, 1))
        self.linear = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.linear(x.mean(dim=-1)).sigmoid()  # -> (B, C)
        return (x + self.alpha) * gate.unsqueeze(-1)


class Block(nn.Module):
    """AFMS-Res2MP block: Res2Net's bottleneck, a shortcut, maxima over `pooled` frames, feature map scaling.

    (B, C, T) -> (B, C', T / pooled)
    """

    def __init__(self, in_channels: int, channels: int, dilation: int, pooled: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv1d(in_channels, channels, 1), nn.BatchNorm1d(channels)
        self.res2 = Res2Conv(channels, dilation)
        self.conv2, self.bn2 = nn.Conv1d(channels, channels, 1), nn.BatchNorm1d(channels)
        same = in_channels == channels
        self.shortcut = nn.Identity() if same else nn.Conv1d(in_channels, channels, 1, bias=False)
        self.pool = nn.MaxPool1d(pooled) if pooled > 1 else nn.Identity()
        self.scaling = FeatureMapScaling(channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.res2(self.bn1(torch.relu(self.conv1(x))))
        y = self.bn2(torch.relu(self.conv2(y))) + self.shortcut(x)
        return self.scaling(self.pool(y))


class ContextASP(Pooling):
    """Attentive statistics whose attention also sees mean and deviation of the utterance: (B, C, T) -> (B, 2C).

    A weight for each channel and frame; ReLU and batch norm in the attention, where ASTP of ECAPA-TDNN has tanh.
    """

    def __init__(self, in_dim: int) -> None:
        super().__init__(2 * in_dim)
        self.in_dim = in_dim
        self.linear1, self.bn = nn.Conv1d(3 * in_dim, ATTENTION, 1), nn.BatchNorm1d(ATTENTION)
        self.linear2 = nn.Conv1d(ATTENTION, in_dim, 1)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        mean, std = mean_and_std(x, mask, OFFSET)
        context = torch.cat([mean, std.clamp(LEAST, GREATEST)], dim=1).unsqueeze(-1).to(x.dtype)  # (B, 2C, 1)
        weight = self.linear1.weight  # (K, 3C, 1); the context is the same in each frame, so its part is computed once
        hidden = functional.conv1d(x, weight[:, : self.in_dim]) + functional.conv1d(
            context, weight[:, self.in_dim :], self.linear1.bias
        )
        weights = attention(self.linear2(self.bn(torch.relu(hidden))), mask)  # -> (B, C, T)
        mean, std = weighted_mean_and_std(x, weights, LEAST**2)
        return torch.cat([mean, std.clamp(max=GREATEST)], dim=1)


class RawNet3(Network):
    """The network RawNet3, (B, T, F) blocks of a waveform in [-1, 1] -> (B, D).

    Parameters
    ----------
    num_features : F, a hundredth of the sample rate
    embedding_dim : D
    channels : C, a multiple of 16
    pooled_channels : of the last frame-level layer
    stride : of the filterbank, in samples
    """

    exact = ("filterbank",)

    def __init__(
        self,
        num_features: int,
        embedding_dim: int = 256,
        channels: int = 1024,
        pooled_channels: int = 1536,
        stride: int = 10,
    ) -> None:
        super().__init__(embedding_dim)
        self.filterbank = SincFilterbank(channels // 4, stride, BLOCKS_PER_S * num_features)
        first, second, third = DILATIONS
        self.block1 = Block(channels // 4, channels, first, POOLED[0])
        self.block2 = Block(channels, channels, second, POOLED[1])
        self.block3 = Block(channels, channels, third)
        self.thin = nn.MaxPool1d(POOLED[1])
        self.aggregate = nn.Conv1d(3 * channels, pooled_channels, 1)
        self.pool = ContextASP(pooled_channels)
        self.pool_bn = nn.BatchNorm1d(self.pool.out_dim)
        self.segment1 = nn.Linear(self.pool.out_dim, embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        first = self.block1(self.filterbank(x.flatten(1)))  # (B, T, F) -> (B, S) -> (B, C/4, T') -> (B, C, T'/5)
        second = self.block2(first)  # -> (B, C, T'/15)
        first = self.thin(first)
        third = self.block3(first + second)
        x = torch.relu(self.aggregate(torch.cat([first, second, third], dim=1)))
        return self.segment1(self.pool_bn(self.pool(x)))
