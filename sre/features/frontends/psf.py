"""The features of python_speech_features (J. Lyons; base.py): windows without a shape, corners rounded to bins."""

import torch
from torch import Tensor

from sre.features.frontends.mel import cosine_transform, htk_edges
from sre.features.frontends.options import PsfFbankOptions, PsfMfccOptions, PsfOptions
from sre.features.frontends.signal import SignalExtractor

FLOOR = 1e-5  # of the d-vector tutorial's decibels
NONE = torch.finfo(torch.float64).eps  # for an energy of 0


class _Psf(SignalExtractor):
    """Mel filters, whose corners are whole bins of the transform; a last frame is filled with zeros."""

    options: PsfOptions
    padding = "zero"

    def window(self) -> Tensor:
        return torch.ones(self.options.window, dtype=torch.float64)

    def filters(self) -> Tensor:
        o = self.options
        corners = ((o.padded + 1) * htk_edges(o.low_freq, o.highest, o.num_mel_bins) / o.sample_rate).floor()
        left, centre, right = corners[:-2], corners[1:-1], corners[2:]
        at = torch.arange(o.padded // 2 + 1, dtype=torch.float64)[:, None]
        filters = torch.where(at < centre, (at - left) / (centre - left), (right - at) / (right - centre))
        return filters.clamp(min=0).nan_to_num(0.0)  # two corners may be one: 0/0 on a side that is not there

    def energies(self, power: Tensor) -> Tensor:
        return power @ self.mel / self.options.padded


class PsfFbank(_Psf):
    """Their log energies."""

    options: PsfFbankOptions

    def compressed(self, mel: Tensor, power: Tensor) -> Tensor:
        return 20 * mel.clamp(min=FLOOR).log10() if self.options.log_energies == "decibel" else _log(mel)


class PsfMfcc(_Psf):
    """The cosine transform of the logarithms of their energies."""

    options: PsfMfccOptions

    def __init__(self, options: PsfMfccOptions, device: str | torch.device = "cpu") -> None:
        super().__init__(options, device)
        dct = cosine_transform(options.num_mel_bins, options.num_ceps, options.cepstral_lifter)
        self.dct = dct.to(device)  # (F, num_ceps)

    def compressed(self, mel: Tensor, power: Tensor) -> Tensor:
        cepstra = (_log(mel).double() @ self.dct).float()
        if self.options.use_energy:
            cepstra[..., 0] = _log(power.sum(dim=-1) / self.options.padded)
        return cepstra


def _log(energies: Tensor) -> Tensor:
    return torch.where(energies == 0, NONE, energies).log()
