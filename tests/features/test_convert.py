"""Recordings of any format become files of one: the samples that features are made of, whatever does the work."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from sre import SreError, cli
from sre.datadir.datadir import read_data_dir, write_data_dir
from sre.datadir.validate import validate
from sre.features import convert as convert_module
from sre.features.convert import Conversion, convert
from sre.features.waves import Sound
from sre.io import audio, commands
from sre.io.audio import AudioRules, load
from sre.io.audio_file import write_audio
from sre.io.commands import find_ffmpeg
from sre.io.tables import read_table

RULES = AudioRules(16000, resample=True, channel="mix")
FORMS = {"a": ("wav", 16000, 1), "b": ("flac", 44100, 2), "c/e": ("mp3", 16000, 2), "f": ("ogg", 8000, 1)}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Recordings of several formats, a broken one, and both sides of one file; two segments of each."""
    folder, draw = tmp_path / "of", np.random.default_rng(0)
    folder.mkdir()
    wav = {}
    for name, (suffix, rate, channels) in FORMS.items():
        wav[name] = f"{folder}/{name[0]}.{suffix}"
        soundfile.write(wav[name], draw.normal(0, 0.1, (rate, channels)), rate)
    wav |= {"x-a": f"{wav['b']} [channel 0]", "x-b": f"{wav['b']} [channel 1]", "z": f"{folder}/z.wav"}
    (folder / "z.wav").write_bytes(Path(wav["a"]).read_bytes()[:3000])
    segments = {f"{name}-{k}": (name, 0.4 * k, 0.4 * k + 0.4) for name in wav for k in (0, 1)}
    extra = {"text": dict.fromkeys(segments, "hello"), "utt2num_frames": dict.fromkeys(segments, "38")}
    write_data_dir(folder, wav=wav, segments=segments, utt2spk={utt: utt[0] for utt in segments}, extra=extra)
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_data_directory_is_converted(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convert_module, "AT_ONCE", 2)
    options = ["--channel", "mix", "--max-rejected", "0.2"]
    cli.main(["data", "convert", *options, "--nj", "2", str(data), str(tmp_path / "o")])
    found, source = read_data_dir(tmp_path / "o", every_table=True), read_data_dir(data, every_table=True)
    assert validate(data) == validate(tmp_path / "o") == []
    assert found.segments == {utt: part for utt, part in source.segments.items() if part.recording != "z"}
    assert found.tables["text"].keys() == found.segments.keys() and "utt2num_frames" not in found.tables
    assert "z\t" in (tmp_path / "o/rejected.tsv").read_text()
    for name, place in found.wav.items():
        samples, rate = soundfile.read(place, dtype="int16")
        expected = np.rint(Sound(load(source.wav[name], RULES), 16000).samples).clip(-32768, 32767)
        np.testing.assert_array_equal(samples, expected)
        assert rate == 16000 and place.endswith(".flac")
    cli.main(["data", "convert", *options, "--nj", "1", str(data), str(tmp_path / "p")])
    assert files_of(tmp_path / "o") == files_of(tmp_path / "p")
    shutil.move(tmp_path / "o", tmp_path / "q")  # it holds its files
    assert validate(tmp_path / "q") == []


def test_a_conversion_goes_on_and_is_made_again_where_it_must(data: Path, tmp_path: Path) -> None:
    wav = {name: place for name, place in read_data_dir(data).wav.items() if name != "z"}
    made, rejected = convert(job := Conversion(wav, tmp_path / "o", RULES, "wav"))
    assert rejected == [] and made["a"] == str(job.path("a"))
    whole = files_of(tmp_path / "o")
    job.path("c/e").unlink()
    kept = job.path("a").stat().st_mtime_ns
    convert(job)
    assert files_of(tmp_path / "o") == whole and job.path("a").stat().st_mtime_ns == kept
    for other in (Conversion(wav, tmp_path / "o", AudioRules(16000, True, channel=0), "wav"), job):
        convert(other)
        assert (files_of(tmp_path / "o") == whole) == (other is job)
    os.utime(wav["a"], (1, 1))
    convert(job)
    assert files_of(tmp_path / "o").keys() == whole.keys() and job.path("a").stat().st_mtime_ns > kept
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes").touch()
    with pytest.raises(SreError, match="there are files in it that were not written here"):
        convert(Conversion(wav, tmp_path / "mine", RULES))


