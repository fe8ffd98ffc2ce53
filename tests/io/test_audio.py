"""Audio that cannot be used is refused with its reason, by its header where that tells, else by decoding."""

import math
import os
import shlex
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import soundfile

from sre import SreError
from sre.config.schema import Schema
from sre.io import commands
from sre.io.audio import AudioError, AudioRules, load, look, probe
from sre.io.commands import find_ffmpeg
from sre.io.place import openable

ROOT = Path(__file__).resolve().parents[2]
STEREO = np.random.default_rng(0).normal(0, 0.1, (9000, 2)).cumsum(axis=0).clip(-0.9, 0.9)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    """Half a second at 16 kHz: the ramp -4000 … 3999."""
    soundfile.write(tmp_path / "a.wav", np.arange(-4000, 4000, dtype=np.int16), 16000)
    return tmp_path / "a.wav"


def read(location: str, audio_rules: AudioRules = AudioRules()) -> np.ndarray:
    """Decode to the samples on int16's scale."""
    recording = load(location, audio_rules)
    assert audio_rules.resample or recording.sample_rate == audio_rules.sample_rate
    return recording.wave * np.float32(32768)


def refused_by_both(path: Path, reason: str) -> None:
    for function in (probe, read):
        with pytest.raises(AudioError, match=reason):
            function(str(path), AudioRules())


def test_samples_on_the_scale_of_int16(wav: Path) -> None:
    assert probe(str(wav), AudioRules()) == 0.5
    np.testing.assert_array_equal(read(str(wav)), np.arange(-4000, 4000, dtype=np.float32), strict=True)


def test_truncated(wav: Path) -> None:
    wav.write_bytes(wav.read_bytes()[:6000])
    refused_by_both(wav, "truncated: its header promises 16000 bytes of samples, 5956 are there")


def test_empty(wav: Path) -> None:
    wav.write_bytes(b"")
    refused_by_both(wav, r"empty file \(0 bytes\)")


def test_header_only(wav: Path) -> None:
    wav.write_bytes(wav.read_bytes()[:44])
    refused_by_both(wav, "too short|truncated")


def test_not_audio(wav: Path) -> None:
    wav.write_text("<html>404</html>")
    refused_by_both(wav, "unreadable: ")


def test_missing(wav: Path) -> None:
    refused_by_both(wav.with_name("b.wav"), "no such file")


def test_too_short(wav: Path) -> None:
    soundfile.write(wav, np.zeros(399), 16000)
    refused_by_both(wav, "too short: 0.025 s, at least 0.025 s are needed")


def test_stereo(wav: Path) -> None:
    soundfile.write(wav, np.zeros((8000, 2)), 16000)
    refused_by_both(wav, "2 channels; set audio.channel to mix for their mean, or to one of them, from 0 on")


@pytest.mark.parametrize(
    ("form", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAV", "IMA_ADPCM"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("NIST", "ULAW"),
     ("MP3", "MPEG_LAYER_III"), ("AIFF", "PCM_24"), ("CAF", "ALAC_16"), ("VOC", "PCM_16"), ("IRCAM", "PCM_16")],
)  # fmt: skip
def test_a_channel_is_taken_or_all_are_mixed(tmp_path: Path, form: str, subtype: str) -> None:
    place = f"{tmp_path}/a.bin"
    soundfile.write(place, STEREO, 16000, format=form, subtype=subtype)
    both, _ = soundfile.read(place, dtype="float32")
    for channel, expected in ((0, both[:, 0]), ("1", both[:, 1]), ("mix", (both[:, 0] + both[:, 1]) / 2)):
        for at in (place, f"cat {place} |"):
            found = load(at, AudioRules(channel=channel, allow_pipes=True)).wave
            np.testing.assert_array_equal(found, expected, strict=True)
        np.testing.assert_array_equal(load(f"{place} [channel {channel}]", AudioRules(channel=0)).wave, expected)
    header = look(place, AudioRules(channel="mix"))
    assert header.channels == 2 and (math.isnan(header.seconds) or header.seconds == len(both) / 16000)
    for function in (probe, load):
        with pytest.raises(AudioError, match="2 channels, of which 2 was asked for, from 0 on"):
            function(place, AudioRules(channel=2))


