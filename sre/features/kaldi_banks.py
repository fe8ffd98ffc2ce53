"""Kaldi's window shapes and mel banks (feat/feature-window.cc, mel-computations.cc), and products with the banks.

Shapes: W window samples, P padded window, F mel bins.
"""

import math

import torch
from torch import Tensor

from sre.features.types import FbankOptions, FrameOptions


def window_shape(options: FrameOptions) -> Tensor:
    """Return the window (W,) that frames are multiplied by, float64."""
    n = torch.arange(options.window, dtype=torch.float64)
    a = 2 * math.pi / (options.window - 1)
    shapes = {
        "povey": lambda: (0.5 - 0.5 * torch.cos(a * n)) ** 0.85,
        "hamming": lambda: 0.54 - 0.46 * torch.cos(a * n),
        "hanning": lambda: 0.5 - 0.5 * torch.cos(a * n),
        "rectangular": lambda: torch.ones_like(n),
    }
    return shapes[options.window_type]()


def _mel_scale(hertz: Tensor | float) -> Tensor:
    return 1127.0 * torch.log1p(torch.as_tensor(hertz, dtype=torch.float64) / 700.0)


def mel_banks(options: FbankOptions) -> Tensor:
    """Return the weights (P/2, F) of triangular filters, linear in mel, float64; Kaldi's leave the Nyquist bin out."""
    low_mel, high_mel = _mel_scale(options.low_freq), _mel_scale(options.highest)
    padded = options.padded
    delta = (high_mel - low_mel) / (options.num_mel_bins + 1)
    left = low_mel + delta * torch.arange(options.num_mel_bins, dtype=torch.float64)
    mel = _mel_scale(torch.arange(padded // 2, dtype=torch.float64) * options.sample_rate / padded)[:, None]
    up, down = (mel - left) / delta, (left + 2 * delta - mel) / delta
    return torch.minimum(up, down).clamp(min=0)


def split_banks(mel: Tensor) -> list[tuple[slice, slice, Tensor, bool]]:
    """Split mel banks (P/2, F) into products of 16 filters or more and what they cover: most weights are 0.

    A part is (rows of the power spectrum, filters, their weights, whether it is added to the part before). Sums stop at
    128 frequencies, as in MKL's product with all banks of 256 frequencies: the sums are the same, bit by bit. Filters
    that are too narrow for any frequency have a part too, of weights that are 0.
    """
    if len(mel) > 256:
        return [(slice(None), slice(None), mel, False)]
    parts = []
    firsts = range(0, max(mel.shape[1] - 15, 1), 16)
    for first, last in zip(firsts, [*firsts[1:], mel.shape[1]], strict=True):
        filters, more = mel[:, first:last], False
        for begin in range(0, len(mel), 128):
            rows = filters[begin : begin + 128].any(dim=1).nonzero()
            if len(rows):
                covered = slice(begin + int(rows[0]), begin + int(rows[-1]) + 1)
                parts.append((covered, slice(first, last), filters[covered].contiguous(), more))
                more = True
        if not more:
            parts.append((slice(0, 1), slice(first, last), filters[:1].contiguous(), False))
    return parts
