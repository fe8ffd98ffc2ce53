"""The log energies of SpeechBrain's Fbank (speechbrain/lobes/features.py, processing/features.py: Filterbank)."""

import torch
from torch import Tensor

from sre.features.frontends.mel import frequencies, htk_edges
from sre.features.frontends.options import SpeechbrainFbankOptions
from sre.features.frontends.signal import SignalExtractor, decibels, within

FLOOR = 1e-10  # of the energies
TOP_DB = 80.0


class SpeechbrainFbank(SignalExtractor):
    """Decibels of triangular filters, which end 80 dB below the signal's highest.

    A filter falls as steeply as it rises: both of its sides are as wide as the distance to the corner below. They are
    computed in float32 as there, which moves a level by up to 6e-4 dB.
    """

    options: SpeechbrainFbankOptions
    padding = "zero"

    def window(self) -> Tensor:
        return torch.hamming_window(self.options.window, dtype=torch.float64)

    def filters(self) -> Tensor:
        o = self.options
        edges = htk_edges(o.low_freq, o.highest, o.num_mel_bins, torch.float32)
        centre, width = edges[1:-1], edges[1:-1] - edges[:-2]
        at = frequencies(o.padded // 2 + 1, o.sample_rate // 2).float()
        return (1 - (at[:, None] - centre).abs() / width).clamp(min=0)

    def compressed(self, mel: Tensor, power: Tensor) -> Tensor:
        return decibels(mel, FLOOR)

    def finished(self, features: Tensor) -> Tensor:
        return within(features, TOP_DB)
