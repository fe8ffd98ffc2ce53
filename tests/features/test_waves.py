"""The utterances of a data directory as samples; what cannot be used is rejected with its reason."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from local import prepare_custom
from sre import SreError, cli
from sre.datadir.datadir import read_data_dir, write_data_dir
from sre.features import waves as waves_module
from sre.features.make import decoded_in_threads
from sre.features.waves import Sound, Waves
from sre.io.audio import AudioError, AudioRules, load
from sre.io.tables import read_table, write_table

RULES = AudioRules(allow_pipes=True)
SEGMENTS = {
    "a-1": ("r1", 0.0, 0.5),
    "a-2": ("r1", 0.5, 1.05),  # rounded
    "a-3": ("r1", 0.5, 99.0),
    "a-4": ("r1", 2.0, 2.5),
    "a-5": ("r2", 0.0, 0.5),
    "a-6": ("r2", 0.5, 1.0),
    "b-1": ("r3", 0.2, 0.8),
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """r1 a second of noise, r2 a second cut short, r3 r1 by a command."""
    noise = np.random.default_rng(0).normal(0, 0.1, 16000)
    for name in ("r1", "r2"):
        soundfile.write(tmp_path / f"{name}.wav", noise, 16000, subtype="PCM_16")
    (tmp_path / "r2.wav").write_bytes((tmp_path / "r2.wav").read_bytes()[:20000])
    wav = {"r1": f"{tmp_path}/r1.wav", "r2": f"{tmp_path}/r2.wav", "r3": f"cat {tmp_path}/r1.wav |"}
    write_data_dir(tmp_path / "d", wav=wav, segments=SEGMENTS, utt2spk={utt: utt[0] for utt in SEGMENTS})
    return tmp_path / "d"


def test_waves(data: Path) -> None:
    waves = Waves(read_data_dir(data), RULES, 0.025)
    found = dict(waves.read(sorted(SEGMENTS)))
    assert {utt: len(wave) for utt, wave in found.items()} == {"a-1": 8000, "a-2": 8000, "b-1": 9600}
    reasons = {utt: reason for utt, _, reason in waves.rejected}
    assert reasons["a-3"] == "its segment ends at 99 s, the recording at 1.00 s"
    assert reasons["a-4"] == "its segment ends at 2.5 s, the recording at 1.00 s"
    assert reasons["a-5"] == reasons["a-6"] == "truncated: its header promises 32000 bytes of samples, 19956 are there"


def test_waves_of_threads_are_the_same_in_the_same_order(data: Path) -> None:
    one, many = (Waves(read_data_dir(data), RULES, 0.025) for _ in range(2))
    expected = list(one.read(sorted(SEGMENTS)))
    found = list(decoded_in_threads(lambda: Waves(read_data_dir(data), RULES, 0.025), many, sorted(SEGMENTS)))
    assert [utt for utt, _ in found] == [utt for utt, _ in expected]
    assert all((a == b).all() for (_, a), (_, b) in zip(found, expected, strict=True))
    assert many.rejected == one.rejected


def test_segments_of_unknown_recordings(data: Path) -> None:
    write_table(data / "segments", {utt: f"{name}x {a} {b}" for utt, (name, a, b) in SEGMENTS.items()})
    with pytest.raises(
        SreError, match="7 segments are of recordings not in wav.scp, e.g. r1x of a-1; add them, or run"
    ):
        read_data_dir(data)


def test_ends_are_checked_by_header_and_reco2dur(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        cli.main(["data", "validate", str(data)])
    assert "2 segments end after their recordings, e.g. a-3: its segment ends at 99 s, the recording at 1.00 s" in (
        "".join(capsys.readouterr())
    )
    prepare_custom.prepare(data, tmp_path / "out", max_rejected=0.9)
    assert read_table(tmp_path / "out/utt2dur") == {"a-1": "0.500", "a-2": "0.500"}  # nobody knows that of b-1
    write_table(data / "reco2dur", {"r1": 9.0, "r2": 1.0, "r3": 0.5})  # what the headers say goes before
    prepare_custom.prepare(data, tmp_path / "out", max_rejected=0.9)
    assert read_table(tmp_path / "out/utt2spk").keys() == {"a-1", "a-2"}


def test_resampled(tmp_path: Path) -> None:
    wav = tmp_path / "a.wav"
    soundfile.write(wav, 0.25 * np.sin(2 * np.pi * 300 * np.arange(8000) / 8000), 8000)
    wave = Sound(load(str(wav), AudioRules(resample=True)), 16000).samples
    expected = 8192 * np.sin(2 * np.pi * 300 * np.arange(16000) / 16000)
    assert wave.shape == (16000,)
    assert np.abs(wave - expected)[200:-200].max() < 40  # the filter's ripple, and its edges


def test_segments_of_a_recording(tmp_path: Path) -> None:
    """A second, with sound in its first half."""
    wav = tmp_path / "a.wav"
    soundfile.write(wav, np.r_[np.arange(4000), np.zeros(4000)].astype(np.int16), 8000)
    for rate in (8000, 16000):
        sound = Sound(load(str(wav), AudioRules(rate, resample=True)), rate)
        assert len(sound.piece(0.25, 0.75, 0.1)) == len(sound.piece(0.45, 1.09, 0.1)) * 10 // 11 == rate // 2
        np.testing.assert_array_equal(sound.piece(0.0, None, 0.1), sound.samples)
        with pytest.raises(AudioError, match=r"its segment ends at 1.2 s, the recording at 1.00 s"):
            sound.piece(0.0, 1.2, 0.1)
        with pytest.raises(AudioError, match="no signal: all"):
            sound.piece(0.6, 0.9, 0.1)
        with pytest.raises(AudioError, match="too short: 0.050 s, at least 0.1 s"):
            sound.piece(0.1, 0.15, 0.1)


def test_pieces_of_long_recordings_are_those_of_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can be entered is not decoded whole; what cannot is, once for its segments."""
    noise = np.random.default_rng(0).normal(0, 0.1, (32000, 2))
    kinds = [
        ("a", "WAV", "PCM_16", 1, 16000),
        ("b", "FLAC", "PCM_24", 2, 16000),
        ("c", "WAV", "FLOAT", 2, 16000),
        ("d", "WAV", "GSM610", 1, 16000),
        ("e", "OGG", "VORBIS", 1, 16000),
        ("f", "WAV", "PCM_16", 1, 8000),
    ]
    for name, form, subtype, channels, rate in kinds:
        soundfile.write(tmp_path / name, noise[:, :channels], rate, format=form, subtype=subtype)
    wav = {name: f"{tmp_path}/{name}" for name, *_ in kinds} | {"g": f"{tmp_path}/b [channel 1]"}
    times = [(0.0, 0.5), (0.30001, 1.7), (1.5, 2.05), (1.9999, 2.0), (0.0, -1), (1.0, 2.2)]
    for name in wav:
        lines = {f"{name}-{k}": f"{name} {start} {end}" for k, (start, end) in enumerate(times)}
        write_data_dir(tmp_path / "D", wav={name: wav[name]}, utt2spk=dict.fromkeys(lines, name))
        write_table(tmp_path / "D/segments", lines)
        rules, decoded = AudioRules(resample=True, channel="mix"), []
        monkeypatch.setattr(waves_module, "load", lambda *given, decoded=decoded: decoded.append(given) or load(*given))
        found = []
        for long_s in (600, 1):
            monkeypatch.setattr(waves_module, "LONG_S", long_s)
            waves = Waves(read_data_dir(tmp_path / "D"), rules, 0.025)
            found.append((dict(waves.read(sorted(lines))), waves.rejected))
        (whole, _), (pieces, _) = found
        assert found[0][1] == found[1][1] and len(found[0][1]) == (1 if name == "f" else 2), found[0][1]
        assert whole.keys() == pieces.keys() and len(whole) >= 4
        for utt, wave in whole.items():
            np.testing.assert_array_equal(pieces[utt], wave, strict=True)
        assert len(decoded) == (2 if name in "def" else 1), name


