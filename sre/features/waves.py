"""Utterances of a data directory as samples at the features' sample rate; what cannot be used is rejected.

Shapes: N samples at the recording's own rate, M at the features'.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torchaudio.functional import resample

from sre import SreError
from sre.datadir.datadir import DataDir
from sre.datadir.rejected import Rejected
from sre.features.trim import trimmed
from sre.features.types import options_of
from sre.io.audio import MAX_OVERRUN_S, MIN_DURATION_S, AudioError, AudioRules, Recording, check_end, check_signal, load

Wave = tuple[str, np.ndarray]  # utterance, (M,) float32 on int16's scale, as Kaldi has it


def shortest_s(config: Mapping[str, Any]) -> float:
    """Return the length in seconds below which utterances have no features of a resolved config: that of a window.

    Where shifts are longer than two windows, it is half a shift (`snip_edges: false`).
    """
    return max(MIN_DURATION_S, config["frame_length"] / 1000, options_of(config).num_samples(1) / config["sample_rate"])


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

        An unusable recording is rejected with all its segments, an unusable segment alone. Raises SreError for a
        command that the rules do not allow, and where ffmpeg is needed and not installed.
        """
        location, sound, fault = None, None, ""
        for utt in utts:
            name, start, end = self.segments[utt] if self.segments else (utt, 0.0, None)
            try:
                if location != self.wav[name]:
                    location, sound = self.wav[name], None
                    sound = Sound(load(location, self.audio_rules), self.audio_rules.sample_rate)
                if sound is None:
                    raise AudioError(fault)
                wave = sound.piece(start, end, self.shortest_s)
                yield utt, trimmed(wave, self.trim, sound.sample_rate, self.shortest_s)
            except AudioError as error:
                fault = str(error)
                self.rejected.append((utt, self.wav[name], fault))


class Sound:
    """A decoded recording, and its samples at the features' sample rate (Hz).

    Raises AudioError where it cannot be converted to that rate.

    Attributes
    ----------
    samples : (M,) float32 on int16's scale
    """

    def __init__(self, recording: Recording, sample_rate: int) -> None:
        wave = recording.wave
        if recording.sample_rate != sample_rate:
            try:
                wave = resample(torch.from_numpy(wave), recording.sample_rate, sample_rate).numpy()  # (N,) -> (M,)
            except RuntimeError as error:  # torch's for too little memory
                raise AudioError(f"not converted to {sample_rate} Hz: {error}") from None
        self.recording, self.sample_rate = recording, sample_rate
        self.samples = wave * np.float32(32768)

    def piece(self, start: float, end: float | None, shortest_s: float) -> np.ndarray:
        """Return the samples from `start` to `end` (seconds), or all of them where `end` is None.

        Raises AudioError where a segment ends after the recording, is too short or silent.
        """
        piece, rate = self.samples, self.sample_rate
        if end is not None:
            check_end(end, self.recording.duration)
            end = min(end, self.recording.duration + MAX_OVERRUN_S)
            piece = piece[int(start * rate + 0.5) : int(end * rate + 0.5)]
        if len(piece) < max(shortest_s * rate, 1):
            raise AudioError(f"too short: {len(piece) / rate:.3f} s, at least {shortest_s} s are needed")
        if end is not None:
            rate = self.recording.sample_rate
            check_signal(self.recording.wave[int(start * rate + 0.5) : int(end * rate + 0.5)])
        return piece
