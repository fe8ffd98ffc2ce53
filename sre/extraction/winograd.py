"""Convolutions of three frames by Winograd's algorithm: half of the multiplications, the same to rounding.

S. Winograd, Arithmetic complexity of computations, SIAM 1980; A. Lavin, S. Gray, Fast algorithms for convolutional
neural networks, CVPR 2016: F(4, 3), four outputs of six multiplications in place of twelve. Both are for images; a
dilated convolution over time is `dilation` convolutions of every dilation-th frame.
Shapes: B batch, C channels, T frames; of each of d phases N tiles of four outputs.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

WIDE = 256  # channels: from here on a product costs more than its tiles
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
        x = functional.pad(x, (0, (4 * tiles + 2) * d - frames)).view(batch, channels, 4 * tiles + 2, d)
        a, b, c, e, f, g = (x[:, :, k : k + 4 * tiles - 3 : 4] for k in range(6))  # (B, C, N, d) each
        near, far, one, two = f - 4 * c, e - 4 * b, f - c, 2 * (e - b)
        inputs = (4 * a - 5 * c + f, near + far, near - far, one + two, one - two, 4 * b - 5 * e + g)
        # a kernel of one frame, said to be dilated: PyTorch takes oneDNN for it, and else a slower product of MKL's
        products = [
            functional.conv1d(y.reshape(batch, channels, -1), weight, dilation=2).view(batch, -1, tiles, d)
            for y, weight in zip(inputs, self.weight, strict=True)
        ]
        first, plus, minus, plus2, minus2, last = products
        even, odd, even2, odd2 = plus + minus, plus - minus, plus2 + minus2, plus2 - minus2
        y = torch.stack([first + even + even2, odd + 2 * odd2, even + 4 * even2, odd + 8 * odd2 + last], dim=3)
        y = y.view(batch, -1, 4 * tiles * d)[:, :, :outputs]  # (B, C', N, 4, d) -> (B, C', T')
        return y if self.bias is None else y + self.bias[:, None]
