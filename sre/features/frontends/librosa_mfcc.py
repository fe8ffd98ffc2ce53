"""The cepstra of librosa.feature.mfcc."""

import torch
from torch import Tensor

from sre.features.frontends.mel import cosine_transform, slaney_filters
from sre.features.frontends.options import LibrosaMfccOptions
from sre.features.frontends.signal import SignalExtractor, decibels, within

FLOOR = 1e-10  # of the energies
TOP_DB = 80.0


class LibrosaMfcc(SignalExtractor):
    """DCT-II of the decibels of Slaney's mel bands, which end 80 dB below the signal's highest."""

    options: LibrosaMfccOptions

    def __init__(self, options: LibrosaMfccOptions, device: str | torch.device = "cpu") -> None:
        super().__init__(options, device)
        self.padding = options.centre_padding
        self.dct = cosine_transform(options.num_mel_bins, options.num_ceps).to(device)  # (F, num_ceps)

    def window(self) -> Tensor:
        return torch.hann_window(self.options.window, dtype=torch.float64)

    def filters(self) -> Tensor:
        o = self.options
        return slaney_filters(o.low_freq, o.highest, o.num_mel_bins, o.sample_rate, o.padded)

    def compressed(self, mel: Tensor, power: Tensor) -> Tensor:
        return decibels(mel, FLOOR)

    def finished(self, features: Tensor) -> Tensor:
        return (within(features, TOP_DB).double() @ self.dct).float()
