"""What makes a training chunk of a piece of features: speed change, which makes new speakers; normalisation; masks.

Legend: T frames of a piece, F features (mel bins); all float32.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from sre.features.cmn import renormalise
from sre.training.masks import Masks


@dataclass(frozen=True)
class Augmentation:
    """The `augment` section of a model's YAML, and what it needs of the features.

    Attributes
    ----------
    speeds : factors beside 1; a chunk at factor i counts as another speaker (D. Povey's 3-way speed perturbation, with
        speakers relabelled as in H. Yamamoto et al., Interspeech 2019)
    time_masks, time_mask_frames, freq_masks, freq_mask_bins : SpecAugment (D. Park et al., Interspeech 2019)
    time_mask_least, freq_mask_least, mask_probability, mask_fill : as of `Masks`
    distort : steps of distortions of waveforms, for which a chunk has one more draw
    low_freq, high_freq : Hz, the ends of the mel scale of the features
    zero_mean : normalise the chunk by itself (training.chunk_cmn), after the speed, before the masks
    feature_config : of the features, which says how a chunk is normalised by itself
    """

    speeds: tuple[float, ...] = ()
    time_masks: int = 0
    time_mask_frames: int = 20
    freq_masks: int = 0
    freq_mask_bins: int = 8
    time_mask_least: int = 0
    freq_mask_least: int = 0
    mask_probability: float = 1.0
    mask_fill: float | str = 0.0
    distort: Sequence[Mapping[str, Any]] = ()
    low_freq: float = 20.0
    high_freq: float = 8000.0
    zero_mean: bool = False
    feature_config: Mapping[str, Any] = field(default_factory=dict)

    @property
    def copies(self) -> int:
        """The number of speakers that one speaker becomes: one for each speed."""
        return 1 + len(self.speeds)

    @cached_property
    def masks(self) -> Masks:
        """What is masked in a chunk."""
        time, freq = (self.time_mask_least, self.time_mask_frames), (self.freq_mask_least, self.freq_mask_bins)
        return Masks(self.time_masks, self.freq_masks, time, freq, self.mask_probability, self.mask_fill)

    @property
    def num_draws(self) -> int:
        """The number of draws, uniform in [0, 1), for one chunk: of the speed, of its masks, of its distortions."""
        return 1 + self.masks.num_draws + bool(self.distort)

    def copy_of(self, draws: np.ndarray) -> int:
        """Return the copy that a chunk's (num_draws,) draws choose: 0 for the speed 1, i for speeds[i - 1]."""
        return int(draws[0] * self.copies)

    def speed_of(self, copy: int) -> float:
        """Return the factor of a copy."""
        return self.speeds[copy - 1] if copy else 1.0

    def mask_draws(self, draws: np.ndarray) -> np.ndarray:
        """Return those of a chunk's (num_draws,) draws that its masks are made of."""
        return draws[1 : 1 + self.masks.num_draws]

    def frames_needed(self, frames: int, copy: int) -> int:
        """Return how many frames of an utterance make a chunk of `frames` frames of a copy."""
        return frames if copy == 0 else int(np.ceil(frames * self.speeds[copy - 1]))

    def normalised(self, chunk: np.ndarray) -> np.ndarray:
        """Return (T, F) normalised by itself, with `zero_mean`; else as it is."""
        return renormalise(chunk, self.feature_config) if self.zero_mean else chunk

    def __call__(self, chunk: np.ndarray, frames: int, draws: np.ndarray) -> np.ndarray:
        """Return the chunk (frames, F), but for its masks, of a piece of `frames_needed` frames and its draws."""
        if copy := self.copy_of(draws):
            chunk = change_speed(chunk, frames, self.speed_of(copy), self.low_freq, self.high_freq)
        return self.normalised(chunk)


def change_speed(feats: np.ndarray, frames: int, factor: float, low_freq: float, high_freq: float) -> np.ndarray:
    """Return the log-mel features (frames, F) of a recording played `factor` times faster.

    feats : (about frames x factor, F)

    Time is interpolated linearly, and each mel bin takes what stood at its frequency divided by the factor.
    """
    at = np.linspace(0, len(feats) - 1, frames)
    low = np.minimum(at.astype(int), len(feats) - 2)
    weight = (at - low).astype(np.float32)[:, None]
    stretched = (1 - weight) * feats[low] + weight * feats[low + 1]
    return stretched @ warp_matrix(feats.shape[1], factor, low_freq, high_freq)


@lru_cache(maxsize=64)  # it took longer than all else of a chunk
def warp_matrix(bins: int, factor: float, low_freq: float, high_freq: float) -> np.ndarray:
    """Return (F, F): column j interpolates the input at the centre frequency of bin j divided by `factor`."""
    low, high = 1127 * np.log1p(np.array([low_freq, high_freq]) / 700)
    centres = np.linspace(low, high, bins + 2)[1:-1]
    wanted = 1127 * np.log1p(700 * np.expm1(centres / 1127) / factor / 700)
    return np.stack([np.interp(wanted, centres, row) for row in np.eye(bins)]).astype(np.float32)
