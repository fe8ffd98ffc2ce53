"""The feature types: a name in a config, and the options of what it names. Needs no torch.

To add one: its options here, or in `sre.features.frontends.options` where it reads whole signals; its class in
`sre.features.extractor: EXTRACTORS`; its name and options in `recipes/config.schema.yaml: $defs/features`, with the
marks `x-types` of what works on it, `x-of` of its options, and `x-defaults` of defaults of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any

from sre import SreError
from sre.features.frontends.options import FRONTENDS, WaveformOptions
from sre.features.options import FeatureOptions, WindowOptions, check_bands, check_ceps, check_lengths, highest_of

FROM_ELSEWHERE = "given"  # the type of a feats.scp from elsewhere: its frames are taken as they are
EMBEDDINGS = "embeddings"  # the type of what a network on embeddings reads: vectors, as one frame


@dataclass(frozen=True)
class FrameOptions(WindowOptions):
    """What Kaldi's types share: how a signal becomes windows. Kaldi's names and defaults, but for `dither` (there 1).

    Attributes
    ----------
    dither : standard deviation of the noise that is added, on int16's scale
    exact : with the rounding of Kaldi's FFT; without, the fastest one
    """

    preemphasis_coefficient: float = 0.97
    remove_dc_offset: bool = True
    window_type: str = "povey"
    snip_edges: bool = True
    dither: float = 0.0
    exact: bool = True

    def __post_init__(self) -> None:
        """Raise SreError where the options do not go together."""
        check_lengths(self)

    @property
    def padded(self) -> int:
        """The samples of a window's Fourier transform."""
        return 1 << (self.window - 1).bit_length()

    @property
    def first_sample(self) -> int:
        return 0 if self.snip_edges else (self.shift - self.window) // 2

    def num_frames(self, num_samples: int) -> int:
        if self.snip_edges:
            return max(0, 1 + (num_samples - self.window) // self.shift)
        return (num_samples + self.shift // 2) // self.shift

    def num_samples(self, num_frames: int) -> int:
        if self.snip_edges:
            return (num_frames - 1) * self.shift + self.window
        return num_frames * self.shift - self.shift // 2


@dataclass(frozen=True)
class FbankOptions(FrameOptions):
    """Log energies of triangular mel filters.

    Attributes
    ----------
    low_freq, high_freq : Hz, the ends of the filters; a high_freq of 0 or less is counted from the Nyquist frequency
    least_energy : of a band, on int16's scale squared; 0: Kaldi's, 1.2e-7. Of code like Kaldi's that is given samples
        in [-1, 1], as in 3D-Speaker, it is 2^30 times as much: 128
    """

    type = "fbank"
    defaults = {"num_mel_bins": 80}

    num_mel_bins: int = 80
    low_freq: float = 20.0
    high_freq: float = 0.0
    least_energy: float = 0.0

    def __post_init__(self) -> None:
        """Raise SreError where the options do not go together."""
        super().__post_init__()
        check_bands(self.low_freq, self.highest, self.num_mel_bins, self, self.padded // 2)

    @property
    def dimension(self) -> int:
        return self.num_mel_bins

    @property
    def highest(self) -> float:
        """The upper end of the last filter in Hz."""
        return highest_of(self.high_freq, self.sample_rate)


@dataclass(frozen=True)
class MfccOptions(FbankOptions):
    """Mel-frequency cepstra, whose first column is the log energy of the raw window where `use_energy`.

    Attributes
    ----------
    energy_floor : of that energy, on int16's scale squared; 0: none
    """

    type = "mfcc"
    defaults = {"num_mel_bins": 30, "num_ceps": 30, "high_freq": 7600, "snip_edges": False, "cmn": "sliding"}

    num_ceps: int = 13
    cepstral_lifter: float = 22.0
    use_energy: bool = True
    energy_floor: float = 0.0

    def __post_init__(self) -> None:
        """Raise SreError where the options do not go together."""
        super().__post_init__()
        check_ceps(self.num_ceps, self.num_mel_bins)

    @property
    def dimension(self) -> int:
        return self.num_ceps


_TYPES: tuple[type[FeatureOptions], ...] = (FbankOptions, MfccOptions, *FRONTENDS, WaveformOptions)
FEATURE_TYPES: dict[str, type[FeatureOptions]] = {kind.type: kind for kind in _TYPES}


def options_of(config: Mapping[str, Any]) -> FeatureOptions:
    """Return the options that a feature config holds, its `sample_rate` among them.

    Raises SreError for a type that is unknown here, and for options that do not go together.
    """
    name = config["type"]
    if name not in FEATURE_TYPES:
        nearest = get_close_matches(name, FEATURE_TYPES, 1, 0)[0]
        raise SreError(f"features of type '{name}' cannot be made here, the nearest is {nearest}; update sre")
    kind = FEATURE_TYPES[name]
    known = {field.name for field in fields(kind)}
    return kind(**{key: value for key, value in config.items() if key in known})


def has_energy_column(config: Mapping[str, Any]) -> bool:
    """Return whether the first column of features of this config is the log energy of their frames."""
    return config["type"] == MfccOptions.type and config.get("use_energy", True)


def vad_listens(config: Mapping[str, Any], vad: Mapping[str, Any] | None = None) -> bool:
    """Return whether a VAD of features of this config needs their audio: they have no energy, or it is neural.

    vad : options; None: those of the config
    """
    vad = vad or config.get("vad") or {}
    return vad.get("type", "energy") != "energy" or not has_energy_column(config)


def dimension_of(config: Mapping[str, Any]) -> int:
    """Return the number of columns that a network gets of features that were made, or taken over, with this config.

    Raises SreError as `options_of` does.
    """
    if config["type"] == EMBEDDINGS and "dimension" not in config:
        raise SreError(f"embeddings of '{config['of']}' have a dimension that only its training tells; give a final.pt")
    given = config["type"] in (FROM_ELSEWHERE, EMBEDDINGS)
    stored = config["dimension"] if given else options_of(config).dimension
    return stored * (1 + config.get("delta_order", 0))