def test_a_channel_of_one(wav: Path) -> None:
    for channel in (0, "mix"):
        np.testing.assert_array_equal(read(str(wav), AudioRules(channel=channel)), read(str(wav)))
    with pytest.raises(AudioError, match="1 channel, of which 1 was asked for"):
        probe(f"{wav} [channel 1]", AudioRules())
    assert openable("a.wav [channel 0]", wav.parent) == f"{wav} [channel 0]"
    wav.rename(wav.parent / "a.wav [channel 7]")  # a name
    assert probe(f"{wav} [channel 7]", AudioRules()) == 0.5


def test_rules_by_default_are_those_of_the_schema() -> None:
    schema = Schema(ROOT / "recipes/config.schema.yaml")
    keys = schema.root["properties"]["audio"]["properties"]
    assert AudioRules() == AudioRules(**{key: part["default"] for key, part in keys.items()})
    assert schema.check({}, "", "properties", "audio").keys() == {"sample_rate", "resample", "allow_pipes"}


def test_wrong_rate(wav: Path) -> None:
    soundfile.write(wav, np.zeros(8000), 8000)
    refused_by_both(wav, "sample rate 8000, the features' is 16000; set audio.resample to convert it")


def test_nan(wav: Path) -> None:
    soundfile.write(wav, np.array([0.1] * 4000 + [np.nan]), 16000, subtype="FLOAT")
    assert probe(str(wav), AudioRules()) > 0  # a header does not tell
    with pytest.raises(AudioError, match="NaN or infinite samples"):
        read(str(wav))


def test_a_command_runs_only_where_it_is_allowed(wav: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    command = f"touch {shlex.quote(str(made))}; cat {shlex.quote(str(wav))} |"
    assert math.isnan(probe(command, AudioRules()))
    with pytest.raises(SreError, match="is a command; set audio.allow_pipes to run it"):
        read(command)
    assert not made.exists()
    np.testing.assert_array_equal(read(command, AudioRules(allow_pipes=True)), read(str(wav)))
    with pytest.raises(AudioError, match="the command failed: .*No such file"):
        read("cat nowhere.wav |", AudioRules(allow_pipes=True))


def test_relative_to_the_scp_then_to_the_working_directory(wav: Path, monkeypatch) -> None:
    assert openable("a.wav", wav.parent) == str(wav)
    monkeypatch.chdir(wav.parent)
    assert openable("a.wav", Path("elsewhere")) == openable("a.wav", wav.parent / "d") == "a.wav"
    (wav.parent / "d").mkdir()
    wav.rename(wav.parent / "d/a.wav")
    wav.touch()
    assert openable("a.wav", wav.parent / "d") == f"{wav.parent}/d/a.wav"
    assert openable("cat a.wav |", wav.parent) == "cat a.wav |"


@pytest.mark.parametrize("level", [0.0, 0.25, -1.0])
def test_no_signal(wav: Path, level: float) -> None:
    for form, subtype in (("WAV", "PCM_16"), ("WAV", "ALAW"), ("FLAC", "PCM_24"), ("WAV", "FLOAT")):
        soundfile.write(wav, np.full(8000, level), 16000, format=form, subtype=subtype)
        with pytest.raises(AudioError, match=r"no signal: all 8000 samples are -?[\d.]+ of full scale"):
            read(str(wav))
    with pytest.raises(AudioError, match="no signal"):
        read(str(wav), AudioRules(8000, resample=True))
    soundfile.write(wav, np.full(8000, level) + np.eye(1, 8000, 9)[0] * 2**-15, 16000)
    assert np.ptp(read(str(wav))) == 1  # the least that 16 bits hold is a signal


def test_silence_of_a_codec(wav: Path) -> None:
    for form in ("MP3", "OGG"):
        soundfile.write(wav, np.zeros(16000), 16000, format=form)
        with pytest.raises(AudioError, match="no signal"):
            read(str(wav))


def test_floats_that_are_no_sound(wav: Path) -> None:
    soundfile.write(wav, np.array([0.1, -0.1] * 4000 + [1e30]), 16000, subtype="DOUBLE")
    with pytest.raises(AudioError, match=r"samples of 1e\+30 times full scale"):
        read(str(wav))


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("head -c 9000 {}", "truncated: its header promises 16000 bytes of samples, 8956 are there"),
        ("true", "the command wrote nothing"),
        ("echo oh >&2; exit 3", "the command failed: oh"),
        ("cat {}; exit 3", "the command failed: exit status 3"),
        ("kill -9 $$", "the command failed: exit status -9"),
        ("echo one >&2; echo two >&2; false", "the command failed: two$"),
        ("echo no audio", "unreadable: Format not recognised"),
        ("head -c 30 {}", "no samples"),
        ("cat {} {}", "more bytes follow"),
        ("cat", "the command wrote nothing"),  # it reads no terminal
        ("no_such_program", "the command failed: .*not found"),
        ("echo " + 200000 * "x", "unreadable: Argument list too long"),
    ],
)
def test_commands_that_fail(wav: Path, command: str, reason: str) -> None:
    with pytest.raises(AudioError, match=reason):
        read(command.replace("{}", shlex.quote(str(wav))) + " |", AudioRules(allow_pipes=True))


