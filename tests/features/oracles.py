"""Other toolkits' front-ends as their packages compute them, of a wave in [-1, 1]: (S,) float64 -> (T, F).

Nothing of ours is in here. NeMo and ClovaAI are written with the packages that they call; ReDimNet2's TF-mel with the
convolutions that define it (WeSpeaker, frontend/tfmel.py). All is in float64, as far as the package allows it.
"""

from functools import cache

import librosa
import numpy as np
import python_speech_features
import torch
import torchaudio
from speechbrain_code import imported_alone
from torch import Tensor
from torch.nn import functional

DOUBLE = torch.float64


def nemo_mel(wave: np.ndarray) -> Tensor:
    """nemo/collections/asr/parts/features.py: FilterbankFeatures, up to normalize_batch."""
    x = torch.from_numpy(wave)
    x = torch.cat([x[:1], x[1:] - 0.97 * x[:-1]])
    window = torch.hann_window(320, periodic=False, dtype=DOUBLE)
    spectrum = torch.stft(x, 512, 160, 320, window, center=True, pad_mode="reflect", return_complex=True)
    bank = torch.from_numpy(librosa.filters.mel(sr=16000, n_fft=512, n_mels=64, fmin=0, fmax=8000, dtype=np.float64))
    frames = int(np.ceil(len(wave) / 160))
    return torch.log(bank @ spectrum.abs().square() + 2**-24).T[:frames]


def nemo_mel_of_whole_shifts(wave: np.ndarray) -> Tensor:
    """nemo_toolkit 3.0.0, the same file: zeros at the ends, and the frames that are no padding."""
    x = torch.from_numpy(wave)
    x = torch.cat([x[:1], x[1:] - 0.97 * x[:-1]])
    window = torch.hann_window(320, periodic=False, dtype=DOUBLE)
    spectrum = torch.stft(x, 512, 160, 320, window, center=True, pad_mode="constant", return_complex=True)
    bank = torch.from_numpy(librosa.filters.mel(sr=16000, n_fft=512, n_mels=64, fmin=0, fmax=8000, dtype=np.float64))
    return torch.log(bank @ spectrum.abs().square() + 2**-24).T[: len(wave) // 160]


def librosa_mfcc(wave: np.ndarray, pad_mode: str = "constant") -> Tensor:
    return torch.from_numpy(librosa.feature.mfcc(y=wave, sr=16000, n_mfcc=40, pad_mode=pad_mode).T.copy())


def librosa_mfcc_reflected(wave: np.ndarray) -> Tensor:
    return librosa_mfcc(wave, "reflect")


def torchaudio_mel(wave: np.ndarray) -> Tensor:
    """voxceleb_trainer, utils.py: PreEmphasis; models/ResNetSE34V2.py: torchfb and log, up to instancenorm."""
    x = functional.pad(torch.from_numpy(wave)[None, None], (1, 0), "reflect")
    x = functional.conv1d(x, torch.tensor([[[-0.97, 1.0]]], dtype=DOUBLE))[0]
    mel = torchaudio.transforms.MelSpectrogram(
        sample_rate=16000, n_fft=512, win_length=400, hop_length=160, window_fn=torch.hamming_window, n_mels=64
    )
    mel.spectrogram.window = torch.hamming_window(400, dtype=DOUBLE)
    return (mel.double()(x) + 1e-6).log()[0].T


def psf_fbank(wave: np.ndarray) -> Tensor:
    energies, _ = python_speech_features.fbank(wave, 16000, nfilt=40)
    return torch.from_numpy(20 * np.log10(np.maximum(energies, 1e-5)))


def psf_logfbank(wave: np.ndarray) -> Tensor:
    return torch.from_numpy(python_speech_features.logfbank(wave, 16000, nfilt=40))


def psf_mfcc(wave: np.ndarray) -> Tensor:
    return torch.from_numpy(python_speech_features.mfcc(wave, 16000))


@cache
def speechbrain_class() -> type[torch.nn.Module]:
    with imported_alone():
        from speechbrain.lobes.features import Fbank
    return Fbank


def speechbrain_fbank(wave: np.ndarray) -> Tensor:
    """speechbrain.lobes.features.Fbank with its own filters, its transform in float64."""
    fbank = speechbrain_class()(n_mels=80)
    fbank.compute_STFT.window = torch.hamming_window(400, dtype=DOUBLE)
    bands, make = fbank.compute_fbanks, fbank.compute_fbanks._create_fbank_matrix
    bands._create_fbank_matrix = lambda centre, band: make(centre, band).double()
    return fbank(torch.from_numpy(wave)[None])[0]


def tf_mel(wave: np.ndarray) -> Tensor:
    """wespeaker/frontend/tfmel.py: TFMelFrontend with n_mels 72 and norm_signal, up to the mean over time."""
    x = torch.from_numpy(wave)[None, None]
    x = (x - x.mean()) / (x.std(unbiased=False) + 1e-8)
    x = functional.conv1d(functional.pad(x, (1, 0), "reflect"), torch.tensor([[[-0.97, 1.0]]], dtype=DOUBLE))
    turn = 2 * np.pi * np.outer(np.arange(256), np.arange(400)) / 512
    power = sum(
        functional.conv1d(x, torch.from_numpy(wing(turn) * np.hamming(400))[:, None], stride=160, padding=80) ** 2
        for wing in (np.cos, np.sin)
    )
    ends = 2595 * np.log10(1 + np.array([20, 7600]) / 700)
    corners = np.linspace(*ends, 74)
    places = 2595 * np.log10(1 + np.linspace(0, 8000, 256) / 700)[:, None]
    up = (places - corners[:-2]) / (corners[1:-1] - corners[:-2])
    down = (corners[2:] - places) / (corners[2:] - corners[1:-1])
    bank = np.maximum(0, np.minimum(up, down))
    bank[0] = 0
    mel = torch.from_numpy(bank.T) @ power[0].clip(1e-8, 1e8)
    return (mel.clip(1e-8, 1e8) + 1e-8).log().T


ORACLES = {  # type of ours, its options, the function above
    "nemo_mel": ("nemo_mel", {}, nemo_mel),
    "nemo_mel_of_whole_shifts": ("nemo_mel", {"whole_shifts": True}, nemo_mel_of_whole_shifts),
    "librosa_mfcc": ("librosa_mfcc", {}, librosa_mfcc),
    "librosa_mfcc_reflected": ("librosa_mfcc", {"centre_padding": "reflect"}, librosa_mfcc_reflected),
    "torchaudio_mel": ("torchaudio_mel", {}, torchaudio_mel),
    "psf_fbank": ("psf_fbank", {}, psf_fbank),
    "psf_logfbank": ("psf_fbank", {"log_energies": "natural"}, psf_logfbank),
    "psf_mfcc": ("psf_mfcc", {}, psf_mfcc),
    "speechbrain_fbank": ("speechbrain_fbank", {}, speechbrain_fbank),
    "tf_mel": ("tf_mel", {}, tf_mel),
}
