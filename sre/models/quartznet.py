"""SpeakerNet and TitaNet: QuartzNet's time-channel separable convolutions, all of stride 1, for speakers.

N. R. Koluguri et al., SpeakerNet: 1D depth-wise separable convolutional network for text-independent speaker
recognition and verification, arXiv 2010.12653, 2020. N. R. Koluguri, T. Park, B. Ginsburg, TitaNet: neural model for
speaker representation with 1D depth-wise separable convolutions and global context, ICASSP 2022. Details as in NeMo.

The published sizes count the classification layer of the authors' training speakers, and are cut, not rounded:

  SpeakerNet-M  5M     512 channels, one segment layer of 256, 7,205 speakers: 5.85M here, 4.01M without speakers.
                       NeMo's file "3x2x256" has had 512 and 256 channels; 256 make 3.65M, which no reading calls 5M.
  SpeakerNet-L  8M     512 channels, two segment layers of 512, 7,205 speakers: 8.74M, 5.04M without
  TitaNet-L     25.3M  1024 channels, 16,681 speakers: 25.34M, 22.12M without
  TitaNet-M     13.4M  512 channels, 16,681 speakers: 13.44M, 10.22M without
  TitaNet-S     6.4M   256 channels, 16,681 speakers: 6.50M, 3.28M without, if the last convolution has 1536 channels;
                       NeMo's titanet-small has 3072, as M and L: 10.04M, 6.83M without

Shapes: B batch, T frames, F features, C channels, P pooled channels, D embedding.
"""

import torch
from torch import Tensor, nn

from sre.models.base import Network
from sre.models.pooling import TSTP, Pooling, at_least_float32, attention, weighted_mean_and_std

KERNELS = (7, 11, 15)  # of the three mega-blocks; the prologue before them has 3, the epilogue after them 1