def test_a_command_that_takes_too_long_is_killed_with_what_it_started(wav: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = f"sleep 60 & echo $! $$ > {pids}; sleep 60; cat {wav} |"
    begun = time.monotonic()
    with pytest.raises(AudioError, match=r"took longer than audio.pipe_timeout_s \(0.3 s\) and was killed"):
        read(command, AudioRules(allow_pipes=True, pipe_timeout_s=0.3))
    assert time.monotonic() - begun < 4
    for pid in pids.read_text().split():
        assert not Path(f"/proc/{pid}").exists() or "zombie" in Path(f"/proc/{pid}/status").read_text()


@pytest.mark.skipif(find_ffmpeg() is None, reason="no ffmpeg here: neither the system's nor imageio-ffmpeg")
def test_formats_that_ffmpeg_decodes(tmp_path: Path) -> None:
    """Each is what ffmpeg itself writes as samples, and half of one is refused."""
    ffmpeg = [str(find_ffmpeg()), "-nostdin", "-v", "error", "-y"]
    soundfile.write(tmp_path / "a.wav", np.tile(STEREO, (6, 1)), 16000)
    for suffix in ("m4a", "mp4", "aac", "wma", "webm", "mka", "tta", "wv", "ac3", "opus", "amr"):
        narrow = ["-ar", "8000", "-ac", "1"] if suffix == "amr" else []
        path = tmp_path / f"b 'c'.{suffix}"
        subprocess.run([*ffmpeg, "-i", tmp_path / "a.wav", *narrow, path], check=True)
        raw = subprocess.run([*ffmpeg, "-i", path, "-f", "s16le", "-"], check=True, capture_output=True).stdout
        channels = 1 if suffix == "amr" else 2
        expected = np.frombuffer(raw, np.int16).reshape(-1, channels)[:, -1] / np.float32(32768)
        rules = AudioRules(resample=True, channel=channels - 1)
        np.testing.assert_array_equal(load(str(path), rules).wave, expected)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(AudioError, match="truncated|promises"):
            load(str(path), rules)
    path.with_suffix(".m4a").write_bytes(b"<html>404</html>")
    with pytest.raises(AudioError, match="^ffmpeg: moov atom not found$"):
        load(str(path.with_suffix(".m4a")), AudioRules())


def test_ffmpeg_is_the_systems_or_else_the_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ffmpeg").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", Mock(get_ffmpeg_exe=lambda: "the package's"))
    assert find_ffmpeg() == f"{tmp_path}/ffmpeg"
    (tmp_path / "ffmpeg").unlink()
    assert find_ffmpeg() == "the package's"
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert find_ffmpeg() is None