def test_a_killed_conversion_leaves_whole_files(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wav = {name: place for name, place in read_data_dir(data).wav.items() if name != "z"}

    def dies(path: Path, samples: np.ndarray, rate: int) -> bool:
        if path.name.startswith("x-a"):
            raise KeyboardInterrupt
        return write_audio(path, samples, rate)

    job = Conversion(wav, tmp_path / "o", RULES)
    monkeypatch.setattr(convert_module, "write_audio", dies)
    with pytest.raises(KeyboardInterrupt):
        convert(job)
    assert job.path("a").exists() and not job.path("x-a").exists()
    monkeypatch.undo()
    convert(job)
    again = Conversion(wav, tmp_path / "p", RULES)
    convert(again)
    assert files_of(tmp_path / "o") == files_of(tmp_path / "p")


@pytest.mark.skipif(find_ffmpeg() is None, reason="no ffmpeg here: neither the system's nor imageio-ffmpeg")
def test_files_that_one_ffmpeg_decodes_are_those_of_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Damaged files among them are rejected with the same reasons."""
    wav, alone = {}, []
    for k, suffix in enumerate(["m4a", "webm", "opus", "aac", "m4a", "mp4", "m4a", "amr"]):
        noise = np.random.default_rng(k).normal(0, 0.1, (8000 + 1000 * k, 2))
        soundfile.write(tmp_path / "a.wav", noise, 16000)
        wav[f"{k}"] = f"{tmp_path}/{k} '.{suffix}"
        more = ["-ar", "8000", "-ac", "1"] if suffix == "amr" else ["-t", "0.3"]
        subprocess.run([str(find_ffmpeg()), "-v", "error", "-i", tmp_path / "a.wav", *more, wav[f"{k}"]], check=True)
    whole = Path(wav["0"]).read_bytes()
    monkeypatch.setattr(commands, "of_ffmpeg", lambda at, of_one=commands.of_ffmpeg: alone.append(at) or of_one(at))
    monkeypatch.setattr(audio, "of_ffmpeg", commands.of_ffmpeg)

    def outcome(name: str) -> tuple:
        job = Conversion(wav, tmp_path / name, RULES)
        _, rejected = convert(job)
        return files_of(job.out), rejected

    expected = outcome("one")
    assert sorted(alone) == [wav["3"], wav["7"]] and expected[1] == []
    monkeypatch.setattr(convert_module, "of_ffmpeg_at_once", lambda files: {})
    assert outcome("many") == expected and len(alone) == 2 + 8
    monkeypatch.undo()
    Path(wav["4"]).write_bytes(whole[: len(whole) // 2])
    Path(wav["6"]).write_bytes(b"<html>")
    found, rejected = outcome("broken")
    assert found.keys() == expected[0].keys() - {str(Conversion(wav, Path(), RULES).path(k)) for k in "46"}
    assert ["truncated" in rejected[0][2], rejected[1][2] == "ffmpeg: moov atom not found"] == [True, True]


def test_what_is_louder_than_16_bits_is_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    soundfile.write(tmp_path / "a.wav", np.linspace(-2, 2, 16000), 16000, subtype="FLOAT")
    convert(Conversion({"a": f"{tmp_path}/a.wav"}, tmp_path / "o", RULES))
    assert "1 of 1 recordings were clipped at full scale, e.g. 'a'" in capsys.readouterr().err


def test_errors_are_sentences(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for options, said in (
        (["--channel", "left"], "'left' is no channel; write a number from 0 on, or mix"),
        ([], "recordings are rejected, more than max_rejected"),
        (["--max-rejected", "1", "--channel", "1"], "1 channel, of which 1 was asked for"),
    ):
        try:
            cli.main(["data", "convert", *options, "--nj", "1", str(data), str(tmp_path / "o")])
        except SystemExit as end:
            assert end.code
        assert said in capsys.readouterr().err
    assert read_table(tmp_path / "o/wav.scp").keys() == {"b", "c/e", "x-a", "x-b"}
