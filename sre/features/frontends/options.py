"""The options of other toolkits' front-ends, and of the waveform itself. Needs no torch.

Each has its toolkit's defaults: the schema's `x-defaults`, where its default is another type's. All read the whole
signal, in [-1, 1]; the samples that they are given, on int16's scale, are divided by 32768.
"""

from dataclasses import dataclass

from sre import SreError
from sre.features.options import FeatureOptions, WindowOptions, check_bands, check_ceps, check_lengths, highest_of

BLOCKS_PER_S = 100  # of a waveform


@dataclass(frozen=True)
class SignalOptions(WindowOptions):
    """What these types share: windows of a whole signal that is padded at its ends, and mel filters.

    Attributes
    ----------
    low_freq, high_freq : Hz, the ends of the filters; a high_freq of 0 or less is counted from the Nyquist frequency
    """

    num_mel_bins: int = 80
    low_freq: float = 0.0
    high_freq: float = 0.0

    def __post_init__(self) -> None:
        """Raise SreError where the options do not go together."""
        check_lengths(self)
        check_bands(self.low_freq, self.highest, self.num_mel_bins, self, self.padded // 2)

    @property
    def dimension(self) -> int:
        return self.num_mel_bins

    @property
    def highest(self) -> float:
        """The upper end of the last filter in Hz."""
        return highest_of(self.high_freq, self.sample_rate)

    @property
    def window(self) -> int:
        return round(self.sample_rate * self.frame_length / 1000)

    @property
    def shift(self) -> int:
        return round(self.sample_rate * self.frame_shift / 1000)

    @property
    def padded(self) -> int:
        """The samples of a window's Fourier transform."""
        return 1 << (self.window - 1).bit_length()

    @property
    def shortest(self) -> int:
        """The least samples of a signal; one that is mirrored needs half a transform, and a sample to mirror at."""
        return self.padded // 2 + 1

    @property
    def first_sample(self) -> int:
        """The place where the first window begins: frame t is centred on t shifts, as in torch.stft.

        The window stands in the middle of a longer transform.
        """
        return (self.padded - self.window) // 2 - self.padded // 2

    def num_frames(self, num_samples: int) -> int:
        return 1 + num_samples // self.shift if num_samples >= self.shortest else 0

    def num_samples(self, num_frames: int) -> int:
        return max((num_frames - 1) * self.shift, self.shortest)


@dataclass(frozen=True)
class NemoMelOptions(SignalOptions):
    """NeMo's log mel spectrum (FilterbankFeatures of its 1.0), before its mean and variance normalisation.

    Attributes
    ----------
    dither : standard deviation of the noise that is added to the signal, on int16's scale
    whole_shifts : a frame for each shift of the signal that is whole, and zeros beyond its ends, as NeMo 3.0
    """

    type = "nemo_mel"

    frame_length: float = 20.0
    num_mel_bins: int = 64
    preemphasis_coefficient: float = 0.97
    dither: float = 0.0
    whole_shifts: bool = False

    @property
    def shortest(self) -> int:
        return self.shift if self.whole_shifts else super().shortest

    def num_frames(self, num_samples: int) -> int:
        if num_samples < self.shortest:
            return 0
        return num_samples // self.shift if self.whole_shifts else -(-num_samples // self.shift)

    def num_samples(self, num_frames: int) -> int:
        if self.whole_shifts:
            return num_frames * self.shift
        return max((num_frames - 1) * self.shift + 1, self.shortest)


@dataclass(frozen=True)
class LibrosaMfccOptions(SignalOptions):
    """The cepstra of librosa.feature.mfcc.

    Attributes
    ----------
    centre_padding : zero, or reflect as before librosa 0.9: what stands beyond the ends of the signal
    """

    type = "librosa_mfcc"

    frame_length: float = 128.0
    frame_shift: float = 32.0
    num_mel_bins: int = 128
    num_ceps: int = 40
    centre_padding: str = "zero"

    def __post_init__(self) -> None:
        """Raise SreError where the options do not go together."""
        super().__post_init__()
        check_ceps(self.num_ceps, self.num_mel_bins)

    @property
    def dimension(self) -> int:
        return self.num_ceps

    @property
    def shortest(self) -> int:
        return 1 if self.centre_padding == "zero" else super().shortest


@dataclass(frozen=True)
class TorchaudioMelOptions(SignalOptions):
    """ClovaAI's log of torchaudio's HTK mel spectrum, before its instance normalisation."""

    type = "torchaudio_mel"

    num_mel_bins: int = 64
    preemphasis_coefficient: float = 0.97


@dataclass(frozen=True)
class PsfOptions(SignalOptions):
    """What the types of python_speech_features share: a last frame that is filled with zeros."""

    preemphasis_coefficient: float = 0.97

    @property
    def shortest(self) -> int:
        return 1

    @property
    def first_sample(self) -> int:
        return 0

    def num_frames(self, num_samples: int) -> int:
        if num_samples < 1:
            return 0
        return 1 + max(0, -(-(num_samples - self.window) // self.shift))

    def num_samples(self, num_frames: int) -> int:
        return 1 if num_frames == 1 else (num_frames - 2) * self.shift + self.window + 1


@dataclass(frozen=True)
class PsfFbankOptions(PsfOptions):
    """The log energies of python_speech_features' filters.

    Attributes
    ----------
    log_energies : decibel, 20 log10 with a floor of 1e-5, as the d-vector tutorial; natural, as logfbank
    """

    type = "psf_fbank"

    num_mel_bins: int = 40
    log_energies: str = "decibel"


@dataclass(frozen=True)
class PsfMfccOptions(PsfOptions):
    """The cepstra of python_speech_features.mfcc, whose first column is the log energy where `use_energy`."""

    type = "psf_mfcc"

    num_mel_bins: int = 26
    num_ceps: int = 13
    cepstral_lifter: float = 22.0
    use_energy: bool = True

    def __post_init__(self) -> None:
        """Raise SreError where the options do not go together."""
        super().__post_init__()
        check_ceps(self.num_ceps, self.num_mel_bins)

    @property
    def dimension(self) -> int:
        return self.num_ceps


@dataclass(frozen=True)
class SpeechbrainFbankOptions(SignalOptions):
    """The log energies of speechbrain.lobes.features.Fbank, before its sentence normalisation."""

    type = "speechbrain_fbank"

    @property
    def padded(self) -> int:
        return self.window

    @property
    def shortest(self) -> int:
        return 1


@dataclass(frozen=True)
class TfMelOptions(SignalOptions):
    """ReDimNet2's TF-mel, as WeSpeaker has it (frontend/tfmel.py), before its mean normalisation."""

    type = "tf_mel"

    num_mel_bins: int = 72
    low_freq: float = 20.0
    high_freq: float = 7600.0
    preemphasis_coefficient: float = 0.97

    @property
    def padding(self) -> int:
        """The zeros at either end of the signal."""
        return self.shift // 2

    @property
    def shortest(self) -> int:
        return max(2, self.window - 2 * self.padding)

    @property
    def first_sample(self) -> int:
        return -self.padding

    def num_frames(self, num_samples: int) -> int:
        if num_samples < self.shortest:
            return 0
        return 1 + (num_samples + 2 * self.padding - self.window) // self.shift

    def num_samples(self, num_frames: int) -> int:
        return max((num_frames - 1) * self.shift + self.window - 2 * self.padding, self.shortest)


@dataclass(frozen=True)
class WaveformOptions(FeatureOptions):
    """The samples themselves, for a network that reads them: a frame is a block of 10 ms, and blocks follow each other.

    A last part that fills no block is dropped.
    """

    type = "waveform"
    frame_length = 1000.0 / BLOCKS_PER_S
    frame_shift = frame_length

    def __post_init__(self) -> None:
        """Raise SreError where a block is no whole number of samples."""
        if self.sample_rate % BLOCKS_PER_S:
            raise SreError(
                f"waveform: 10 ms at {self.sample_rate} Hz are no whole number of samples; set audio.sample_rate to a"
                f" multiple of {BLOCKS_PER_S}, with audio.resample: true"
            )

    @property
    def dimension(self) -> int:
        return self.sample_rate // BLOCKS_PER_S

    @property
    def first_sample(self) -> int:
        return 0

    def num_frames(self, num_samples: int) -> int:
        return num_samples // self.dimension

    def num_samples(self, num_frames: int) -> int:
        return num_frames * self.dimension


FRONTENDS: tuple[type[SignalOptions], ...] = (
    NemoMelOptions,
    LibrosaMfccOptions,
    TorchaudioMelOptions,
    PsfFbankOptions,
    PsfMfccOptions,
    SpeechbrainFbankOptions,
    TfMelOptions,
)
