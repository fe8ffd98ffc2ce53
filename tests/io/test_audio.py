"""Audio that cannot be used is refused with its reason, by its header where that tells, else by decoding."""

import math
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sre import SreError
from sre.io.audio import AudioError, probe, read, resolve


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    """Half a second at 16 kHz: the ramp -4000 … 3999."""
    soundfile.write(tmp_path / "a.wav", np.arange(-4000, 4000, dtype=np.int16), 16000)
    return tmp_path / "a.wav"


def refused_by_both(path: Path, reason: str) -> None:
    for function in (probe, read):
        with pytest.raises(AudioError, match=reason):
            function(str(path), 16000, False)


def test_samples_on_the_scale_of_int16(wav: Path) -> None:
    assert probe(str(wav), 16000, False) == 0.5
    np.testing.assert_array_equal(read(str(wav), 16000), np.arange(-4000, 4000, dtype=np.float32), strict=True)


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
    refused_by_both(wav, "2 channels; mix or split it to one")


def test_wrong_rate(wav: Path) -> None:
    soundfile.write(wav, np.zeros(8000), 8000)
    refused_by_both(wav, "sample rate 8000, the recipe's is 16000; set audio.resample: true")


def test_resampled(wav: Path) -> None:
    soundfile.write(wav, 0.25 * np.sin(2 * np.pi * 300 * np.arange(8000) / 8000), 8000)
    wave = read(str(wav), 16000, resample=True)
    expected = 8192 * np.sin(2 * np.pi * 300 * np.arange(16000) / 16000)
    assert wave.shape == (16000,)
    assert np.abs(wave - expected)[200:-200].max() < 40  # the filter's ripple, and its edges


def test_nan(wav: Path) -> None:
    soundfile.write(wav, np.array([0.1] * 4000 + [np.nan]), 16000, subtype="FLOAT")
    assert probe(str(wav), 16000, False) > 0  # a header does not tell
    with pytest.raises(AudioError, match="NaN or infinite samples"):
        read(str(wav), 16000)


def test_a_command_runs_only_where_it_is_allowed(wav: Path, tmp_path: Path) -> None:
    made = tmp_path / "made"
    command = f"touch {shlex.quote(str(made))}; cat {shlex.quote(str(wav))} |"
    assert math.isnan(probe(command, 16000, False))
    with pytest.raises(SreError, match="is a command; set audio.allow_pipes: true"):
        read(command, 16000)
    assert not made.exists()
    np.testing.assert_array_equal(read(command, 16000, allow_pipes=True), read(str(wav), 16000))
    with pytest.raises(AudioError, match="the command failed: .*No such file"):
        read("cat nowhere.wav |", 16000, allow_pipes=True)


def test_relative_to_the_working_directory_then_to_the_scp(wav: Path, monkeypatch) -> None:
    assert resolve("a.wav", wav.parent) == str(wav)
    monkeypatch.chdir(wav.parent)
    assert resolve("a.wav", Path("elsewhere")) == "a.wav"
