"""ClovaAI's front-end (voxceleb_trainer, models/ResNetSE34V2.py): torchaudio's mel spectrum after its pre-emphasis."""

import torch
from torch import Tensor

from sre.features.frontends.mel import frequencies, htk_edges, triangles
from sre.features.frontends.options import TorchaudioMelOptions
from sre.features.frontends.signal import SignalExtractor

GUARD = 1e-6


class TorchaudioMel(SignalExtractor):
    """log(x + 1e-6) of HTK's mel bands, none normalised; periodic Hamming window, the signal mirrored at its ends.

    `cmn: utterance` with `cmn_variance: instance_norm` is its normalisation.
    """

    options: TorchaudioMelOptions
    first = "mirrored"

    def constants(self) -> dict[str, Tensor]:
        """Return the tensors that ClovaAI's checkpoints have of this front-end, by the ends of their names."""
        emphasis = torch.tensor([[[-self.coefficient, 1.0]]])
        own = {"spectrogram.window": self.shape.float(), "mel_scale.fb": self.mel}
        return {**own, "flipped_filter": emphasis} if self.coefficient else own

    def window(self) -> Tensor:
        return torch.hamming_window(self.options.window, dtype=torch.float64)

    def filters(self) -> Tensor:
        o = self.options
        at = frequencies(o.padded // 2 + 1, o.sample_rate / 2).float()  # float32, as there
        return triangles(htk_edges(o.low_freq, o.highest, o.num_mel_bins, torch.float32), at)

    def compressed(self, mel: Tensor, power: Tensor) -> Tensor:
        return (mel + GUARD).log()
