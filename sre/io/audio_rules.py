"""Which recordings are accepted, and which of their channels is taken: the recipe's `audio` section."""

from dataclasses import dataclass, replace

import numpy as np

from sre.io.place import split_channel
from sre.io.promise import AudioError

MIX = "mix"


@dataclass(frozen=True)
class AudioRules:
    """Which recordings are accepted.

    Attributes
    ----------
    sample_rate : Hz, of the features
    resample : recordings of another rate are accepted, and converted when they are read
    allow_pipes : commands in wav.scp are run
    channel : which one of several is taken, from 0 on; mix: the mean of all; None: recordings of several are rejected
    pipe_timeout_s : seconds after which a command in wav.scp is killed
    """

    sample_rate: int = 16000
    resample: bool = False
    allow_pipes: bool = False
    channel: str | int | None = None
    pipe_timeout_s: float = 300

    def at(self, place: str) -> tuple[str, "AudioRules"]:
        """Return the file of a place in wav.scp and its rules: a channel that stands behind the file goes before."""
        location, channel = split_channel(place)
        return location, self if channel is None else replace(self, channel=channel)

    def check_channels(self, channels: int) -> None:
        """Raise AudioError for a recording of several channels of which none was chosen, or without the chosen one."""
        if self.channel is None and channels != 1:
            raise AudioError(
                f"{channels} channels; set audio.channel to mix for their mean, or to one of them, from 0 on"
                ' (--config set=audio.channel=mix, --channel mix, or --audio \'{"channel": "mix"}\')'
            )
        if self.channel not in (None, MIX) and int(self.channel) >= channels:
            raise AudioError(
                f"{channels} channel{'s' * (channels > 1)}, of which {self.channel} was asked for, from 0 on"
            )

    def one_channel(self, block: np.ndarray) -> np.ndarray:
        """Return the channel that is taken of (N, C) samples, or the mean of all: (N,)."""
        if block.shape[1] == 1:
            return block[:, 0]
        return block.mean(axis=1) if self.channel == MIX else block[:, int(self.channel or 0)]
