"""Reading audio: soundfile for what libsndfile knows, ffmpeg for m4a/aac, a shell only where it is allowed."""

import math
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile

from sre import SreError
from sre.io.audio_header import examine
from sre.io.promise import AudioError, Buffer, Promise
from sre.io.scp import split_offset

FFMPEG_SUFFIXES = {".m4a", ".aac", ".mp4", ".opus"}
MIN_DURATION_S = 0.025  # one analysis window
MAX_OVERRUN_S = 0.1  # of a segment's end, which corpora round; more than this is another recording's segment
QUIETEST = 2.0**-23  # of full scale, a step of 24 bits: less between the least and the greatest sample is no signal
LOUDEST = 1e9  # of full scale: floats that are no sound, whose energy would not be finite
DURATION = re.compile(r"^(?:\[info\])?\s*Duration: (\d+):(\d+):(\d+\.\d+)", re.MULTILINE)  # as ffmpeg says it
FFMPEG_SLACK_S = 0.25  # AAC's frames and the silence that its encoders put before
RATES = range(1000, 1_000_001)  # Hz
LARGEST_KERNEL = 1 << 24  # elements of the filter that converts between two rates
LONGEST = 1 << 40  # samples, 800 days; decoders that know no length tell a longer one
BLOCK = 1 << 14  # samples that are decoded at a time
# the length that other formats of libsndfile promise is not known to us
FORMATS = {"WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF", "NIST", "FLAC", "OGG", "MP3", "MPEG"}
BYTES = {"PCM_S8": 1, "PCM_U8": 1, "ULAW": 1, "ALAW": 1, "PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "DOUBLE": 8}

__all__ = ["AudioError", "AudioRules", "Recording", "check_end", "check_signal", "is_pipe", "load", "probe", "openable"]


@dataclass(frozen=True)
class AudioRules:
    """Which recordings are accepted: the recipe's `audio` section.

    Attributes
    ----------
    sample_rate : Hz, of the features
    resample : recordings of another rate are accepted, and converted when they are read
    allow_pipes : commands in wav.scp are run
    """

    sample_rate: int = 16000
    resample: bool = False
    allow_pipes: bool = False


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


def is_pipe(location: str) -> bool:
    """Whether a place in wav.scp is a command, `… |`."""
    return location.rstrip().endswith("|")


def openable(location: str, scp_folder: Path) -> str:
    """Return a wav.scp entry as a path that opens: relative to the scp's folder if it is there, else as written."""
    beside = location if is_pipe(location) else os.path.join(scp_folder, location)
    return beside if os.path.exists(beside) else location


def check_end(end: float, duration: float) -> None:
    """Raise AudioError for a segment that ends (s) more than MAX_OVERRUN_S after its recording of `duration` s.

    One to the recording's end, whatever that is, ends at inf.
    """
    if duration + MAX_OVERRUN_S < end < math.inf:
        raise AudioError(f"its segment ends at {end:g} s, the recording at {duration:.2f} s")


def probe(location: str, audio_rules: AudioRules) -> float:
    """Return the duration in seconds by size and header alone; nan where only decoding tells it.

    That is so for commands, m4a, and some FLAC and MP3. Raises AudioError for what is empty, too short, unreadable,
    multi-channel or of another sample rate, and where the header contradicts the file.
    """
    if is_pipe(location):
        return math.nan
    with reasons(), opened(location) as file:
        promise = examine(file)
        if by_ffmpeg(location):
            return math.nan
        header = soundfile.info(promise.mended(file) if promise.patches else location)
        frames = _check_header(header, promise, audio_rules)
        told = promise.told and (header.subtype in BYTES or header.format in ("FLAC", "OGG", "MP3"))
        return frames / header.samplerate if told else math.nan


def load(location: str, audio_rules: AudioRules) -> Recording:
    """Decode one recording.

    Raises AudioError as `probe` does, where the header promised more or fewer samples than were decoded, for NaN or
    infinite samples, and where all are equal; SreError where a command is not allowed, or ffmpeg is not installed.
    """
    with reasons():
        if is_pipe(location) or by_ffmpeg(location):
            data, promised_s = _through_command(location, audio_rules.allow_pipes)
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


def by_ffmpeg(location: str) -> bool:
    """Whether a file is decoded by ffmpeg, by its suffix."""
    return os.path.splitext(location)[1].lower() in FFMPEG_SUFFIXES


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
    if header.channels != 1:
        raise AudioError(f"{header.channels} channels; mix or split it to one")
    if header.subtype.startswith("MPEG") and not promise.slack:  # in a WAV, or of free format
        raise AudioError("MPEG audio of a kind whose length a decoder guesses; convert it to wav or flac")
    rate, sample_rate = header.samplerate, audio_rules.sample_rate
    if rate != sample_rate and not audio_rules.resample:
        raise AudioError(f"sample rate {rate}, the recipe's is {sample_rate}; set audio.resample: true to convert")
    if rate not in RATES:
        raise AudioError(f"sample rate {rate}, which is no rate of sound ({RATES.start} to {RATES.stop - 1})")
    if rate != sample_rate and rate * sample_rate // math.gcd(rate, sample_rate) ** 2 > LARGEST_KERNEL:
        raise AudioError(f"sample rate {rate}: too odd to be converted to {sample_rate} here; convert it before")
    frames = header.frames if promise.samples is None else promise.samples
    if promise.rate is not None:
        frames = frames * rate // promise.rate
    if promise.size is not None and header.subtype in BYTES:
        frames = promise.size // BYTES[header.subtype]
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
        wave = _samples(file, promise.samples)
        if abs(len(wave) - expected) > promise.slack:
            word = "truncated: " if len(wave) < expected else ""
            raise AudioError(f"{word}its header promises {expected} samples, {len(wave)} were decoded")
        _check_duration(len(wave), file.samplerate)
        return wave, file.samplerate


def _samples(file: soundfile.SoundFile, promised: int | None) -> np.ndarray:
    """Decode to the end: (N,) float32. Raises AudioError if the end cannot be reached."""
    if file.format == "MP3":
        file.seek(0)  # as soundfile.read does: without it the last bits are others
    blocks, found = [np.zeros(0, np.float32)], 0
    try:
        while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
            blocks.append(block[:, 0])
            found += len(block)
    except soundfile.LibsndfileError as error:
        of = "" if promised is None else f" of {promised}"
        raise AudioError(
            f"truncated or damaged: {error.error_string.removeprefix('Error : ').strip(' .')} after {found}{of} samples"
        ) from None
    return np.concatenate(blocks)


def _check_duration(samples: int, rate: int) -> None:
    if samples / rate < MIN_DURATION_S:
        raise AudioError(f"too short: {samples / rate:.3f} s, at least {MIN_DURATION_S} s are needed")


def check_samples(wave: np.ndarray) -> None:
    """Raise AudioError where samples, in -1 .. 1, are not finite, too large, or all equal."""
    if not np.isfinite(wave).all():
        raise AudioError("NaN or infinite samples")
    if (peak := float(np.abs(wave).max())) > LOUDEST:
        raise AudioError(f"samples of {peak:.3g} times full scale")
    check_signal(wave)


def check_signal(wave: np.ndarray) -> None:
    """Raise AudioError where all samples, in -1 .. 1, are equal."""
    least, greatest = wave.min(), wave.max()
    if greatest - least < QUIETEST:
        raise AudioError(f"no signal: all {len(wave)} samples are {float(least):.4g} of full scale")


def _through_command(location: str, allow_pipes: bool) -> tuple[bytes, float]:
    """Return what a command of wav.scp, or ffmpeg, writes, and the seconds that ffmpeg sees in the header, or nan."""
    if is_pipe(location):
        if not allow_pipes:
            raise SreError(f"'{location}' in wav.scp is a command; set audio.allow_pipes: true in the recipe to run it")
        return _output(location.rstrip().removesuffix("|"))[0], math.nan
    with opened(location) as file:
        examine(file)
    if shutil.which("ffmpeg") is None:
        raise SreError(f"{location}: ffmpeg is needed for this format; install it (Debian: apt-get install ffmpeg)")
    options = ["-hide_banner", "-nostdin", "-nostats", "-v", "level+info", "-i", f"file:{location}"]
    data, messages = _output(["ffmpeg", *options, "-f", "wav", "-acodec", "pcm_s16le", "-"])
    told = DURATION.search(messages)
    if told is None or "Estimating duration" in messages or "Video:" in messages:  # of which it may be the length
        return data, math.nan
    return data, 3600 * int(told[1]) + 60 * int(told[2]) + float(told[3])


def _output(command: str | list[str]) -> tuple[bytes, str]:
    """Return what a command writes to stdout and stderr. Raises AudioError if it fails or writes nothing."""
    done = subprocess.run(
        command, shell=isinstance(command, str), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    messages = done.stderr.decode(errors="replace").strip()
    if done.returncode != 0:
        errors = [line for line in messages.splitlines() if "[error]" in line or "[fatal]" in line]
        reason = "\n".join(errors) or messages or f"exit status {done.returncode}"
        raise AudioError(f"the command failed: {reason[-300:]}")
    if not done.stdout:
        raise AudioError(f"the command wrote nothing {messages[-300:]}".rstrip())
    return done.stdout, messages
