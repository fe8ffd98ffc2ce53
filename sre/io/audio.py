"""Reading audio: soundfile for what libsndfile knows, ffmpeg for m4a/aac, a shell only where it is allowed."""

import io
import math
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import soundfile

from sre import SreError

FFMPEG_SUFFIXES = {".m4a", ".aac", ".mp4", ".opus"}
MIN_DURATION_S = 0.025  # one analysis window


class AudioError(SreError):
    """One recording cannot be used; the text is the reason that goes into rejected.tsv."""


def is_pipe(location: str) -> bool:
    return location.rstrip().endswith("|")


def resolve(location: str, scp_folder: Path) -> str:
    """A wav.scp entry as an openable path: as written (from the working directory), else from the scp's folder."""
    if is_pipe(location) or Path(location).exists():
        return location
    beside = scp_folder / location
    return str(beside) if beside.exists() else location


def probe(location: str, sample_rate: int, resample: bool) -> float:
    """Duration in seconds, by size and header alone; nan for what only decoding tells (m4a, pipes).

    Raises AudioError for what is empty, too short, unreadable, multi-channel or of another sample rate.
    """
    if is_pipe(location):
        return math.nan
    path = Path(location)
    if not path.exists():
        raise AudioError("no such file")
    if path.stat().st_size == 0:
        raise AudioError("empty file (0 bytes)")
    if path.suffix.lower() in FFMPEG_SUFFIXES:
        return math.nan
    try:
        header = soundfile.info(location)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"unreadable: {_reason(error)}") from None
    _check(header.channels, header.samplerate, header.frames, sample_rate, resample)
    if header.format in ("WAV", "WAVEX"):
        _check_wav_size(path)  # libsndfile mends the header of a truncated wav in silence
    return header.frames / header.samplerate


def _check_wav_size(path: Path) -> None:
    """Compare the size that the data chunk of a RIFF file promises with what is there."""
    size, at = path.stat().st_size, 12
    with open(path, "rb") as file:
        while at + 8 <= size:
            file.seek(at)
            name, promised = struct.unpack("<4sI", file.read(8))
            if name == b"data":
                present = size - at - 8
                if present < promised < 0x7FFFFFFF:  # larger: a stream whose length was not known
                    raise AudioError(f"truncated: its header promises {promised} bytes of samples, {present} are there")
                return
            at += 8 + promised + promised % 2


def read(location: str, sample_rate: int, resample: bool = False, allow_pipes: bool = False) -> np.ndarray:
    """Decode one recording to (samples,) float32 on int16's scale, as Kaldi has it.

    Raises AudioError as `probe` does, and for NaN or infinite samples.
    """
    if is_pipe(location) or Path(location).suffix.lower() in FFMPEG_SUFFIXES:
        wave, rate = _read_through_command(location, allow_pipes)
    else:
        probe(location, sample_rate, resample)
        try:
            wave, rate = soundfile.read(location, dtype="float32", always_2d=True)
        except (soundfile.LibsndfileError, RuntimeError) as error:
            raise AudioError(f"unreadable: {_reason(error)}") from None
    _check(wave.shape[1], rate, len(wave), sample_rate, resample)
    wave = wave[:, 0]
    if not np.isfinite(wave).all():
        raise AudioError("NaN or infinite samples")
    if rate != sample_rate:
        import torch
        import torchaudio.functional

        wave = torchaudio.functional.resample(torch.from_numpy(wave), rate, sample_rate).numpy()
    return wave * np.float32(32768)


def _read_through_command(location: str, allow_pipes: bool) -> tuple[np.ndarray, int]:
    if is_pipe(location):
        if not allow_pipes:
            raise SreError(f"'{location}' in wav.scp is a command; set audio.allow_pipes: true in the recipe to run it")
        command: str | list[str] = location.rstrip().removesuffix("|")
    else:
        if shutil.which("ffmpeg") is None:
            raise SreError(f"{location}: ffmpeg is needed for this format; install it (Debian: apt-get install ffmpeg)")
        command = ["ffmpeg", "-v", "error", "-nostdin", "-i", location, "-f", "wav", "-acodec", "pcm_s16le", "-"]
    done = subprocess.run(command, shell=isinstance(command, str), capture_output=True, check=False)
    if done.returncode != 0:
        raise AudioError(f"the command failed: {done.stderr.decode(errors='replace').strip()[-300:]}")
    try:
        return soundfile.read(io.BytesIO(done.stdout), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise AudioError(f"unreadable: {_reason(error)}") from None


def _check(channels: int, rate: int, samples: int, sample_rate: int, resample: bool) -> None:
    if channels != 1:
        raise AudioError(f"{channels} channels; mix or split it to one")
    if rate != sample_rate and not resample:
        raise AudioError(f"sample rate {rate}, the recipe's is {sample_rate}; set audio.resample: true to convert")
    if samples / rate < MIN_DURATION_S:
        raise AudioError(f"too short: {samples / rate:.3f} s, at least {MIN_DURATION_S} s are needed")


def _reason(error: Exception) -> str:
    return str(error).split("': ")[-1].strip() or type(error).__name__
