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
    """An nn.Conv1d that `suits`, in inference: (B, C, T) -> (B, C', T - 2 dilation)."""

    weight: Tensor
    bias: Tensor | None

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        self.dilation = conv.dilation[0]
        taps = torch.tensor(TAPS, dtype=torch.float64)
        weight = torch.einsum("pk,oik->poi", taps, conv.weight.detach().double()).to(conv.weight.dtype)
        self.register_buffer("weight", weight[..., None].contiguous())  # (6, C', C, 1)
        self.register_buffer("bias", None if conv.bias is None else conv.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, frames = x.shape
        d, outputs = self.dilation, frames - 2 * self.dilation
        tiles = -(-outputs // (4 * d))
        # a kernel of one frame, said to be dilated: PyTorch takes oneDNN for it, and else a slower product of MKL's
        products = [
            functional.conv1d(y, weight, self.bias if number == BIASED else None, dilation=2)
            for number, (y, weight) in enumerate(zip(_inputs(x, d, tiles), self.weight, strict=True))
        ]
        y = torch.stack([one.view(batch, -1, tiles, d) for one in _outputs(*products)], dim=3)  # (B, C', N, 4, d)
        return y.view(batch, -1, 4 * tiles * d)[:, :, :outputs]


def _inputs(x: Tensor, dilation: int, tiles: int) -> Iterator[Tensor]:
    """Yield what the six products are of, (B, C, N d) each.

    Frames of one place in their tile are put together first, since sums of rows are faster than those of every fourth.
    """
    batch, channels, frames = x.shape
    x = functional.pad(x, (0, 4 * (tiles + 1) * dilation - frames))
    places = x.view(batch, channels, tiles + 1, 4, dilation).permute(3, 0, 1, 2, 4).reshape(4, batch, channels, -1)
    a, b, c, e = places[..., :-dilation]
    f, g = places[:2, ..., dilation:]  # of the next tile
    yield torch.sub(f, c, alpha=5).add_(a, alpha=4)
    near, far = torch.sub(f, c, alpha=4), torch.sub(e, b, alpha=4)
    yield near + far
    yield near.sub_(far)
    near, far = f - c, e - b
    yield torch.add(near, far, alpha=2)
    yield near.sub_(far, alpha=2)
    yield torch.sub(g, e, alpha=5).add_(b, alpha=4)


def _outputs(first: Tensor, plus: Tensor, minus: Tensor, plus2: Tensor, minus2: Tensor, last: Tensor) -> list[Tensor]:
    """Return the outputs of the four places of a tile, of the six products."""
    even, odd, even2, odd2 = plus + minus, plus.sub_(minus), plus2 + minus2, plus2.sub_(minus2)
    return [
        first.add_(even).add_(even2),
        torch.add(odd, odd2, alpha=2),
        even.add_(even2, alpha=4),
        odd.add_(odd2, alpha=8).add_(last),
    ]
