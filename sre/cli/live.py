"""Live audio from stdin: a WAV stream, or raw samples, as blocks for `sre verify` and `sre identify`."""

from __future__ import annotations

import argparse
import sys
import wave
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from sre import SreError
from sre.cli.arguments import whole
from sre.io.audio_rules import AudioRules
from sre.io.promise import AudioError

if TYPE_CHECKING:
    from sre.voices.model import Model
    from sre.voices.voiceprint import Voiceprint

LIVE = "-"  # in place of a recording
BLOCK_S = 0.25
STDIN = "stdin"


def add_live_options(parser: argparse.ArgumentParser) -> None:
    """Add --rate, for stdin without a header."""
    raw = "sample rate of raw 16-bit samples of one channel from stdin; without it stdin is a WAV stream"
    parser.add_argument("--rate", type=whole(1000, 1_000_000), metavar="HZ", help=raw)


def is_live(recordings: Sequence[str]) -> bool:
    """Return whether stdin is to be heard. Raises SreError where other recordings stand beside it."""
    if LIVE in recordings and len(recordings) > 1:
        raise SreError("stdin (-) is one live recording; give no other beside it")
    return LIVE in recordings


def heard_of_stdin(model: Model, raw_rate: int | None, channel: str | None) -> Iterator[tuple[float, Voiceprint]]:
    """Yield seconds of audio so far and the voiceprint of them, as audio comes and where there is any speech.

    raw_rate : Hz, of raw 16-bit samples of one channel; None: it is a WAV stream
    Raises SreError for a stream that is neither, and where there is no speech to its end.
    """
    from sre.voices.stream import updates

    if sys.stdin is None:
        raise SreError(f"{STDIN}: it is closed; give it a recording, as `arecord | sre …` does")
    rate, blocks = blocks_of(sys.stdin.buffer, raw_rate, channel)
    anything = False
    for heard in updates(model, blocks, rate):
        if heard.voiceprint is not None:
            anything = True
            yield heard.seconds, heard.voiceprint
    if not anything:
        raise SreError(f"{STDIN}: no speech in it; look at what is recorded")


def blocks_of(file: BinaryIO, raw_rate: int | None, channel: str | None) -> tuple[int, Iterator[np.ndarray]]:
    """Return the rate in Hz, and blocks (N,) float32 in [-1, 1] as they come. Raises SreError as `heard_of_stdin`."""
    if raw_rate is not None:
        return raw_rate, _raw_blocks(file, raw_rate)
    try:
        source = wave.open(file)  # noqa: SIM115, its blocks are read later
    except (wave.Error, EOFError) as error:
        why = str(error) or "nothing came"
        raise SreError(f"{STDIN}: no WAV stream ({why}); give --rate for raw 16-bit samples") from None
    if source.getsampwidth() != 2:
        raise SreError(f"{STDIN}: {8 * source.getsampwidth()} bits a sample, and 16 are read; record 16-bit samples")
    rules = AudioRules(channel=channel)
    try:
        rules.check_channels(source.getnchannels())
    except AudioError as error:
        raise SreError(f"{STDIN}: {error}") from None
    return source.getframerate(), _wav_blocks(source, rules)


def _wav_blocks(source: wave.Wave_read, rules: AudioRules) -> Iterator[np.ndarray]:
    frames = round(BLOCK_S * source.getframerate())
    while content := source.readframes(frames):
        yield rules.one_channel(_floats(content).reshape(-1, source.getnchannels()))


def _raw_blocks(file: BinaryIO, rate: int) -> Iterator[np.ndarray]:
    left = b""
    while content := file.read(2 * round(BLOCK_S * rate)):
        content = left + content
        whole = len(content) // 2 * 2
        left = content[whole:]
        yield _floats(content[:whole])


def _floats(content: bytes) -> np.ndarray:
    return np.frombuffer(content, "<i2").astype(np.float32) / np.float32(32768)
