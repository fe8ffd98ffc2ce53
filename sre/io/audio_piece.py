"""A piece of a recording, decoded without the rest of it where the format can be entered at any sample.

Shapes: N samples of the recording at its own rate.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import soundfile

from sre.io.audio import (
    BYTES,
    AudioError,
    AudioRules,
    Straight,
    by_ffmpeg,
    is_pipe,
    load,
    opened,
    reasons,
)
from sre.io.audio_header import examine

ENTERED = {*BYTES, "IMA_ADPCM", "MS_ADPCM"}  # at any sample; GSM, G.721 and others at none


class Piece(NamedTuple):
    """A piece of a recording, or all of it where it cannot be entered.

    wave : float32 in -1 .. 1, from sample `start` of the recording on
    sample_rate : Hz, the recording's own
    whole : all of the recording was decoded, `start` is 0
    """

    wave: np.ndarray
    start: int
    sample_rate: int
    whole: bool


def load_piece(location: str, span: Callable[[int], tuple[int, int]], audio_rules: AudioRules) -> Piece:
    """Decode a piece of a recording, or the whole of one that cannot be entered; one channel of it.

    span : first sample and end of the piece, of the recording's own rate in Hz

    Not to be entered are commands, what ffmpeg decodes, Ogg and MP3, some codecs in WAV (GSM, G.721), and
    files whose header does not tell their length.
    Less is returned where the recording ends before. Raises AudioError and SreError as `load` does.
    """
    file_place, rules = audio_rules.at(location)
    if is_pipe(file_place) or by_ffmpeg(file_place):
        return _whole(location, audio_rules)
    with reasons(), opened(file_place) as source:
        if examine(source).patches:
            return _whole(location, audio_rules)
        with Straight(file_place) as file:  # which seeks once, not before and after reading too
            if file.format != "FLAC" and file.subtype not in ENTERED:
                return _whole(location, audio_rules)
            rules.check_channels(file.channels)
            start, end = span(file.samplerate)
            file.seek(min(start, file.frames))
            block = file.read(end - start, dtype="float32", always_2d=True)
            return Piece(np.ascontiguousarray(rules.one_channel(block)), start, file.samplerate, False)


def _whole(location: str, audio_rules: AudioRules) -> Piece:
    recording = load(location, audio_rules)
    return Piece(recording.wave, 0, recording.sample_rate, True)


def first_channel(path: str, start: int, count: int, sample_rate: int) -> tuple[np.ndarray, int]:
    """Decode a piece of a noise or room impulse response: (N,) float32 in -1 .. 1 of its first channel, and its rate.

    start, count : samples at `sample_rate` (Hz); of a file of another rate, the same time is read at the file's rate
    Nothing is checked but that it can be decoded, which takes a third of `load_piece`'s time. Less is returned at the
    end of the file. Raises AudioError naming the file where it cannot be decoded there.
    """
    try:
        with Straight(path) as file:
            if file.samplerate != sample_rate:
                start, count = (-(-n * file.samplerate // sample_rate) for n in (start, count))
            file.seek(min(start, file.frames))
            wave = file.read(count, dtype="float32", always_2d=True)[:, 0]
            return np.ascontiguousarray(wave), file.samplerate
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip(" .") or "libsndfile gives no reason"
        raise AudioError(f"{path}: unreadable ({reason}); take it out of wav.scp, or write the file again") from None
