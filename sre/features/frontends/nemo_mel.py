"""NeMo's log mel spectrum (nemo/collections/asr/parts/features.py: FilterbankFeatures, version 1.0)."""

import torch
from torch import Tensor

from sre.features.frontends.mel import slaney_filters
from sre.features.frontends.options import NemoMelOptions
from sre.features.frontends.signal import SignalExtractor

GUARD = 2**-24


class NemoMel(SignalExtractor):
    """log(x + 2^-24) of Slaney's mel bands; the signal pre-emphasised whole, its first sample kept, and mirrored.

    A frame stands for each shift of the signal that has begun. `cmn: utterance` with `cmn_variance: nemo` is NeMo's
    per-feature normalisation.
    """

    options: NemoMelOptions

    def window(self) -> Tensor:
        return torch.hann_window(self.options.window, periodic=False, dtype=torch.float64)

    def filters(self) -> Tensor:
        o = self.options
        return slaney_filters(o.low_freq, o.highest, o.num_mel_bins, o.sample_rate, o.padded)

    def compressed(self, mel: Tensor, power: Tensor) -> Tensor:
        return (mel + GUARD).log()
