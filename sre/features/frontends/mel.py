"""Mel filters, as each toolkit draws them, and the cosine transform. All in float64, (K, F) for K frequencies."""

import math

import torch
from torch import Tensor

SLANEY_STEP = 200 / 3  # Hz a mel below 1 kHz, in M. Slaney's Auditory Toolbox
SLANEY_LOG = math.log(6.4) / 27  # of the frequency, a mel above


def to_htk(hertz: Tensor) -> Tensor:
    """Return mel of Hz: 2595 log10(1 + f / 700)."""
    return 2595 * torch.log10(1 + hertz / 700)


def from_htk(mel: Tensor) -> Tensor:
    """Return Hz of HTK's mel."""
    return 700 * (10 ** (mel / 2595) - 1)


def to_slaney(hertz: Tensor) -> Tensor:
    """Return mel of Hz, linear below 1 kHz and logarithmic above (librosa.hz_to_mel)."""
    above = 15 + torch.log(hertz.clamp(min=1000) / 1000) / SLANEY_LOG
    return torch.where(hertz < 1000, hertz / SLANEY_STEP, above)


def from_slaney(mel: Tensor) -> Tensor:
    """Return Hz of Slaney's mel."""
    return torch.where(mel < 15, mel * SLANEY_STEP, 1000 * torch.exp(SLANEY_LOG * (mel - 15)))


def frequencies(count: int, highest: float) -> Tensor:
    """Return (count,) frequencies from 0 to `highest`."""
    return torch.linspace(0, highest, count, dtype=torch.float64)


def htk_edges(low: float, high: float, bins: int, dtype: torch.dtype = torch.float64) -> Tensor:
    """Return the (F + 2,) corners of F triangles in Hz, equally spaced on HTK's scale.

    dtype : in which the toolkit computes them
    """
    low_mel, high_mel = to_htk(torch.tensor([low, high], dtype=torch.float64)).tolist()
    return from_htk(torch.linspace(low_mel, high_mel, bins + 2, dtype=dtype))


def slaney_edges(low: float, high: float, bins: int) -> Tensor:
    """Return the (F + 2,) corners of F triangles in Hz, equally spaced on Slaney's scale."""
    low_mel, high_mel = to_slaney(torch.tensor([low, high], dtype=torch.float64)).tolist()
    return from_slaney(torch.linspace(low_mel, high_mel, bins + 2, dtype=torch.float64))


def triangles(edges: Tensor, at: Tensor) -> Tensor:
    """Return (K, F) filters that rise from edge i to 1 at edge i + 1 and fall to edge i + 2, at (K,) places."""
    rising = (at[:, None] - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - at[:, None]) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp(min=0)


def slaney_filters(low: float, high: float, bins: int, sample_rate: int, padded: int) -> Tensor:
    """Return the filters of librosa.filters.mel: Slaney's scale, each of area 1."""
    edges = slaney_edges(low, high, bins)
    filters = triangles(edges, frequencies(padded // 2 + 1, sample_rate / 2))
    return filters * (2 / (edges[2:] - edges[:-2]))


def cosine_transform(bins: int, num_ceps: int, lifter: float = 0.0) -> Tensor:
    """Return the (F, num_ceps) orthonormal DCT-II, its columns times 1 + L/2 sin(pi k / L) where the lifter L is."""
    n, k = torch.arange(bins, dtype=torch.float64)[:, None], torch.arange(num_ceps, dtype=torch.float64)
    dct = math.sqrt(2 / bins) * torch.cos(math.pi / bins * (n + 0.5) * k)
    dct[:, 0] = math.sqrt(1 / bins)
    return dct * (1 + 0.5 * lifter * torch.sin(math.pi * k / lifter)) if lifter > 0 else dct
