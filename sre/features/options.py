"""What the options of every feature type offer. Needs no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FeatureOptions:
    """How a signal becomes frames, whatever they hold.

    Attributes
    ----------
    type : name in configs
    defaults : options of steps.make_features without a config, where the schema's defaults are others
    sample_rate : Hz
    frame_length, frame_shift : ms
    """

    type: ClassVar[str]
    defaults: ClassVar[Mapping[str, object]] = {}

    sample_rate: int = 16000
    frame_length: float = 25.0
    frame_shift: float = 10.0

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

    def num_frames(self, num_samples: int) -> int:
        """Return the number of windows of a signal; 0 where it is too short for one."""
        raise NotImplementedError

    def num_samples(self, num_frames: int) -> int:
        """Return the least number of samples that has so many windows."""
        raise NotImplementedError