def test_what_ffmpeg_decodes_is_held_against_what_it_was_promised(wav: Path, tmp_path: Path, monkeypatch) -> None:
    """A stand-in for ffmpeg that writes the wav and these messages."""
    (tmp_path / "-a Duration: 00:00:09.00.m4a").write_bytes(b"m4a")
    location = f"{tmp_path}/-a Duration: 00:00:09.00.m4a"
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    def says(*messages: str, status: int = 0) -> int:
        lines = "\n".join(f"echo {shlex.quote(message)} >&2" for message in messages)
        check = f'for x; do [ "$x" != {shlex.quote("file:" + location)} ] || found=1; done; [ $found ] || exit 9'
        (tmp_path / "ffmpeg").write_text(f"#!/bin/sh\n{check}\n{lines}\ncat {wav}\nexit {status}\n")
        (tmp_path / "ffmpeg").chmod(0o755)
        return len(read(location))

    told = "[info]   Duration: 00:01:00.60, start: 0.000000, bitrate: 70 kb/s"
    assert math.isnan(probe(location, AudioRules()))
    assert says("[info]   Duration: 00:00:00.60, start: 0.000000, bitrate: 70 kb/s") == says("") == 8000
    assert says("[aac @ 0x1] [warning] Estimating duration from bitrate", told) == 8000
    assert says(told, "[info]   Stream #0:0: Video: h264") == 8000
    with pytest.raises(AudioError, match="its header promises 60.60 s, 0.50 s were decoded"):
        says(told)
    with pytest.raises(AudioError, match=r"^ffmpeg: no$"):
        says(told, "[aac @ 0x1] [error] no", "[info] size=0", status=1)
    with pytest.raises(AudioError, match=r"^truncated or damaged: ffmpeg: corrupt input packet$"):
        says("[in#0/tta @ 0x5] [warning] corrupt input packet in stream 0")
    assert says("[info]   Duration: 00:00:00.60, start: 0", "[aac @ 0x1] [error] no") == 8000  # all of it is there
    (tmp_path / "ffmpeg").unlink()
    monkeypatch.setattr(commands, "find_ffmpeg", lambda: None)
    with pytest.raises(SreError, match="ffmpeg is needed for this format; install it .*pip install imageio-ffmpeg"):
        read(location)


def test_what_is_no_sound_file(wav: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "fifo.wav")
    (tmp_path / "a.raw").write_bytes(wav.read_bytes()[44:])
    soundfile.write(tmp_path / "a.avr", np.arange(8000, dtype=np.int16), 16000, format="AVR")
    reasons = {
        "": "a folder",
        "fifo.wav": "no regular file; use a command",
        "a.raw": "unreadable: |RAW is not read",
        "a.avr": "AVR is not read, for its length cannot be checked; convert it",
        "a.wav/b.wav": "no such file",
        "a\0.wav": "unreadable: embedded null byte",
        "a" * 300: "unreadable: File name too long",
    }
    for name, reason in reasons.items():
        refused_by_both(tmp_path / name, reason)
    for failure in (MemoryError(), ValueError("array is too big"), TypeError("no")):
        monkeypatch.setattr(soundfile.SoundFile, "read", Mock(side_effect=failure))
        with pytest.raises(AudioError, match="unreadable: (MemoryError|array is too big|no)"):
            read(str(wav))


def test_rates_of_no_sound(wav: Path) -> None:
    for rate in (1, 999, 1_000_001):
        soundfile.write(wav, np.arange(8000, dtype=np.int16), rate)
        for function in (probe, read):
            with pytest.raises(AudioError, match=f"sample rate {rate}, which is no rate of sound"):
                function(str(wav), AudioRules(resample=True))


def test_an_odd_rate_is_not_converted(wav: Path) -> None:
    soundfile.write(wav, np.arange(8000, dtype=np.int16), 15991)
    for function in (probe, read):
        with pytest.raises(AudioError, match="sample rate 15991: too odd to be converted to 16000"):
            function(str(wav), AudioRules(resample=True))
