"""Utterances of a data directory as samples at the features' sample rate; what cannot be used is rejected.

Shapes: N samples at the recording's own rate, M at the features'.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from sre import SreError
from sre.datadir.datadir import DataDir
from sre.datadir.rejected import Rejected
from sre.features.resampling import resample
from sre.features.trim import trimmed
from sre.features.types import options_of
from sre.io.audio import (
    MAX_OVERRUN_S,
    MIN_DURATION_S,
    AudioError,
    AudioRules,
    Recording,
    check_end,
    check_samples,
    check_signal,
    load,
    look,
)
from sre.io.audio_piece import load_piece

LONG_S = 600  # of recordings: only the pieces of longer ones that are asked for are decoded, where that can be

Wave = tuple[str, np.ndarray]  # utterance, (M,) float32 on int16's scale, as Kaldi has it


def shortest_s(config: Mapping[str, Any]) -> float:
    """Return the length in seconds below which utterances have no features of a resolved config: that of a window.

    Where shifts are longer than two windows, it is half a shift (`snip_edges: false`).
    """
    options = options_of(config)
    return max(MIN_DURATION_S, options.frame_length / 1000, options.num_samples(1) / options.sample_rate)


class Waves:
    """The utterances of a data directory with audio. Raises SreError where it has no wav.scp.

    Attributes
    ----------
    shortest_s : seconds; shorter utterances are rejected
    trim : of a feature config: what is cut off the ends of each utterance
    rejected : rows (utterance, path, reason) of what could not be used so far
    """

    def __init__(
        self,
        data: DataDir,
        audio_rules: AudioRules,
        shortest_s: float = 0.0,
        trim: Mapping[str, Any] | None = None,
    ) -> None:
        if data.wav is None:
            raise SreError(f"{data.path}: no wav.scp in it; give a data directory with sound")
        self.wav, self.segments, self.audio_rules, self.shortest_s = data.wav, data.segments, audio_rules, shortest_s
        self.trim = trim
        self.rejected: Rejected = []

    def read(self, utts: Sequence[str]) -> Iterator[Wave]:
        """Yield the utterances that can be used; a recording is decoded once for its consecutive segments.

        Of a recording that is longer than LONG_S and can be entered, each segment is decoded alone. An unusable
        recording is rejected with all its segments, an unusable segment alone. Raises SreError for a command that the
        rules do not allow, and where ffmpeg is needed and not installed.
        """
        location, fault = None, ""
        sound: Sound | LongSound | None = None
        for utt in utts:
            name, start, end = self.segments[utt] if self.segments else (utt, 0.0, None)
            try:
                if location != self.wav[name]:
                    location, sound = self.wav[name], None
                    sound = self._sound(location)
                if sound is None:
                    raise AudioError(fault)
                wave = sound.piece(start, end, self.shortest_s)
                yield utt, trimmed(wave, self.trim, sound.sample_rate, self.shortest_s)
            except AudioError as error:
                fault = str(error)
                self.rejected.append((utt, self.wav[name], fault))

    def _sound(self, location: str) -> "Sound | LongSound":
        rules = self.audio_rules
        if self.segments:
            header = look(location, rules)
            if header.entered and header.seconds > LONG_S and header.sample_rate == rules.sample_rate:
                return LongSound(location, header.seconds, rules)
        return Sound(load(location, rules), rules.sample_rate)


def span_of(start: float, end: float, duration: float, rate: int) -> tuple[int, int]:
    """Return the samples at `rate` (Hz) from `start` to `end` (seconds) of a recording of so many seconds.

    Raises AudioError where they end after the recording.
    """
    check_end(end, duration)
    return int(start * rate + 0.5), int(min(end, duration + MAX_OVERRUN_S) * rate + 0.5)


def check_length(piece: np.ndarray, rate: int, shortest_s: float) -> None:
    """Raise AudioError for a piece at `rate` (Hz) of less than so many seconds."""
    if len(piece) < max(shortest_s * rate, 1):
        raise AudioError(f"too short: {len(piece) / rate:.3f} s, at least {shortest_s} s are needed")


class LongSound:
    """A recording at the features' sample rate that can be entered anywhere, of which only pieces are decoded."""

    def __init__(self, location: str, seconds: float, audio_rules: AudioRules) -> None:
        self.location, self.seconds, self.audio_rules = location, seconds, audio_rules
        self.sample_rate = audio_rules.sample_rate

    def piece(self, start: float, end: float | None, shortest_s: float) -> np.ndarray:
        """Return the samples from `start` to `end` (seconds), as `Sound.piece` does of a decoded recording.

        Raises AudioError as that, and where the piece cannot be decoded or is not finite.
        """
        rate, length = self.sample_rate, round(self.seconds * self.sample_rate)
        first, stop = span_of(start, self.seconds if end is None else end, self.seconds, rate)
        wave = load_piece(self.location, lambda _: (first, stop), self.audio_rules).wave
        if len(wave) < min(stop, length) - first:
            raise AudioError(f"truncated or damaged: {len(wave)} of {stop - first} samples were decoded from {start} s")
        check_length(wave, rate, shortest_s)
        check_samples(wave)
        return wave * np.float32(32768)


class Sound:
    """A decoded recording, and what of it is asked for at the features' sample rate (Hz).

    Raises AudioError where it cannot be converted to that rate.

    Attributes
    ----------
    wave : (M,) float32 in -1 .. 1
    """

    def __init__(self, recording: Recording, sample_rate: int) -> None:
        self.recording, self.sample_rate, self.wave = recording, sample_rate, recording.wave
        if recording.sample_rate != sample_rate:
            try:
                whole = torch.from_numpy(recording.wave)
                self.wave = resample(whole, recording.sample_rate, sample_rate).numpy()  # (N,) -> (M,)
            except RuntimeError as error:  # torch's for too little memory
                raise AudioError(f"not converted to {sample_rate} Hz: {error}") from None

    @property
    def samples(self) -> np.ndarray:
        """(M,) float32 on int16's scale."""
        return self.wave * np.float32(32768)

    def piece(self, start: float, end: float | None, shortest_s: float) -> np.ndarray:
        """Return the samples from `start` to `end` (seconds), or all of them where `end` is None.

        Raises AudioError where a segment ends after the recording, is too short or silent.
        """
        piece = self.wave
        if end is not None:
            first, stop = span_of(start, end, self.recording.duration, self.sample_rate)
            piece = piece[first:stop]
        check_length(piece, self.sample_rate, shortest_s)
        if end is not None:
            rate = self.recording.sample_rate
            end = min(end, self.recording.duration + MAX_OVERRUN_S)
            check_signal(self.recording.wave[int(start * rate + 0.5) : int(end * rate + 0.5)])
        return piece * np.float32(32768)