class SqueezeExcite(nn.Module):
    """Scale the channels by a bottleneck of their mean over all frames (the "global context"): (B, C, T) -> same."""

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction, bias=False)
        self.excite = nn.Linear(channels // reduction, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=-1, dtype=torch.promote_types(x.dtype, torch.float32))  # (B, C, T) -> (B, C)
        scale = torch.sigmoid(self.excite(torch.relu(self.squeeze(mean))))
        return x * scale.to(x.dtype).unsqueeze(-1)


def _pointwise(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [nn.Conv1d(in_channels, out_channels, 1, bias=False), nn.BatchNorm1d(out_channels, eps=1e-3)]


def _separable(in_channels: int, out_channels: int, kernel: int) -> list[nn.Module]:
    """Over time in each channel, then over channels in each frame: (B, C, T) -> (B, C', T)."""
    depthwise = nn.Conv1d(in_channels, in_channels, kernel, padding=kernel // 2, groups=in_channels, bias=False)
    return [depthwise, *_pointwise(in_channels, out_channels)]


class Block(nn.Module):
    """`repeat` separable convolutions, squeeze-excite, shortcut, ReLU, dropout: (B, C, T) -> (B, C', T)."""

    def __init__(
        self,
        in_channels: int,
        channels: int,
        kernel: int,
        repeat: int = 1,
        dropout: float = 0.0,
        residual: bool = False,
        squeeze: bool = False,
    ) -> None:
        super().__init__()
        layers = _separable(in_channels, channels, kernel)
        for _ in range(repeat - 1):
            layers += [nn.ReLU(), nn.Dropout(dropout), *_separable(channels, channels, kernel)]
        self.layers = nn.Sequential(*layers, *([SqueezeExcite(channels)] if squeeze else []))
        shortcut = _pointwise(in_channels, channels)
        self.shortcut = nn.Sequential(*shortcut) if residual else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return self.dropout(torch.relu(y))


class ContextPooling(Pooling):
    """Attentive mean and standard deviation, the attention told those of all frames: (B, P, T) -> (B, 2P).

    ECAPA-TDNN's (Desplanques et al., 2020) with ReLU and batch norm before the tanh.

    floor : the least variance
    """

    def __init__(self, channels: int, bottleneck: int = 128, floor: float = 1e-10) -> None:
        super().__init__(2 * channels)
        self.floor = floor
        self.attention = nn.Sequential(
            nn.Conv1d(3 * channels, bottleneck, 1),
            nn.ReLU(),
            nn.BatchNorm1d(bottleneck),
            nn.Tanh(),
            nn.Conv1d(bottleneck, channels, 1),
        )

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = at_least_float32(x)
        alike = torch.ones_like(x[:, :1])  # (B, 1, T)
        alike = alike / x.shape[-1] if mask is None else alike * (mask / mask.sum(dim=1, keepdim=True)).unsqueeze(1)
        context = [statistic.unsqueeze(-1).expand_as(x) for statistic in weighted_mean_and_std(x, alike, self.floor)]
        scores = self.attention(torch.cat([x, *context], dim=1))  # (B, 3P, T) -> (B, P, T)
        return torch.cat(weighted_mean_and_std(x, attention(scores, mask), self.floor), dim=1)  # -> (B, 2P)


class SpeakerNet(Network):
    """The network SpeakerNet, (B, T, F) -> (B, D). M is the default; L has segment_layers 2 and embedding_dim 512.

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels, pooled_channels : C of the prologue and the mega-blocks, and P of the epilogue
    repeat : separable convolutions of each mega-block
    segment_layers : affine layers of width D after the pooling; the embedding is the last one, batch-normalised
    dropout : after every ReLU but the last
    """

    def __init__(
        self,
        num_features: int,
        embedding_dim: int = 256,
        channels: int = 512,
        pooled_channels: int = 1500,
        repeat: int = 2,
        segment_layers: int = 1,
        dropout: float = 0.5,
    ) -> None:
        super().__init__(embedding_dim)
        self.frames = nn.Sequential(
            Block(num_features, channels, 3, dropout=dropout, residual=True),
            *(Block(channels, channels, kernel, repeat, dropout, residual=True) for kernel in KERNELS),
            Block(channels, pooled_channels, 1),
        )
        self.pool = TSTP(pooled_channels, offset=1e-10)
        layers, width = [], self.pool.out_dim
        for _ in range(segment_layers):
            layers += [nn.Linear(width, embedding_dim), nn.BatchNorm1d(embedding_dim, affine=False), nn.ReLU()]
            width = embedding_dim
        self.segment = nn.Sequential(*layers[:-1])

    def forward(self, x: Tensor) -> Tensor:
        """Return what the loss sees in training: the embedding after a ReLU."""
        return self.for_loss(self.embed(x))

    def embed(self, x: Tensor) -> Tensor:
        """Return the embedding that is extracted."""
        x = self.frames(x.transpose(1, 2))  # (B, T, F) -> (B, P, T)
        return self.segment(self.pool(x))  # -> (B, 2P) -> (B, D)

    def for_loss(self, embedding: Tensor) -> Tensor:
        return torch.relu(embedding)


class TitaNet(Network):
    """The network TitaNet, (B, T, F) -> (B, D).

    L is the default; M has 512 channels, S 256 (and 1536 pooled_channels: see above).

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels, pooled_channels : C of the prologue and the mega-blocks, and P of the epilogue
    repeat : separable convolutions of each mega-block
    dropout : in the mega-blocks
    """

    def __init__(
        self,
        num_features: int,
        embedding_dim: int = 192,
        channels: int = 1024,
        pooled_channels: int = 3072,
        repeat: int = 3,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(embedding_dim)
        self.frames = nn.Sequential(
            Block(num_features, channels, 3, squeeze=True),
            *(Block(channels, channels, kernel, repeat, dropout, residual=True, squeeze=True) for kernel in KERNELS),
            Block(channels, pooled_channels, 1, squeeze=True),
        )
        self.pool = ContextPooling(pooled_channels)
        self.segment = nn.Sequential(nn.BatchNorm1d(self.pool.out_dim), nn.Linear(self.pool.out_dim, embedding_dim))

    def forward(self, x: Tensor) -> Tensor:
        x = self.frames(x.transpose(1, 2))  # (B, T, F) -> (B, P, T)
        return self.segment(self.pool(x))  # -> (B, 2P) -> (B, D)
