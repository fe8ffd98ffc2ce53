"""Kaldi's fbank and MFCC (feat/feature-window.cc, feature-fbank.cc, feature-mfcc.cc, mel-computations.cc).

Batched in torch, on CPU or GPU: the frames of all utterances are rows of one matrix, so no padding and no mask.
Input is on int16's scale. Shapes: N utterances, S samples, T frames, W window samples, P padded window, F mel bins.
"""

import math
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from sre import SreError
from sre.features.frontends.librosa_mfcc import LibrosaMfcc
from sre.features.frontends.mel import cosine_transform
from sre.features.frontends.nemo_mel import NemoMel
from sre.features.frontends.psf import PsfFbank, PsfMfcc
from sre.features.frontends.signal import SignalExtractor
from sre.features.frontends.speechbrain_fbank import SpeechbrainFbank
from sre.features.frontends.tf_mel import TfMel
from sre.features.frontends.torchaudio_mel import TorchaudioMel
from sre.features.options import FeatureOptions
from sre.features.srfft import SplitRadixRealFFT
from sre.features.types import FbankOptions, FrameOptions, MfccOptions

FRAMES_AT_ONCE = {"cpu": 500, "cuda": 20_000}  # 500 stay in a CPU's cache: 3,000 at once were 1.7 times slower


class FeatureExtractor:
    """Waveforms to features as Kaldi: the part of its types, up to the power spectrum; a type has `of_power`.

    Parameters
    ----------
    options : of the type
    device : where the work is done; matrices that do not depend on the signal are made once, on it
    """

    def __init__(self, options: FrameOptions, device: str | torch.device = "cpu") -> None:
        self.options, self.device = options, torch.device(device)
        self.fft = SplitRadixRealFFT(options.padded, self.device)
        self.window = _window(options).float().to(device)  # (W,)

    def of_power(self, power: Tensor, frames: Tensor) -> Tensor:
        """Make (T, F) features of a power spectrum (P/2, T).

        frames : (T, W), the same windows before pre-emphasis
        """
        raise NotImplementedError

    @torch.inference_mode()
    def __call__(self, waves: Sequence[np.ndarray], dither_seed: str = "") -> list[Tensor]:
        """Make (T, F) float32 features of each (S,) float32 wave on int16's scale.

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
                    parts.append(self.features(torch.cat(frames), generator))
                    frames, waiting = [], 0
        if frames:
            parts.append(self.features(torch.cat(frames), generator))
        return list(torch.cat(parts).split(counts))

    def batch(self, waves: Tensor) -> Tensor:
        """Make (B, T, F) float32 features, without dither, of waves of one length, (B, S) float32 on int16's scale.

        They are on the extractor's device, where the waves are or go to.
        """
        frames = torch.stack([self._frames(wave) for wave in waves.to(self.device)])  # (B, T, W)
        return self._of_frames(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])

    def _frames(self, wave: Tensor) -> Tensor:  # (S,) -> (T, W), a view where edges are snipped
        options = self.options
        if options.snip_edges:
            return wave.unfold(0, options.window, options.shift)
        # frame t is centred on (t + 1/2) shift; samples beyond an end are mirrored (feature-window.cc: ExtractWindow)
        first = (options.shift - options.window) // 2
        last = first + (options.num_frames(len(wave)) - 1) * options.shift + options.window
        index = torch.arange(first, last, device=wave.device)
        while ((index < 0) | (index >= len(wave))).any():
            index = torch.where(index < 0, -index - 1, index)
            index = torch.where(index >= len(wave), 2 * len(wave) - 1 - index, index)
        return wave[index].unfold(0, options.window, options.shift)

    def features(self, frames: Tensor, generator: torch.Generator) -> Tensor:  # (T, W) -> (T, F)
        """Make features of windows, on the CPU.

        generator : of the dither
        """
        options = self.options
        x = frames.to(self.device)
        if options.dither:
            x = x + options.dither * torch.randn(x.shape, generator=generator).to(self.device)
        return self._of_frames(x).cpu()

    def _of_frames(self, x: Tensor) -> Tensor:  # (T, W) -> (T, F), on the device
        options = self.options
        if options.remove_dc_offset:
            x = x - x.mean(dim=1, keepdim=True)
        c = options.preemphasis_coefficient
        emphasised = torch.cat([x[:, :1] * (1 - c), x[:, 1:] - c * x[:, :-1]], dim=1) * self.window
        power = self.fft.power(emphasised.T.contiguous())  # (W, T) -> (P/2, T); Kaldi's banks leave the Nyquist bin out
        return self.of_power(power, x)


class Fbank(FeatureExtractor):
    """Log energies of mel filters (feature-fbank.cc)."""

    options: FbankOptions

    def __init__(self, options: FbankOptions, device: str | torch.device = "cpu") -> None:
        super().__init__(options, device)
        self.mel = _mel_banks(options).float().to(device)  # (P/2, F)

    def of_power(self, power: Tensor, frames: Tensor) -> Tensor:
        return _log(power.T @ self.mel)


class Mfcc(Fbank):
    """Their cosine transform (feature-mfcc.cc)."""

    options: MfccOptions

    def __init__(self, options: MfccOptions, device: str | torch.device = "cpu") -> None:
        super().__init__(options, device)
        dct = cosine_transform(options.num_mel_bins, options.num_ceps, options.cepstral_lifter)
        self.dct = dct.float().to(device)  # (F, num_ceps)

    def of_power(self, power: Tensor, frames: Tensor) -> Tensor:
        cepstra = super().of_power(power, frames) @ self.dct
        if self.options.use_energy:
            energy = _log(frames.square().sum(dim=1))
            if self.options.energy_floor > 0:
                energy = energy.clamp(min=math.log(self.options.energy_floor))
            cepstra[:, 0] = energy
        return cepstra


Extractor = FeatureExtractor | SignalExtractor
EXTRACTORS: dict[str, Callable[..., Extractor]] = {
    "fbank": Fbank,
    "mfcc": Mfcc,
    "nemo_mel": NemoMel,
    "librosa_mfcc": LibrosaMfcc,
    "torchaudio_mel": TorchaudioMel,
    "psf_fbank": PsfFbank,
    "psf_mfcc": PsfMfcc,
    "speechbrain_fbank": SpeechbrainFbank,
    "tf_mel": TfMel,
}


def extractor_of(options: FeatureOptions, device: str | torch.device = "cpu") -> Extractor:
    """Return what makes features with these options."""
    return EXTRACTORS[options.type](options, device)


def _log(x: Tensor) -> Tensor:
    return x.clamp(min=torch.finfo(torch.float32).eps).log()


def _window(options: FrameOptions) -> Tensor:
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


def _mel_banks(options: FbankOptions) -> Tensor:  # (P/2, F)
    low_mel, high_mel = _mel_scale(options.low_freq), _mel_scale(options.highest)
    padded = options.padded
    delta = (high_mel - low_mel) / (options.num_mel_bins + 1)
    left = low_mel + delta * torch.arange(options.num_mel_bins, dtype=torch.float64)
    mel = _mel_scale(torch.arange(padded // 2, dtype=torch.float64) * options.sample_rate / padded)[:, None]
    up, down = (mel - left) / delta, (left + 2 * delta - mel) / delta
    return torch.minimum(up, down).clamp(min=0)
