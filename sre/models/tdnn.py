"""Extended and factorized TDNN x-vectors.

E-TDNN: D. Snyder et al., Speaker recognition for multi-speaker conversations using x-vectors, ICASSP 2019, table 1.
F-TDNN: D. Povey et al., Semi-orthogonal low-rank matrix factorization for deep neural networks, Interspeech 2018; as a
speaker network J. Villalba et al., State-of-the-art speaker recognition with neural network embeddings in NIST SRE18
and Speakers in the Wild evaluations, Computer Speech & Language 60, 2020, table 3.

Layers are convolution, ReLU, batch norm without scale (Kaldi's). Shapes: B batch, T frames, F features, C channels,
P pooled statistics, D embedding.
"""

import torch
from torch import Tensor, nn

from sre.models.base import Network
from sre.models.pooling import POOLINGS
from sre.models.xvector import FrameLayer, frame_level

# kernel, dilation; 23 frames
EXTENDED = ((5, 1), (1, 1), (3, 2), (1, 1), (3, 3), (1, 1), (3, 4), (1, 1), (1, 1), (1, 1))
# layers 2 to 9: the shift of each factor's second tap (0: one tap), and the layers joined to the input; of the last one
# the paper writes 4, 6, 8, but 8 is the input itself
FACTORIZED = ((2, ()), (0, ()), (3, ()), (0, (3,)), (3, ()), (3, (2, 4)), (3, ()), (0, (4, 6)))


class SegmentLevel(nn.Module):
    """Two affine layers with ReLU and batch norm between them: (B, P) -> (B, D)."""

    def __init__(self, in_dim: int, embedding_dim: int) -> None:
        super().__init__()
        self.first = nn.Linear(in_dim, embedding_dim)
        self.bn = nn.BatchNorm1d(embedding_dim, affine=False)
        self.second = nn.Linear(embedding_dim, embedding_dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.first(x))

    def end(self, x: Tensor) -> Tensor:
        """Return what follows the first affine layer, (B, D) -> (B, D)."""
        return self.second(self.bn(torch.relu(x)))


class _TDNN(Network):
    """A network of frame-level layers, pooling and segment level, (B, T, F) -> (B, D)."""

    def _end(self, pooled_channels: int, pooling: str, embedding: str) -> None:
        """Make the layers after the frame level, which a subclass makes first."""
        self.pool = POOLINGS[pooling](pooled_channels)
        self.segment = SegmentLevel(self.pool.out_dim, self.embedding_dim)
        self.embedding = embedding

    def frame_map(self, x: Tensor) -> Tensor:
        """Return the map that is pooled: (B, T, F) -> (B, C, T')."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Return what the loss sees in training: the last segment-level layer's output."""
        return self.segment(self.pool(self.frame_map(x)))  # -> (B, C, T') -> (B, P) -> (B, D)

    def embed(self, x: Tensor) -> Tensor:
        """Return the embedding that is extracted."""
        pooled = self.pool(self.frame_map(x))  # -> (B, P)
        return self.segment.first(pooled) if self.embedding == "first" else self.segment(pooled)

    def for_loss(self, embedding: Tensor) -> Tensor:
        return self.segment.end(embedding) if self.embedding == "first" else embedding


class ETDNN(_TDNN):
    """The network E-TDNN, (B, T, F) -> (B, D), T at least 23.

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels, pooled_channels : width of the first nine frame-level layers, and of the tenth
    pooling : a name of sre.models.pooling.POOLINGS; the paper's is "tstp"
    embedding : "first" segment-level affine (the paper; the second then only serves the training), or the "second"
    """

    def __init__(
        self,
        num_features: int,
        embedding_dim: int = 512,
        channels: int = 512,
        pooled_channels: int = 1500,
        pooling: str = "tstp",
        embedding: str = "first",
    ) -> None:
        super().__init__(embedding_dim)
        self.frames = frame_level([num_features, *[channels] * (len(EXTENDED) - 1), pooled_channels], EXTENDED)
        self._end(pooled_channels, pooling, embedding)

    def frame_map(self, x: Tensor) -> Tensor:
        """Return the map that is pooled: (B, T, F) -> (B, C, T - 22)."""
        return self.frames(x.transpose(1, 2))


