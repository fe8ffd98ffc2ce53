"""Kaldi's fbank and MFCC (feat/feature-window.cc, feature-fbank.cc, feature-mfcc.cc, mel-computations.cc).

Batched in torch, on CPU or GPU: the frames of all utterances are rows of one matrix, so no padding and no mask.
Input is on int16's scale. Shapes: N utterances, S samples, T frames, W window samples, P padded window, F mel bins.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sre import SreError
from sre.features.srfft import SplitRadixRealFFT

FRAMES_AT_ONCE = {"cpu": 500, "cuda": 20_000}  # 500 stay in a CPU's cache: 3,000 at once were 1.7 times slower


@dataclass(frozen=True)
class FeatureOptions:
    """Kaldi's options with Kaldi's names and defaults, but for dither (0 here, 1 there)."""

    type: str = "fbank"
    sample_frequency: int = 16000  # Hz
    frame_length: float = 25.0  # ms
    frame_shift: float = 10.0  # ms
    preemphasis_coefficient: float = 0.97
    remove_dc_offset: bool = True
    window_type: str = "povey"
    snip_edges: bool = True
    num_mel_bins: int = 80
    low_freq: float = 20.0  # Hz
    high_freq: float = 0.0  # Hz; at most 0: counted from the Nyquist frequency
    num_ceps: int = 13
    cepstral_lifter: float = 22.0
    use_energy: bool = True  # MFCC: C0 becomes the log energy of the raw frame
    energy_floor: float = 0.0
    dither: float = 0.0

    def __post_init__(self) -> None:
        """Raises SreError where options do not go together."""
        if not 16 <= self.window <= 65536 or self.shift < 1:
            raise SreError(
                f"frame_length {self.frame_length:g} ms and frame_shift {self.frame_shift:g} ms are {self.window} and"
                f" {self.shift} samples at {self.sample_frequency} Hz; give lengths of 16 to 65536 samples, shifts of 1"
            )
        if not 0 <= self.low_freq < self.highest <= self.nyquist:
            raise SreError(
                f"mel banks from {self.low_freq} to {self.highest} Hz do not fit below {self.nyquist} Hz; mend the"
                " config"
            )
        if self.num_mel_bins > self.padded // 2 or (self.type == "mfcc" and self.num_ceps > self.num_mel_bins):
            most = min(self.num_mel_bins, self.padded // 2)
            raise SreError(
                f"num_mel_bins {self.num_mel_bins}, num_ceps {self.num_ceps}: a window of {self.window} samples has"
                f" {self.padded // 2} frequencies; give at most so many bins, and {most} cepstra"
            )

    @property
    def nyquist(self) -> float:
        return 0.5 * self.sample_frequency

    @property
    def highest(self) -> float:
        """Hz, of the last filter."""
        return self.high_freq if self.high_freq > 0 else self.nyquist + self.high_freq

    @property
    def padded(self) -> int:
        """Samples of a window's Fourier transform."""
        return 1 << (self.window - 1).bit_length()

    @property
    def window(self) -> int:
        return int(self.sample_frequency * 0.001 * self.frame_length)

    @property
    def shift(self) -> int:
        return int(self.sample_frequency * 0.001 * self.frame_shift)

    @property
    def dimension(self) -> int:
        return self.num_mel_bins if self.type == "fbank" else self.num_ceps

    def num_frames(self, num_samples: int) -> int:
        if self.snip_edges:
            return max(0, 1 + (num_samples - self.window) // self.shift)
        return (num_samples + self.shift // 2) // self.shift


class FeatureExtractor:
    """waveforms -> features, with the window, mel and DCT matrices made once.

    Parameters
    ----------
    options : FeatureOptions
    device : where the work is done
    """

    def __init__(self, options: FeatureOptions, device: str | torch.device = "cpu") -> None:
        self.options, self.device = options, torch.device(device)
        self.fft = SplitRadixRealFFT(options.padded, self.device)
        self.window = _window(options).float().to(device)  # (W,)
        self.mel = _mel_banks(options).float().to(device)  # (P/2, F)
        if options.type == "mfcc":
            self.dct = _dct_with_lifter(options).float().to(device)  # (F, num_ceps)

    @torch.inference_mode()
    def __call__(self, waves: Sequence[np.ndarray], dither_seed: str = "") -> list[Tensor]:
        """(samples,) float32 arrays on int16's scale -> (T, F) float32 tensors.

        Raises SreError where a wave is shorter than one frame.
        """
        if not waves:
            return []
        generator = torch.Generator().manual_seed(zlib.crc32(dither_seed.encode()))
        counts = [self.options.num_frames(len(wave)) for wave in waves]
        if min(counts) < 1:
            raise SreError(
                f"audio of {len(waves[int(np.argmin(counts))])} samples is shorter than one frame; remove it"
            )
        at_once = FRAMES_AT_ONCE[self.device.type]
        parts: list[Tensor] = []
        frames: list[Tensor] = []
        waiting = 0
        for wave in waves:
            for piece in self._frames(torch.from_numpy(np.ascontiguousarray(wave, np.float32))).split(at_once):
                frames.append(piece)
                waiting += len(piece)
                if waiting >= at_once:
                    parts.append(self._features(torch.cat(frames), generator))
                    frames, waiting = [], 0
        if frames:
            parts.append(self._features(torch.cat(frames), generator))
        return list(torch.cat(parts).split(counts))

    def _frames(self, wave: Tensor) -> Tensor:  # (S,) -> (T, W), a view where edges are snipped
        options = self.options
        if options.snip_edges:
            return wave.unfold(0, options.window, options.shift)
        # frame t is centred on (t + 1/2) shift; samples beyond an end are mirrored (feature-window.cc: ExtractWindow)
        first = (options.shift - options.window) // 2
        last = first + (options.num_frames(len(wave)) - 1) * options.shift + options.window
        index = torch.arange(first, last)
        while ((index < 0) | (index >= len(wave))).any():
            index = torch.where(index < 0, -index - 1, index)
            index = torch.where(index >= len(wave), 2 * len(wave) - 1 - index, index)
        return wave[index].unfold(0, options.window, options.shift)

    def _features(self, frames: Tensor, generator: torch.Generator) -> Tensor:  # (T, W) -> (T, F)
        options = self.options
        x = frames.to(self.device)
        if options.dither:
            x = x + options.dither * torch.randn(x.shape, generator=generator).to(self.device)
        if options.remove_dc_offset:
            x = x - x.mean(dim=1, keepdim=True)
        if options.type == "mfcc" and options.use_energy:
            energy = _log(x.square().sum(dim=1))
        c = options.preemphasis_coefficient
        x = torch.cat([x[:, :1] * (1 - c), x[:, 1:] - c * x[:, :-1]], dim=1) * self.window
        power = self.fft.power(x.T.contiguous())  # (W, T) -> (P/2, T); Kaldi's banks leave the Nyquist bin out
        mel = _log(power.T @ self.mel)
        if options.type == "fbank":
            return mel.cpu()
        cepstra = mel @ self.dct
        if options.use_energy:
            if options.energy_floor > 0:
                energy = energy.clamp(min=math.log(options.energy_floor))
            cepstra[:, 0] = energy
        return cepstra.cpu()


def _log(x: Tensor) -> Tensor:
    return x.clamp(min=torch.finfo(torch.float32).eps).log()


def _window(options: FeatureOptions) -> Tensor:
    n = torch.arange(options.window, dtype=torch.float64)
    a = 2 * math.pi / (options.window - 1)
    shapes = {
        "povey": lambda: (0.5 - 0.5 * torch.cos(a * n)) ** 0.85,
        "hamming": lambda: 0.54 - 0.46 * torch.cos(a * n),
        "hanning": lambda: 0.5 - 0.5 * torch.cos(a * n),
        "rectangular": lambda: torch.ones_like(n),
    }
    return shapes[options.window_type]()


def _mel_scale(hertz: Tensor | float) -> Tensor:
    return 1127.0 * torch.log1p(torch.as_tensor(hertz, dtype=torch.float64) / 700.0)


def _mel_banks(options: FeatureOptions) -> Tensor:  # (P/2, F)
    low_mel, high_mel = _mel_scale(options.low_freq), _mel_scale(options.highest)
    padded = options.padded
    delta = (high_mel - low_mel) / (options.num_mel_bins + 1)
    left = low_mel + delta * torch.arange(options.num_mel_bins, dtype=torch.float64)
    mel = _mel_scale(torch.arange(padded // 2, dtype=torch.float64) * options.sample_frequency / padded)[:, None]
    up, down = (mel - left) / delta, (left + 2 * delta - mel) / delta
    return torch.minimum(up, down).clamp(min=0)


def _dct_with_lifter(options: FeatureOptions) -> Tensor:  # (F, num_ceps)
    F, C = options.num_mel_bins, options.num_ceps
    n, k = torch.arange(F, dtype=torch.float64)[:, None], torch.arange(C, dtype=torch.float64)
    dct = math.sqrt(2 / F) * torch.cos(math.pi / F * (n + 0.5) * k)
    dct[:, 0] = math.sqrt(1 / F)
    Q = options.cepstral_lifter
    lifter = 1 + 0.5 * Q * torch.sin(math.pi * k / Q) if Q else torch.ones(C, dtype=torch.float64)
    return dct * lifter
