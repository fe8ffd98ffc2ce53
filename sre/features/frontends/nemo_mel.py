"""NeMo's log mel spectrum (nemo/collections/asr/parts/features.py: FilterbankFeatures, 1.0 and 3.0)."""

import torch
from torch import Tensor

from sre.features.frontends.mel import slaney_filters
from sre.features.frontends.options import NemoMelOptions
from sre.features.frontends.signal import SignalExtractor

GUARD = 2**-24


class NemoMel(SignalExtractor):
    """log(x + 2^-24) of Slaney's mel bands; the signal pre-emphasised whole, its first sample kept.

    As in NeMo 1.0 the signal is mirrored at its ends, and a frame stands for each shift of it that has begun; with
    `whole_shifts`, as in NeMo 3.0, zeros are beyond its ends, and a frame stands for each whole shift.
    `cmn: utterance` with `cmn_variance: nemo` is NeMo's per-feature normalisation.
    """

    options: NemoMelOptions

    def __init__(self, options: NemoMelOptions, device: str | torch.device = "cpu") -> None:
        super().__init__(options, device)
        self.padding = "zero" if options.whole_shifts else "reflect"

    def constants(self) -> dict[str, Tensor]:
        """Return the tensors that a .nemo file has of this front-end, by the ends of their names."""
        return {"featurizer.window": self.shape.float(), "featurizer.fb": self.mel.T[None]}

    def window(self) -> Tensor:
        return torch.hann_window(self.options.window, periodic=False, dtype=torch.float64)

    def filters(self) -> Tensor:
        o = self.options
        return slaney_filters(o.low_freq, o.highest, o.num_mel_bins, o.sample_rate, o.padded)

    def compressed(self, mel: Tensor, power: Tensor) -> Tensor:
        return (mel + GUARD).log()
