"""Convolutions of three frames by Winograd's algorithm, against PyTorch's in float64."""

import pytest
import torch
from torch import nn

from sre.extraction.winograd import WinogradConv, suits


@pytest.mark.parametrize("dilation", [1, 2, 3, 4])
@pytest.mark.parametrize("frames", [9, 25, 64, 101])
@pytest.mark.parametrize("bias", [True, False])
def test_it_is_the_convolution(dilation: int, frames: int, bias: bool) -> None:
    torch.manual_seed(frames + dilation)
    conv = nn.Conv1d(256, 320, 3, dilation=dilation, bias=bias)
    x = torch.randn(2, 256, frames)
    with torch.inference_mode():
        found, expected = WinogradConv(conv)(x), conv.double()(x.double())
    assert found.shape == expected.shape
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-5)  # 1.1e-5 seen; root mean square 5e-7


@pytest.mark.parametrize("conv", [
    nn.Conv1d(256, 256, 5),
    nn.Conv1d(256, 256, 3, stride=2),
    nn.Conv1d(256, 256, 3, padding=1),
    nn.Conv1d(256, 256, 3, groups=2),
    nn.Conv1d(80, 256, 3),
    nn.Conv2d(256, 256, 3),
])  # fmt: skip
def test_other_layers_stay(conv: nn.Module) -> None:
    assert not suits(conv)
