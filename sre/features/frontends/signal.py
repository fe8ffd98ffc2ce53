"""What the front-ends of whole signals share: pre-emphasis, padding, windows, power spectrum, a block at a time.

Up to the power spectrum all is in float64, for in float32 the quiet bands of two libraries differ by 1e-3. Shapes: B
signals of S samples, T frames, W samples of a window, P of its transform, K = P/2 + 1 frequencies, F bins.
"""

import zlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from sre import SreError
from sre.features.frontends.options import SignalOptions
from sre.features.options import FeatureOptions

FRAMES_AT_ONCE = {"cpu": 500, "cuda": 20_000}  # of all signals together: hours are done in bounded memory
FULL_SCALE = 32768.0  # int16's, which other toolkits divide by


class Scaling(NamedTuple):
    """The mean that is subtracted from waves, and the scale that they are divided by: numbers, or (B, 1)."""

    mean: Tensor | float
    scale: Tensor | float


class SignalExtractor:
    """Waveforms to features: the part of all front-ends. One has `window`, `filters` and `compressed`, and maybe more.

    Parameters
    ----------
    options : of the type
    device : where the work is done; matrices that do not depend on the signal are made once, on it
    """

    options: SignalOptions
    padding = "reflect"  # what stands beyond the ends of the signal: reflect, or zero
    first = "alone"  # the first sample in the pre-emphasis: alone, or after the second one, mirrored

    def __init__(self, options: SignalOptions, device: str | torch.device = "cpu") -> None:
        self.options, self.device = options, torch.device(device)
        self.mel = self.filters().float().to(device)  # (K, F)
        self.shape = self.window().to(device)  # (W,) float64
        self.coefficient: float = getattr(options, "preemphasis_coefficient", 0.0)

    def window(self) -> Tensor:
        """Return the (W,) window, float64."""
        raise NotImplementedError

    def filters(self) -> Tensor:
        """Return the (K, F) weights of the power spectrum."""
        raise NotImplementedError

    def compressed(self, mel: Tensor, power: Tensor) -> Tensor:
        """Return the features of (B, t, F) energies of bands, made of the power spectrum (B, t, K)."""
        raise NotImplementedError

    def scaling(self, waves: Tensor) -> Scaling:
        """Return how (B, S) waves on int16's scale become the signal."""
        return Scaling(0.0, FULL_SCALE)

    def energies(self, power: Tensor) -> Tensor:
        """Return the (B, t, F) energies of the bands of a power spectrum."""
        return power @ self.mel

    def constants(self) -> dict[str, Tensor]:
        """Return the tensors that a checkpoint of the toolkit may have of its front-end, by the ends of their names."""
        return {}

    def finished(self, features: Tensor) -> Tensor:
        """Return what depends on all frames of a signal, (B, T, F) -> (B, T, D)."""
        return features

    @torch.inference_mode()
    def __call__(self, waves: Sequence[np.ndarray], dither_seed: str = "") -> list[Tensor]:
        """Make (T, F) float32 features of each (S,) float32 wave on int16's scale.

        Raises SreError where a wave is too short for a frame.
        """
        generator = torch.Generator().manual_seed(zlib.crc32(dither_seed.encode()))
        count_frames(self.options, map(len, waves))
        made = []
        for wave in waves:
            signal = torch.from_numpy(np.ascontiguousarray(wave, np.float32))[None]
            if dither := getattr(self.options, "dither", 0.0):
                signal = signal + dither * torch.randn(signal.shape, generator=generator)
            made.append(self.batch(signal)[0].cpu())
        return made

    def batch(self, waves: Tensor) -> Tensor:
        """Make (B, T, F) float32 features, without dither, of waves of one length, (B, S) float32 on int16's scale.

        They are on the extractor's device, where the waves are or go to. Raises SreError where they are too short.
        """
        waves, frames = prepared(waves, self.options, self.device)
        scaling = self.scaling(waves)
        at_once = max(1, FRAMES_AT_ONCE[self.device.type] // len(waves))
        blocks = [self._frames(waves, scaling, t, min(t + at_once, frames)) for t in range(0, frames, at_once)]
        return self.finished(torch.cat(blocks, dim=1))

    def _frames(self, waves: Tensor, scaling: Scaling, begin: int, end: int) -> Tensor:
        """Make the features of frames from `begin` to `end`: (B, S) -> (B, t, F)."""
        o, first = self.options, self.options.first_sample + begin * self.options.shift
        piece = self._padded(waves, scaling, first, first + (end - begin - 1) * o.shift + o.window)
        windows = functional.pad(piece.unfold(1, o.window, o.shift) * self.shape, (0, o.padded - o.window))
        spectrum = torch.fft.rfft(windows)
        power = (spectrum.real.square() + spectrum.imag.square()).float()
        return self.compressed(self.energies(power), power)

    def _padded(self, waves: Tensor, scaling: Scaling, begin: int, end: int) -> Tensor:
        """Return samples from `begin` to `end` of the signal, (B, s) float64; some may lie beyond its ends."""
        count = waves.shape[1]
        before, after = max(0, -begin), max(0, end - count)
        signal = self._emphasised(waves, scaling, begin + before, end - after)
        if self.padding == "zero":
            return functional.pad(signal, (before, after))
        head = self._emphasised(waves, scaling, 1, 1 + before).flip(1)
        tail = self._emphasised(waves, scaling, count - 1 - after, count - 1).flip(1)
        return torch.cat([head, signal, tail], dim=1)

    def _emphasised(self, waves: Tensor, scaling: Scaling, begin: int, end: int) -> Tensor:
        """Return y[n] - c y[n - 1] of scaled waves y, for n from `begin` to `end`: (B, S) -> (B, s) float64."""
        here = waves[:, begin:end].double() - scaling.mean
        if self.coefficient:
            earlier = waves[:, max(begin - 1, 0) : end - 1].double() - scaling.mean
            if begin == 0:
                first = waves[:, 1:2].double() - scaling.mean if self.first == "mirrored" else 0 * here[:, :1]
                earlier = torch.cat([first, earlier], dim=1)
            here = here - self.coefficient * earlier[:, : end - begin]
        return here / scaling.scale


def count_frames(options: FeatureOptions, samples: Iterable[int]) -> list[int]:
    """Return the frames of signals of so many samples. Raises SreError where one has none."""
    counts = []
    for count in samples:
        counts.append(options.num_frames(count))
        if counts[-1] < 1:
            raise SreError(f"audio of {count} samples is shorter than one frame; remove it")
    return counts


def prepared(waves: Tensor, options: FeatureOptions, device: torch.device) -> tuple[Tensor, int]:
    """Return (B, S) waves as extractors read them, and the frames of each. Raises SreError where they have none.

    They are float32 on the device, one wave behind the other: sums over strides would round otherwise.
    """
    (frames,) = count_frames(options, [waves.shape[1]])
    return waves.to(device, torch.float32).contiguous(), frames


def decibels(energies: Tensor, floor: float) -> Tensor:
    """Return 10 log10 of energies, which are at least `floor`."""
    return 10 * energies.clamp(min=floor).log10()


def within(decibel: Tensor, top: float) -> Tensor:
    """Return (B, T, F) levels that are at most `top` dB below the highest of their signal."""
    return torch.maximum(decibel, decibel.amax(dim=(1, 2), keepdim=True) - top)