class FactorizedLayer(nn.Module):
    """A convolution as two of low rank, the first semi-orthogonal; ReLU, batch norm: (B, C, T) -> (B, C', T).

    The factors see frames (t - shift, t) and (t, t + shift); frames beyond the ends are zeros.
    """

    def __init__(self, in_channels: int, out_channels: int, bottleneck: int, shift: int) -> None:
        super().__init__()
        kernel, dilation = (2, shift) if shift else (1, 1)
        self.factor1 = nn.Conv1d(in_channels, bottleneck, kernel, dilation=dilation, padding=shift, bias=False)
        self.factor2 = nn.Conv1d(bottleneck, out_channels, kernel, dilation=dilation)
        self.bn = nn.BatchNorm1d(out_channels, affine=False)
        nn.init.orthogonal_(self.factor1.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.bn(torch.relu(self.factor2(self.factor1(x))))  # -> (B, bottleneck, T + shift) -> (B, C', T)

    @torch.no_grad()
    def constrain(self) -> None:
        """Move M, the first factor's matrix, one step towards alpha times a semi-orthogonal one, alpha floating.

        Povey et al. 2018, sections 2.1-2.3, with Kaldi's half speed where M is far from it (ConstrainOrthonormal).
        """
        M = self.factor1.weight.flatten(1)  # (bottleneck, C kernel)
        P = M @ M.T
        alpha2 = P.square().sum() / P.trace()  # the change is then orthogonal to M
        spread = alpha2 * min(M.shape) / P.trace()  # of M's squared singular values: 1 where all are equal
        nu = torch.where(spread > 1.02, 1 / 16, 1 / 8)
        change = -4 * nu / alpha2 * (P @ M - alpha2 * M)
        self.factor1.weight.add_(change.view_as(self.factor1.weight))


class FTDNN(_TDNN):
    """The network F-TDNN, (B, T, F) -> (B, D), T at least 5; a frame before the pooling sees 33.

    The trainer calls constrain() after every fourth step, which keeps the first factors semi-orthogonal.

    Parameters
    ----------
    num_features : F
    embedding_dim : D
    channels, bottleneck : width of layers 2 to 9 (layer 1 has half of it), and between their factors
    pooled_channels : width of layer 10
    pooling, embedding : as of ETDNN
    """

    def __init__(
        self,
        num_features: int,
        embedding_dim: int = 512,
        channels: int = 1024,
        bottleneck: int = 256,
        pooled_channels: int = 2048,
        pooling: str = "tstp",
        embedding: str = "first",
    ) -> None:
        super().__init__(embedding_dim)
        self.first = FrameLayer(num_features, channels // 2, kernel=5)
        self.factorized = nn.ModuleList()
        for number, (shift, joined) in enumerate(FACTORIZED, start=2):
            width = channels // 2 if number == 2 else channels * (1 + len(joined))
            self.factorized.append(FactorizedLayer(width, channels, bottleneck, shift))
        self.last = FrameLayer(channels, pooled_channels)
        self._end(pooled_channels, pooling, embedding)

    def constrain(self) -> None:
        """Move each layer's first factor one step towards a semi-orthogonal matrix times a free scale."""
        for layer in self.factorized:
            assert isinstance(layer, FactorizedLayer)
            if layer.factor1.weight.requires_grad:  # else it is frozen
                layer.constrain()

    def frame_map(self, x: Tensor) -> Tensor:
        """Return the map that is pooled: (B, T, F) -> (B, C, T - 4)."""
        x = self.first(x.transpose(1, 2))  # (B, T, F) -> (B, C/2, T - 4)
        outputs: dict[int, Tensor] = {}
        for number, (layer, (_, joined)) in enumerate(zip(self.factorized, FACTORIZED, strict=True), start=2):
            x = torch.cat([x, *(outputs[j] for j in joined)], dim=1)  # -> (B, C (1 + joined), T - 4)
            outputs[number] = x = layer(x)  # -> (B, C, T - 4)
        return self.last(x)
