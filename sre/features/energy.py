"""The log energy of each frame of a signal, as Kaldi's MFCC have it in column 0, for features of any type.

Shapes: S samples, T frames, W samples of a window.
"""

import math

import numpy as np
import torch

from sre.features.options import FeatureOptions

FRAMES_AT_ONCE = 2_000


def frame_centres(options: FeatureOptions, frames: int) -> np.ndarray:
    """Return the sample in the middle of each window, (T,)."""
    return options.first_sample + options.window // 2 + np.arange(frames) * options.shift


@torch.inference_mode()
def log_energies(options: FeatureOptions, wave: np.ndarray) -> np.ndarray:
    """Return log energies of the raw windows, without dither: (S,) float32 on int16's scale -> (T,) float32.

    feature-mfcc.cc with use_energy and raw_energy. The floor is energy_floor of options that have one.
    """
    frames, first = options.num_frames(len(wave)), options.first_sample
    last = first + (frames - 1) * options.shift + options.window
    padded = np.pad(wave[: max(last, 0)], (max(-first, 0), max(last - len(wave), 0)), mode="symmetric")
    energies = []
    for piece in torch.from_numpy(padded).unfold(0, options.window, options.shift).split(FRAMES_AT_ONCE):
        x = piece - piece.mean(dim=1, keepdim=True) if getattr(options, "remove_dc_offset", True) else piece  # (T, W)
        energies.append(x.square().sum(dim=1).clamp(min=torch.finfo(torch.float32).eps).log())
    energy, floor = torch.cat(energies), getattr(options, "energy_floor", 0.0)
    return (energy.clamp(min=math.log(floor)) if floor > 0 else energy).numpy()
