"""The feature types: a name in a config, and the options of what it names. Needs no torch.

To add one: its options here, its class in `sre.features.extractor`, its name and options in
`recipes/config.schema.yaml: $defs/features`, with the marks `x-types` of what works on it, `x-of` of its options.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, ClassVar

from sre import SreError

FROM_ELSEWHERE = "given"  # the type of a feats.scp from elsewhere: its frames are taken as they are


@dataclass(frozen=True)
class FrameOptions:
    """What all types share: how a signal becomes windows. Kaldi's names and defaults, but for `dither` (there 1).

    Attributes
    ----------
    type : name in configs
    defaults : options of steps.make_features without a config, where the schema's defaults are others
    sample_rate : Hz
    frame_length, frame_shift : ms
    dither : standard deviation of the noise that is added, on int16's scale
    """

    type: ClassVar[str]
    defaults: ClassVar[Mapping[str, object]] = {}

    sample_rate: int = 16000
    frame_length: float = 25.0
    frame_shift: float = 10.0
    preemphasis_coefficient: float = 0.97
    remove_dc_offset: bool = True
    window_type: str = "povey"
    snip_edges: bool = True
    dither: float = 0.0

    def __post_init__(self) -> None:
        """Raise SreError where the options do not go together."""
        if not 16 <= self.window <= 65536 or self.shift < 1:
            raise SreError(
                f"frame_length {self.frame_length:g} ms and frame_shift {self.frame_shift:g} ms are {self.window} and"
                f" {self.shift} samples at {self.sample_rate} Hz; give lengths of 16 to 65536 samples, shifts of 1"
            )

    @property
    def dimension(self) -> int:
        """The number of columns."""
        raise NotImplementedError

    @property
    def window(self) -> int:
        """The samples of a window."""
        return int(self.sample_rate * 0.001 * self.frame_length)

    @property
    def shift(self) -> int:
        """The samples from one window to the next."""
        return int(self.sample_rate * 0.001 * self.frame_shift)

    @property
    def padded(self) -> int:
        """The samples of a window's Fourier transform."""
        return 1 << (self.window - 1).bit_length()

    def num_frames(self, num_samples: int) -> int:
        """Return the number of windows of a signal."""
        if self.snip_edges:
            return max(0, 1 + (num_samples - self.window) // self.shift)
        return (num_samples + self.shift // 2) // self.shift

    def num_samples(self, num_frames: int) -> int:
        """Return the least number of samples that has so many windows."""
        if self.snip_edges:
            return (num_frames - 1) * self.shift + self.window
        return num_frames * self.shift - self.shift // 2


@dataclass(frozen=True)
class FbankOptions(FrameOptions):
    """Log energies of triangular mel filters.

    Attributes
    ----------
    low_freq, high_freq : Hz, the ends of the filters; a high_freq of 0 or less is counted from the Nyquist frequency
    """

    type = "fbank"
    defaults = {"num_mel_bins": 80}

    num_mel_bins: int = 80
    low_freq: float = 20.0
    high_freq: float = 0.0

    def __post_init__(self) -> None:
        """Raise SreError where the options do not go together."""
        super().__post_init__()
        nyquist = 0.5 * self.sample_rate
        if not 0 <= self.low_freq < self.highest <= nyquist:
            raise SreError(
                f"mel banks from {self.low_freq} to {self.highest} Hz do not fit below {nyquist} Hz; mend the config"
            )
        if self.num_mel_bins > self.padded // 2:
            raise SreError(
                f"num_mel_bins {self.num_mel_bins}: a window of {self.window} samples has {self.padded // 2}"
                " frequencies; give at most so many bins"
            )

    @property
    def dimension(self) -> int:
        return self.num_mel_bins

    @property
    def highest(self) -> float:
        """The upper end of the last filter in Hz."""
        return self.high_freq if self.high_freq > 0 else 0.5 * self.sample_rate + self.high_freq


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
        if self.num_ceps > self.num_mel_bins:
            raise SreError(
                f"num_ceps {self.num_ceps}: there are {self.num_mel_bins} mel bins; give at most so many cepstra"
            )

    @property
    def dimension(self) -> int:
        return self.num_ceps


FEATURE_TYPES: dict[str, type[FrameOptions]] = {kind.type: kind for kind in (FbankOptions, MfccOptions)}


def options_of(config: Mapping[str, Any]) -> FrameOptions:
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
    stored = config["dimension"] if config["type"] == FROM_ELSEWHERE else options_of(config).dimension
    return stored * (1 + config.get("delta_order", 0))
