"""Recordings, from files or as arrays, made ready for the networks of a model.

Shapes: N samples, C channels, T frames, F features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from sre import SreError
from sre.extraction.listening import Listener
from sre.features.snr import estimate_snr
from sre.features.waves import check_length
from sre.io.audio import MIN_DURATION_S, RATES, AudioError, AudioRules, Recording, check_samples, load
from sre.machine.log import say, warn

FULL_SCALE = 0.999  # a sample from here on may have been cut off
CLIPPED = 0.001  # share of samples at full scale from which a person is told
LARGEST = 16.0  # of floats: larger ones are on another scale than [-1, 1]
Source = str | Path | tuple[np.ndarray, int]  # a file, or samples with their rate in Hz


@dataclass(frozen=True)
class Heard:
    """A recording as networks take it.

    feats : (T, F) features for each network; [] where it cannot be used, for the reason
    speech_s, snr_db : seconds of the frames that the first network sees; signal-to-noise ratio; NaN: not known
    """

    name: str
    feats: Sequence[np.ndarray] = ()
    speech_s: float = np.nan
    snr_db: float = np.nan
    reason: str = ""


@dataclass
class Hearing:
    """What hears for a model; it may be used by several threads. Raises SreError for features from outside.

    path : of the model, by which errors name it
    configs : the resolved feature config of each network
    """

    path: Path
    configs: Sequence[Mapping[str, Any]]
    _said: bool = False
    _lock: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.listeners = [Listener(self.path, config) for config in self.configs]

    def hear(self, source: Source, name: str = "", channel: str | int | None = None) -> Heard:
        """Return the features of a recording, or the reason why there are none.

        channel : of several, from 0 on, or "mix" for their mean; None: recordings of several are rejected
        Raises SreError where ffmpeg is needed and not installed.
        """
        name = name or (str(source) if isinstance(source, str | Path) else "the wave")
        rules = AudioRules(self.listeners[0].sample_rate, resample=True, channel=channel)
        try:
            recording = load(str(source), rules) if isinstance(source, str | Path) else recording_of(*source, rules)
            self._remark(name, recording)
            feats, snr_db = self._features(recording)
        except AudioError as error:
            return Heard(name, reason=str(error))
        return Heard(name, feats, len(feats[0]) * self.listeners[0].frame_shift_s, snr_db)

    def _features(self, recording: Recording) -> tuple[list[np.ndarray], float]:
        """Return (T, F) features for each network, equal front-ends work once; and the SNR that the first hears."""
        made: dict[int, np.ndarray] = {}
        snr_db = np.nan
        for n, (listener, config) in enumerate(zip(self.listeners, self.configs, strict=True)):
            if (first := self.configs.index(config)) in made:
                made[n] = made[first]
                continue
            wave = listener.samples(recording)
            made[n] = listener.features(wave)
            snr_db = estimate_snr(wave, listener.sample_rate) if n == 0 else snr_db
        return list(made.values()), snr_db

    def _remark(self, name: str, recording: Recording) -> None:
        """Say what a person should know of a recording that is used nevertheless."""
        share = float(np.mean(np.abs(recording.wave) >= FULL_SCALE))
        if share >= CLIPPED:
            warn(f"{name}: {100 * share:.1f} % of its samples are at full scale, it is clipped; scores may suffer")
        rates = {listener.sample_rate for listener in self.listeners}
        with self._lock:
            first, self._said = not self._said, self._said or recording.sample_rate not in rates
        if first and recording.sample_rate not in rates:
            wanted = ", ".join(map(str, sorted(rates)))
            say(f"{name}: {recording.sample_rate} Hz, converted to the network's {wanted} Hz; so are others like it")


def recording_of(wave: np.ndarray, rate: int, rules: AudioRules) -> Recording:
    """Return the recording of samples: floats in [-1, 1] or int16, (N,), or (N, C) or (C, N) of several channels.

    Raises AudioError for what is no sound, and for several channels of which none was chosen.
    """
    wave = np.asarray(wave)
    if wave.dtype != np.int16 and wave.dtype.kind != "f":
        raise AudioError(f"samples of {wave.dtype}; give floats in [-1, 1], or int16")
    if wave.ndim not in (1, 2):
        raise AudioError(f"samples of shape {wave.shape}; give (N,), or (N, channels)")
    if not np.isfinite(rate) or rate != int(rate) or int(rate) not in RATES:
        raise AudioError(f"a sample rate of {rate}; give that of the samples, in Hz")
    samples = wave.astype(np.float32) / np.float32(32768) if wave.dtype == np.int16 else wave.astype(np.float32)
    if samples.ndim == 2:
        samples = samples if samples.shape[0] >= samples.shape[1] else samples.T
        rules.check_channels(samples.shape[1])
        samples = rules.one_channel(samples)
    check_length(samples, int(rate), MIN_DURATION_S)
    check_samples(samples)
    if (peak := float(np.abs(samples).max())) > LARGEST:
        raise AudioError(f"floats up to {peak:.4g}, and samples are in [-1, 1]; divide them, or give int16")
    return Recording(np.ascontiguousarray(samples), int(rate))


def check_heard(heard: Heard) -> Heard:
    """Return what was heard. Raises SreError with its name where it cannot be used."""
    if heard.reason:
        raise SreError(f"{heard.name}: {heard.reason}")
    return heard