def test_a_long_recording_that_is_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the segments that meet the damage are rejected."""
    monkeypatch.setattr(waves_module, "LONG_S", 1)
    noise = np.random.default_rng(0).normal(0, 0.1, 48000)
    soundfile.write(tmp_path / "a.flac", noise, 16000)
    (tmp_path / "a.flac").write_bytes((tmp_path / "a.flac").read_bytes()[:60000])
    noise[20000], noise[32000:] = np.nan, 0.25
    soundfile.write(tmp_path / "b.wav", noise, 16000, subtype="FLOAT")
    wav = {name: f"{tmp_path}/{name}" for name in ("a.flac", "b.wav")}
    segments = {f"{name}-{k}": (name, float(k), k + 0.5) for name in wav for k in (0, 1, 2)}
    write_data_dir(tmp_path / "d", wav=wav, segments=segments, utt2spk=dict.fromkeys(segments, "s"))
    waves = Waves(read_data_dir(tmp_path / "d"), AudioRules(), 0.025)
    assert [utt for utt, _ in waves.read(sorted(segments))] == ["a.flac-0", "a.flac-1", "b.wav-0"]
    reasons = {utt: reason for utt, _, reason in waves.rejected}
    assert "truncated or damaged" in reasons["a.flac-2"] or "unreadable" in reasons["a.flac-2"]
    assert reasons["b.wav-1"] == "NaN or infinite samples" and reasons["b.wav-2"].startswith("no signal")
