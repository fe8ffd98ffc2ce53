"""Kaldi's fbank and MFCC (feat/feature-window.cc, feature-fbank.cc, feature-mfcc.cc, mel-computations.cc).

Batched in torch, on CPU or GPU: the frames of all utterances are rows of one matrix, so no padding and no mask.
Input is on int16's scale. Shapes: N utterances, S samples, T frames, W window samples, P padded window, F mel bins.
"""

import math
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sre.features.blocks import block_of
from sre.features.frontends.librosa_mfcc import LibrosaMfcc
from sre.features.frontends.mel import cosine_transform
from sre.features.frontends.nemo_mel import NemoMel
from sre.features.frontends.psf import PsfFbank, PsfMfcc
from sre.features.frontends.signal import SignalExtractor, count_frames, prepared
from sre.features.frontends.speechbrain_fbank import SpeechbrainFbank
from sre.features.frontends.tf_mel import TfMel
from sre.features.frontends.torchaudio_mel import TorchaudioMel
from sre.features.frontends.waveform import Waveform
from sre.features.kaldi_banks import mel_banks, split_banks, window_shape
from sre.features.options import FeatureOptions
from sre.features.srfft import SplitRadixRealFFT
from sre.features.types import FbankOptions, FrameOptions, MfccOptions

# Of a CPU's block: 9 kB a window of 512 points. Blocks of 500 windows and of 100 are each about 10 % slower.
FRAMES_AT_ONCE = {"cpu": 256, "cuda": 20_000}
EPSILON = torch.finfo(torch.float32).eps  # the least energy, as Kaldi has it
DITHERED_AT_ONCE = 500  # windows that are given noise by one draw


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
        self.window = window_shape(options).float().to(device)  # (W,)

    def of_power(self, power: Tensor, frames: Tensor) -> Tensor:
        """Make (T, F) features of a power spectrum (P/2, T).

        frames : (T, W), the same windows before pre-emphasis
        """
        raise NotImplementedError

    def of_block(self, power: Tensor, pieces: Sequence[Tensor], out: Tensor) -> None:
        """Make (C, F) features `out` of a power spectrum (P/2, C), on the CPU, as `of_power` does.

        pieces : (T, W) windows in one or several parts, with their means; the columns beyond T are of no meaning
        """
        frames = self._centred(torch.cat(list(pieces)))
        out[: len(frames)] = self.of_power(power[:, : len(frames)], frames)

    @torch.inference_mode()
    def __call__(self, waves: Sequence[np.ndarray], dither_seed: str = "") -> list[Tensor]:
        """Make (T, F) float32 features of each (S,) float32 wave on int16's scale, on the CPU.

        Raises SreError where a wave is shorter than one frame.
        """
        if not waves:
            return []
        counts = count_frames(self.options, map(len, waves))
        signals = [torch.from_numpy(np.ascontiguousarray(wave, np.float32)) for wave in waves]
        if self.options.dither:
            return self._dithered(signals, zlib.crc32(dither_seed.encode()), counts)
        if self.device.type == "cpu":
            return list(self._in_blocks([self._frames(signal) for signal in signals]).split(counts))
        return self._on_device([self._extended(signal) for signal in signals], counts)

    @torch.no_grad()
    def batch(self, waves: Tensor) -> Tensor:
        """Make (B, T, F) float32 features, without dither, of waves of one length, (B, S) float32 on int16's scale.

        They are on the extractor's device, where the waves are or go to. The host waits for nothing there.
        Raises SreError where they are too short.
        """
        waves, T = prepared(waves, self.options, self.device)
        frames, B, W = self._frames(waves), len(waves), self.options.window  # (B, T, W), a view
        if self.device.type == "cpu":
            return self._in_blocks(list(frames)).unflatten(0, (B, T))
        out = torch.empty(B, T, self.options.dimension, device=self.device)
        at_once = FRAMES_AT_ONCE[self.device.type]
        many = max(1, at_once // T)
        for first in range(0, B, many):
            for begin in range(0, T, at_once):
                part = frames[first : first + many, begin : begin + at_once]
                features = self._of_frames(part.reshape(-1, W))
                out[first : first + many, begin : begin + at_once] = features.unflatten(0, part.shape[:2])
        return out

    def _extended(self, wave: Tensor) -> Tensor:  # (…, S) -> (…, S'), from the first window's begin to the last's end
        options, samples = self.options, wave.shape[-1]
        # without snip_edges frame t is centred on (t + 1/2) shift (feature-window.cc: ExtractWindow)
        first = 0 if options.snip_edges else (options.shift - options.window) // 2
        last = first + (options.num_frames(samples) - 1) * options.shift + options.window
        inside = wave[..., max(first, 0) : last]
        if first >= 0 and last <= samples:
            return inside
        device = wave.device
        ends = torch.arange(min(first, 0), 0, device=device), torch.arange(samples, max(samples, last), device=device)
        # samples beyond an end are mirrored, again and again where the signal is short
        before, after = (wave[..., torch.minimum(i % (2 * samples), -(i + 1) % (2 * samples))] for i in ends)
        return torch.cat([before, inside, after], dim=-1)

    def _frames(self, wave: Tensor) -> Tensor:  # (…, S) -> (…, T, W), a view of the extended signal
        return self._extended(wave).unfold(-1, self.options.window, self.options.shift)

    def _in_blocks(self, windows: Sequence[Tensor]) -> Tensor:  # (T, W) of each utterance -> (T of all, F), on the CPU
        total = sum(map(len, windows))
        blocks = -(-total // FRAMES_AT_ONCE["cpu"])
        columns = -(-total // (8 * blocks)) * 8  # of the blocks, which are of one size; 8 numbers are a register
        block = block_of(self.options, self.window, self.fft, columns)
        out = torch.empty(total, self.options.dimension)
        done, pieces, waiting = 0, [], 0
        for number, rest in enumerate(windows):
            while len(rest):
                pieces.append(rest[: columns - waiting])
                waiting, rest = waiting + len(pieces[-1]), rest[len(pieces[-1]) :]
                if waiting == columns or (number == len(windows) - 1 and not len(rest)):
                    power = block.compute(pieces)
                    if waiting == columns:
                        self.of_block(power, pieces, out[done : done + columns])
                    else:  # a product of fewer rows could round otherwise
                        last = out.new_empty(columns, out.shape[1])
                        self.of_block(power, pieces, last)
                        out[done:] = last[:waiting]
                    done, pieces, waiting = done + waiting, [], 0
        return out

    def _on_device(self, signals: Sequence[Tensor], counts: Sequence[int]) -> list[Tensor]:
        """Signals end to end, each from a multiple of the shift on, are one signal: some of its windows are theirs."""
        shift = self.options.shift
        flat = torch.cat([nn.functional.pad(signal, (0, -len(signal) % shift)) for signal in signals]).to(self.device)
        windows = flat.unfold(0, self.options.window, shift)
        parts = [self._of_frames(part) for part in windows.split(FRAMES_AT_ONCE[self.device.type])]
        features, first, out = torch.cat(parts).cpu(), 0, []
        for signal, count in zip(signals, counts, strict=True):
            out.append(features[first : first + count])
            first += -(-len(signal) // shift)
        return out

    def _dithered(self, signals: Sequence[Tensor], seed: int, counts: Sequence[int]) -> list[Tensor]:
        generator = torch.Generator().manual_seed(seed)
        parts: list[Tensor] = []
        frames: list[Tensor] = []
        waiting = 0
        for signal in signals:
            for piece in self._frames(signal).split(DITHERED_AT_ONCE):
                frames.append(piece)
                waiting += len(piece)
                if waiting >= DITHERED_AT_ONCE:
                    parts.append(self.features(torch.cat(frames), generator))
                    frames, waiting = [], 0
        if frames:
            parts.append(self.features(torch.cat(frames), generator))
        return list(torch.cat(parts).split(counts))

    def features(self, frames: Tensor, generator: torch.Generator) -> Tensor:  # (T, W) -> (T, F)
        """Make features of windows, on the CPU, by operations that can be traced into a graph.

        generator : of the dither
        """
        options = self.options
        x = frames.to(self.device)
        if options.dither:
            x = x + options.dither * torch.randn(x.shape, generator=generator).to(self.device)
        return self._of_frames(x).cpu()

    def _centred(self, x: Tensor) -> Tensor:
        return x - x.mean(dim=1, keepdim=True) if self.options.remove_dc_offset else x

    def _of_frames(self, x: Tensor) -> Tensor:  # (T, W) -> (T, F), on the device
        x, c = self._centred(x), self.options.preemphasis_coefficient
        emphasised = torch.cat([x[:, :1] * (1 - c), x[:, 1:] - c * x[:, :-1]], dim=1) * self.window
        if self.options.exact:
            power = self.fft.power(emphasised.T.contiguous())  # (W, T) -> (P/2, T); no Nyquist bin, as Kaldi's banks
        else:
            spectrum = torch.view_as_real(torch.fft.rfft(emphasised, self.options.padded))
            power = spectrum[:, :-1].square().sum(dim=2).T
        return self.of_power(power, x)


class Fbank(FeatureExtractor):
    """Log energies of mel filters (feature-fbank.cc)."""

    options: FbankOptions

    def __init__(self, options: FbankOptions, device: str | torch.device = "cpu") -> None:
        super().__init__(options, device)
        mel = mel_banks(options).float()
        self.mel, self.parts = mel.to(device), split_banks(mel)  # (P/2, F); of the CPU's blocks
        self.least = max(EPSILON, options.least_energy)

    def of_power(self, power: Tensor, frames: Tensor) -> Tensor:
        return (power.T @ self.mel).clamp(min=self.least).log()

    def of_block(self, power: Tensor, pieces: Sequence[Tensor], out: Tensor) -> None:
        for rows, columns, weights, more in self.parts:
            if more:
                out[:, columns].addmm_(power[rows].T, weights)
            else:
                torch.mm(power[rows].T, weights, out=out[:, columns])
        out.clamp_min_(self.least).log_()


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
            cepstra[:, 0] = self._energy(frames)
        return cepstra

    def of_block(self, power: Tensor, pieces: Sequence[Tensor], out: Tensor) -> None:
        logs = torch.empty(len(out), self.options.num_mel_bins)
        super().of_block(power, pieces, logs)
        torch.mm(logs, self.dct, out=out)
        if self.options.use_energy:
            frames = self._centred(torch.cat(list(pieces)))
            out[: len(frames), 0] = self._energy(frames)

    def _energy(self, frames: Tensor) -> Tensor:
        energy = _log(frames.square().sum(dim=1))
        return energy.clamp(min=math.log(self.options.energy_floor)) if self.options.energy_floor > 0 else energy


Extractor = FeatureExtractor | SignalExtractor | Waveform
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
    "waveform": Waveform,
}


def extractor_of(options: FeatureOptions, device: str | torch.device = "cpu") -> Extractor:
    """Return what makes features with these options."""
    return EXTRACTORS[options.type](options, device)


def _log(x: Tensor) -> Tensor:
    return x.clamp(min=EPSILON).log()
