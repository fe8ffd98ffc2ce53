"""Convolutions of three frames by Winograd's algorithm: half of the multiplications, the same to rounding.

S. Winograd, Arithmetic complexity of computations, SIAM 1980; A. Lavin, S. Gray, Fast algorithms for convolutional
neural networks, CVPR 2016: F(4, 3), four outputs of six multiplications in place of twelve. Both are for images; a
dilated convolution over time is `dilation` convolutions of every dilation-th frame.
Shapes: B batch, C channels, T frames; of each of d phases N tiles of four outputs.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from sre.extraction.frame_layers import FrameConv

WIDE = 256  # channels: from here on a product costs more than its tiles
BIASED = 1  # the product that each of the four outputs has once, and with it the bias
TAPS: tuple[tuple[float, float, float], ...] = (  # what each product takes of the three
    (1 / 4, 0, 0),
    (-1 / 6, -1 / 6, -1 / 6),
    (-1 / 6, 1 / 6, -1 / 6),
    (1 / 24, 1 / 12, 1 / 6),
    (1 / 24, -1 / 12, 1 / 6),
    (0, 0, 1),
)


def suits(conv: nn.Module) -> bool:
    """Return whether a layer is such a convolution, of enough channels."""
    return (
        type(conv) is nn.Conv1d
        and (conv.kernel_size, conv.stride, conv.groups, conv.padding) == ((3,), (1,), 1, (0,))
        and min(conv.in_channels, conv.out_channels) >= WIDE
    )


class WinogradConv(nn.Module):
    """An nn.Conv1d that `suits`, in inference: (B, C, T) -> (B, C', T - 2 dilation), channels last in memory.

    So each frame is one row, and the sums over tiles are of whole rows.
    """

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self.dilation, self.out_channels = conv.dilation[0], conv.out_channels
        taps = torch.tensor(TAPS, dtype=torch.float64)
        weights = torch.einsum("pk,oik->poi", taps, conv.weight.detach().double()).to(conv.weight.dtype)
        self.products = nn.ModuleList(
            FrameConv(weight[..., None], conv.bias if number == BIASED else None)
            for number, weight in enumerate(weights)
        )

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, frames = x.shape
        d, outputs = self.dilation, frames - 2 * self.dilation
        tiles = -(-outputs // (4 * d))
        rows = functional.pad(x.transpose(1, 2), (0, 0, 0, 4 * (tiles + 1) * d - frames))
        rows = rows.reshape(batch, tiles + 1, 4, d, channels)
        shape = (batch, tiles, d, self.out_channels)
        products = [
            product(y.view(batch, tiles * d, channels).transpose(1, 2)).transpose(1, 2).reshape(shape)
            for product, y in zip(self.products, _inputs(rows), strict=True)
        ]
        y = x.new_empty(batch, tiles, 4, d, self.out_channels)
        _outputs(*products, *y.unbind(2))
        return y.view(batch, 4 * tiles * d, -1)[:, :outputs].transpose(1, 2)


def _inputs(rows: Tensor) -> Iterator[Tensor]:
    """Yield what the six products are of, (B, N, d, C) each, from frames of N + 1 tiles, (B, N + 1, 4, d, C)."""
    a, b, c, e = rows[:, :-1].unbind(2)
    f, g = rows[:, 1:, :2].unbind(2)  # of the next tile
    yield torch.sub(f, c, alpha=5).add_(a, alpha=4)
    near, far = torch.sub(f, c, alpha=4), torch.sub(e, b, alpha=4)
    yield near + far
    yield near.sub_(far)
    near, far = f - c, e - b
    yield torch.add(near, far, alpha=2)
    yield near.sub_(far, alpha=2)
    yield torch.sub(g, e, alpha=5).add_(b, alpha=4)


def _outputs(
    first: Tensor, plus: Tensor, minus: Tensor, plus2: Tensor, minus2: Tensor, last: Tensor, *places: Tensor
) -> None:
    """Write the outputs of the four places of a tile, of the six products."""
    even, odd, even2, odd2 = plus + minus, plus.sub_(minus), plus2 + minus2, plus2.sub_(minus2)
    torch.add(first.add_(even), even2, out=places[0])
    torch.add(odd, odd2, alpha=2, out=places[1])
    torch.add(even, even2, alpha=4, out=places[2])
    torch.add(odd.add_(odd2, alpha=8), last, out=places[3])
