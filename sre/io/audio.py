"""Reading audio: soundfile for what libsndfile knows, ffmpeg for the rest, a shell only where it is allowed."""

import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile

from sre import SreError
from sre.io.audio_header import examine
from sre.io.audio_rules import MIX, AudioRules
from sre.io.commands import Decoded, by_ffmpeg, of_command, of_ffmpeg
from sre.io.place import is_pipe
from sre.io.promise import AudioError, Buffer, Promise
from sre.io.scp import split_offset

MIN_DURATION_S = 0.025  # one analysis window
MAX_OVERRUN_S = 0.1  # of a segment's end, which corpora round; more than this is another recording's segment
QUIETEST = 2.0**-23  # of full scale, a step of 24 bits: less between the least and the greatest sample is no signal
LOUDEST = 1e9  # of full scale: floats that are no sound, whose energy would not be finite
FFMPEG_SLACK_S = 0.25  # AAC's frames and the silence that its encoders put before
RATES = range(1000, 1_000_001)  # Hz
LARGEST_KERNEL = 1 << 24  # elements of the filter that converts between two rates
LONGEST = 1 << 40  # samples, 800 days; decoders that know no length tell a longer one
BLOCK = 1 << 14  # samples that are decoded at a time
FORMATS = {  # the length that other formats of libsndfile promise is not known to us; IRCAM and PVF promise none
    *("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "NIST", "FLAC", "OGG", "MP3", "MPEG"),
    *("VOC", "SVX", "HTK", "IRCAM", "PVF"),
}
BYTES = {"PCM_S8": 1, "PCM_U8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}

__all__ = [
    "MIX",
    "AudioError",
    "AudioRules",
    "Header",
    "Recording",
    "by_ffmpeg",
    "check_end",
    "is_pipe",
    "load",
    "probe",
]


class Straight(soundfile.SoundFile):
    """Seeks where it is told to alone, not before and after reading: libsndfile cannot in a FLAC of unknown length."""

    def seekable(self) -> bool:
        return False


@dataclass(frozen=True)
class Recording:
    """One decoded recording.

    Attributes
    ----------
    wave : (N,) float32 in -1 .. 1
    sample_rate : Hz, its own
    """

    wave: np.ndarray
    sample_rate: int

    @property
    def duration(self) -> float:
        """The length in seconds."""
        return len(self.wave) / self.sample_rate


def check_end(end: float, duration: float) -> None:
    """Raise AudioError for a segment that ends (s) more than MAX_OVERRUN_S after its recording of `duration` s.

    One to the recording's end, whatever that is, ends at inf.
    """
    if duration + MAX_OVERRUN_S < end < math.inf:
        raise AudioError(f"its segment ends at {end:g} s, the recording at {duration:.2f} s")


class Header(NamedTuple):
    """What is known of a recording before it is decoded.

    seconds : its length; nan where only decoding tells it
    sample_rate : Hz, its own; 0 where only decoding tells it
    channels : how many; 0 where only decoding tells it
    entered : it can be entered at any sample
    """

    seconds: float
    sample_rate: int = 0
    channels: int = 0
    entered: bool = False


def probe(location: str, audio_rules: AudioRules) -> float:
    """Return the duration in seconds by size and header alone; nan where only decoding tells it.

    That is so for commands, what ffmpeg decodes, and some FLAC and MP3. Raises AudioError for what is empty, too short,
    unreadable, of several channels of which none was chosen or of another sample rate, and where the header contradicts
    the file.
    """
    return look(location, audio_rules).seconds


def look(location: str, audio_rules: AudioRules) -> Header:
    """Return what size and header alone tell of a recording. Raises AudioError as `probe` does."""
    location, audio_rules = audio_rules.at(location)
    if is_pipe(location):
        return Header(math.nan)
    with reasons(), opened(location) as file:
        promise = examine(file)
        if by_ffmpeg(location):
            return Header(math.nan)
        header = soundfile.info(promise.mended(file) if promise.patches else location)
        frames = _check_header(header, promise, audio_rules)
        told = promise.told and (header.subtype in BYTES or header.format in ("FLAC", "OGG", "MP3"))
        seconds = frames / header.samplerate if told else math.nan
        entered = told and not promise.patches and (header.subtype in BYTES or header.format == "FLAC")
        return Header(seconds, header.samplerate, header.channels, entered)


def load(location: str, audio_rules: AudioRules, decoded: Decoded | None = None) -> Recording:
    """Decode one recording, to one channel.

    decoded : what ffmpeg has made of it already
    Raises AudioError as `probe` does, where the header promised more or fewer samples than were decoded, for NaN or
    infinite samples, and where all are equal; SreError where a command is not allowed, or ffmpeg is not installed.
    """
    location, audio_rules = audio_rules.at(location)
    with reasons():
        if is_pipe(location) or by_ffmpeg(location):
            data, promised_s = _by_others(location, audio_rules, decoded)
            source = Buffer(data)
            wave, rate = _decode(source, source, audio_rules)
        else:
            promised_s = math.nan
            with opened(location) as file:
                wave, rate = _decode(file, location, audio_rules)
        if abs((seconds := len(wave) / rate) - promised_s) > FFMPEG_SLACK_S:
            raise AudioError(f"its header promises {promised_s:.2f} s, {seconds:.2f} s were decoded")
        check_samples(wave)
        return Recording(wave, rate)


@contextmanager
def reasons() -> Iterator[None]:
    """Turn whatever a decoder raises into the reason of a rejection."""
    try:
        yield
    except SreError:
        raise
    except soundfile.LibsndfileError as error:
        raise AudioError(f"unreadable: {error.error_string.strip() or 'libsndfile gives no reason'}") from None
    except (FileNotFoundError, NotADirectoryError):
        raise AudioError("no such file") from None
    except OSError as error:
        raise AudioError(f"unreadable: {error.strerror or error}") from None
    except Exception as error:
        raise AudioError(f"unreadable: {str(error) or type(error).__name__}") from None


def opened(location: str) -> BinaryIO:
    """Open a recording. Raises AudioError for what is no file, or an empty one."""
    try:
        status = os.stat(location)
    except OSError:
        if os.path.isfile(ark := split_offset(location)[0]):
            reason = f"a place in the archive {ark}, which is not read; write it out as a file of its own"
            raise AudioError(reason) from None
        raise
    if not stat.S_ISREG(status.st_mode):
        raise AudioError("a folder" if stat.S_ISDIR(status.st_mode) else "no regular file; use a command in its place")
    if status.st_size == 0:
        raise AudioError("empty file (0 bytes)")
    return open(location, "rb")


def _check_header(header: soundfile.SoundFile, promise: Promise, audio_rules: AudioRules) -> float:
    """Return the number of samples of each channel that the header promises, nan where it does not."""
    if header.format not in FORMATS:
        raise AudioError(f"{header.format} is not read, for its length cannot be checked; convert it to wav or flac")
    audio_rules.check_channels(header.channels)
    if header.subtype.startswith("MPEG") and not promise.slack:  # in a WAV, or of free format
        raise AudioError("MPEG audio of a kind whose length a decoder guesses; convert it to wav or flac")
    rate, sample_rate = header.samplerate, audio_rules.sample_rate
    if rate != sample_rate and not audio_rules.resample:
        raise AudioError(
            f"sample rate {rate}, the features' is {sample_rate}; set audio.resample to convert it"
            " (--config set=audio.resample=yes, --resample, or --audio '{\"resample\": true}')"
        )
    if rate not in RATES:
        raise AudioError(f"sample rate {rate}, which is no rate of sound ({RATES.start} to {RATES.stop - 1})")
    if rate != sample_rate and rate * sample_rate // math.gcd(rate, sample_rate) ** 2 > LARGEST_KERNEL:
        raise AudioError(f"sample rate {rate}: too odd to be converted to {sample_rate} here; convert it before")
    frames = header.frames if promise.samples is None else promise.samples
    if promise.rate is not None:
        frames = frames * rate // promise.rate
    if promise.size is not None and header.subtype in BYTES:
        frames = promise.size // (BYTES[header.subtype] * header.channels)
    if frames > LONGEST or not promise.told:
        return math.nan
    _check_duration(frames, rate)
    return frames


def _decode(source: BinaryIO, location: str | Buffer, audio_rules: AudioRules) -> tuple[np.ndarray, int]:
    """Decode an open file: (N,) float32 in -1 .. 1, and their rate. A decoder may open `location` itself."""
    promise = examine(source, whole=True)
    source.seek(0)
    with Straight(promise.mended(source) if promise.patches else location) as file:
        expected = _check_header(file, promise, audio_rules)
        wave = _samples(file, promise.samples, audio_rules)
        if abs(len(wave) - expected) > promise.slack:
            word = "truncated: " if len(wave) < expected else ""
            raise AudioError(f"{word}its header promises {expected} samples, {len(wave)} were decoded")
        _check_duration(len(wave), file.samplerate)
        return wave, file.samplerate


def _samples(file: soundfile.SoundFile, promised: int | None, audio_rules: AudioRules) -> np.ndarray:
    """Decode one channel to the end: (N,) float32. Raises AudioError if the end cannot be reached."""
    if file.format == "MP3":
        file.seek(0)  # as soundfile.read does: without it the last bits are others
    wave, found = np.empty(BLOCK, np.float32), 0
    try:
        while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
            if found + len(block) > len(wave):
                wave.resize(2 * len(wave), refcheck=False)  # in place, where a long one would be copied to join blocks
            wave[found : found + len(block)] = audio_rules.one_channel(block)
            found += len(block)
    except soundfile.LibsndfileError as error:
        of = "" if promised is None else f" of {promised}"
        raise AudioError(
            f"truncated or damaged: {error.error_string.removeprefix('Error : ').strip(' .')} after {found}{of} samples"
        ) from None
    wave.resize(found, refcheck=False)
    return wave


def _check_duration(samples: int, rate: int) -> None:
    if samples / rate < MIN_DURATION_S:
        raise AudioError(f"too short: {samples / rate:.3f} s, at least {MIN_DURATION_S} s are needed")


def check_samples(wave: np.ndarray) -> None:
    """Raise AudioError where samples, in -1 .. 1, are not finite, too large, or all equal."""
    if not np.isfinite(wave).all():
        raise AudioError("NaN or infinite samples")
    if (peak := max(float(wave.max()), -float(wave.min()))) > LOUDEST:
        raise AudioError(f"samples of {peak:.3g} times full scale")
    check_signal(wave)


def check_signal(wave: np.ndarray) -> None:
    """Raise AudioError where all samples, in -1 .. 1, are equal."""
    least, greatest = wave.min(), wave.max()
    if greatest - least < QUIETEST:
        raise AudioError(f"no signal: all {len(wave)} samples are {float(least):.4g} of full scale")


def _by_others(location: str, audio_rules: AudioRules, decoded: Decoded | None) -> Decoded:
    """Return what a command of wav.scp, or ffmpeg, writes, and the seconds that ffmpeg sees in the header, or nan."""
    if is_pipe(location):
        if not audio_rules.allow_pipes:
            raise SreError(
                f"'{location}' in wav.scp is a command; set audio.allow_pipes to run it"
                " (--config set=audio.allow_pipes=yes, or --audio '{\"allow_pipes\": true}')"
            )
        return of_command(location.rstrip().removesuffix("|"), audio_rules.pipe_timeout_s), math.nan
    with opened(location) as file:
        examine(file)
    return decoded or of_ffmpeg(location)
