"""What the options of every feature type offer. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from sre import SreError


@dataclass(frozen=True)
class FeatureOptions:
    """How a signal becomes frames, whatever they hold.

    Attributes
    ----------
    type : name in configs
    defaults : options of steps.make_features without a config, where the schema's defaults are others
    sample_rate : Hz
    """

    type: ClassVar[str]
    defaults: ClassVar[Mapping[str, object]] = {}

    sample_rate: int = 16000

    @property
    def frame_length(self) -> float:
        """The length of a window in ms."""
        raise NotImplementedError

    @property
    def frame_shift(self) -> float:
        """The time from one window to the next in ms."""
        raise NotImplementedError

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
    def first_sample(self) -> int:
        """The place where the first window begins: below 0 where it begins before the signal."""
        raise NotImplementedError

    def num_frames(self, num_samples: int) -> int:
        """Return the number of windows of a signal; 0 where it is too short for one."""
        raise NotImplementedError

    def num_samples(self, num_frames: int) -> int:
        """Return the least number of samples that has so many windows."""
        raise NotImplementedError


@dataclass(frozen=True)
class WindowOptions(FeatureOptions):
    """What the types share whose windows have a length and a shift of their config, in ms."""

    frame_length: float = 25.0
    frame_shift: float = 10.0


def highest_of(high_freq: float, sample_rate: int) -> float:
    """Return the upper end of mel filters in Hz; a high_freq of 0 or less is counted from the Nyquist frequency."""
    return high_freq if high_freq > 0 else 0.5 * sample_rate + high_freq


def check_lengths(options: FeatureOptions) -> None:
    """Raise SreError where windows or shifts are too short, or windows too long."""
    if not 16 <= options.window <= 65536 or options.shift < 1:
        raise SreError(
            f"frame_length {options.frame_length:g} ms and frame_shift {options.frame_shift:g} ms are"
            f" {options.window} and {options.shift} samples at {options.sample_rate} Hz; give lengths of 16 to 65536"
            " samples, shifts of 1"
        )


def check_bands(low: float, high: float, bins: int, options: FeatureOptions, frequencies: int) -> None:
    """Raise SreError where mel bands from `low` to `high` Hz do not fit, or are more than a window's frequencies."""
    nyquist = 0.5 * options.sample_rate
    if not 0 <= low < high <= nyquist:
        raise SreError(f"mel banks from {low} to {high} Hz do not fit below {nyquist} Hz; mend the config")
    if bins > frequencies:
        raise SreError(
            f"num_mel_bins {bins}: a window of {options.window} samples has {frequencies} frequencies; give at most so"
            " many bins"
        )


def check_ceps(num_ceps: int, num_mel_bins: int) -> None:
    """Raise SreError where there are more cepstra than mel bins."""
    if num_ceps > num_mel_bins:
        raise SreError(f"num_ceps {num_ceps}: there are {num_mel_bins} mel bins; give at most so many cepstra")
