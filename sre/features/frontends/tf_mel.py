"""ReDimNet2's TF-mel (I. Yakovlev et al. 2026), as WeSpeaker's frontend/tfmel.py has it with norm_signal.

The signal is brought to mean 0 and deviation 1, pre-emphasised with its second sample mirrored before the first, and
has half a shift of zeros at either end. Windows are symmetric Hamming ones, at the start of a transform.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional

from sre.features.frontends.mel import frequencies, to_htk, triangles
from sre.features.frontends.options import TfMelOptions
from sre.features.frontends.signal import FULL_SCALE, Scaling, SignalExtractor

EPSILON = 1e-8
SAMPLES_AT_ONCE = 1_000_000  # of a signal, in float64


class TfMel(SignalExtractor):
    """Log energies of triangles on the mel scale, over the frequencies without the highest.

    Their places are those of the original: P/2 frequencies from 0 to the Nyquist frequency, both included, which
    lie P / (P - 2) above where the transform has them. `cmn: utterance` is its mean normalisation.
    """

    options: TfMelOptions
    padding, first = "zero", "mirrored"

    def window(self) -> Tensor:
        return torch.hamming_window(self.options.window, periodic=False, dtype=torch.float64)

    def filters(self) -> Tensor:
        o = self.options
        low, high = to_htk(torch.tensor([o.low_freq, o.highest], dtype=torch.float64)).tolist()
        corners = torch.linspace(low, high, o.num_mel_bins + 2, dtype=torch.float64)  # in mel
        filters = triangles(corners, to_htk(frequencies(o.padded // 2, o.sample_rate // 2)))
        filters[0] = 0
        return functional.pad(filters, (0, 0, 0, 1))  # (P/2, F) -> (K, F)

    def constants(self) -> dict[str, Tensor]:
        """Return the constants that a checkpoint has of the original, by the ends of their names there."""
        o = self.options
        n, k = (torch.arange(count, dtype=torch.float64, device=self.device) for count in (o.window, o.padded // 2))
        turn = 2 * math.pi / o.padded * k[:, None] * n
        return {
            "flipped_filter": torch.tensor([[[-self.coefficient, 1.0]]]),
            "real_kernel_pt": (turn.cos() * self.shape)[:, None],
            "image_kernel_pt": (turn.sin() * self.shape)[:, None],
            "melbanks_pt": self.mel[:-1].T[:, :, None],
        }

    def scaling(self, waves: Tensor) -> Scaling:
        parts, count = waves.split(SAMPLES_AT_ONCE, dim=1), waves.shape[1]
        mean = torch.stack([part.sum(dim=1, keepdim=True, dtype=torch.float64) for part in parts]).sum(dim=0) / count
        squares = [(part.double() - mean).square().sum(dim=1, keepdim=True) for part in parts]
        variance = torch.stack(squares).sum(dim=0) / count
        return Scaling(mean, variance.sqrt() + EPSILON * FULL_SCALE)

    def energies(self, power: Tensor) -> Tensor:
        return power.clamp(EPSILON, 1 / EPSILON) @ self.mel

    def compressed(self, mel: Tensor, power: Tensor) -> Tensor:
        return (mel.clamp(EPSILON, 1 / EPSILON) + EPSILON).log()
