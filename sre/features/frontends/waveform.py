"""The samples of a signal as features, for networks that read the waveform.

Shapes: B signals of S samples, T frames of F samples.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sre.features.frontends.options import WaveformOptions
from sre.features.frontends.signal import FULL_SCALE, prepared


class Waveform:
    """Waveforms to blocks of 10 ms of samples in [-1, 1]; a last part that fills no block is dropped.

    Parameters
    ----------
    options : of the type
    device : where `batch` leaves the blocks
    """

    def __init__(self, options: WaveformOptions, device: str | torch.device = "cpu") -> None:
        self.options, self.device = options, torch.device(device)

    def __call__(self, waves: Sequence[np.ndarray], dither_seed: str = "") -> list[Tensor]:
        """Make (T, F) float32 of each (S,) float32 wave on int16's scale, on the CPU, since nothing is computed.

        Raises SreError where a wave is shorter than one block.
        """
        return [
            self._blocks(torch.from_numpy(np.ascontiguousarray(wave, np.float32))[None], "cpu")[0] for wave in waves
        ]

    @torch.no_grad()
    def batch(self, waves: Tensor) -> Tensor:
        """Make (B, T, F) float32 of waves of one length, (B, S) float32 on int16's scale, on the device.

        Raises SreError where they are too short.
        """
        return self._blocks(waves, self.device)

    def _blocks(self, waves: Tensor, device: str | torch.device) -> Tensor:
        waves, frames = prepared(waves, self.options, torch.device(device))
        columns = self.options.dimension
        return waves[:, : frames * columns].reshape(len(waves), frames, columns) / FULL_SCALE
