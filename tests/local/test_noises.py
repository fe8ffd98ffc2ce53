"""Noises and rooms in the official layouts, and those that recipe mini makes for itself."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local import make_mini_noises, prepare_musan, prepare_rirs
from local.make_mini_noises import music, noise, write_noises, write_rooms
from local.mini_rooms import SAMPLE_RATE, SPEED_OF_SOUND, Room, draw_place, draw_room, response, without_lowest
from sre import SreError
from sre.augment.manifest import Manifest, direct_path
from sre.datadir.rejected import read_rejected_rows
from sre.io.tables import read_table

LOCAL = Path(__file__).resolve().parents[2] / "local"


def write_sound(path: Path, channels: int = 1, samples: int = 800) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = np.random.default_rng(samples).standard_normal((samples, channels)) * 0.1 * np.arange(1, channels + 1)
    soundfile.write(path, wave, 16000)


@pytest.fixture
def musan(tmp_path: Path) -> Path:
    """The official layout: folders of sources, each with its LICENSE and ANNOTATIONS."""
    root = tmp_path / "musan"
    for category, source in (("noise", "free-sound"), ("noise", "sound-bible"), ("music", "fma"), ("speech", "us-gov")):
        for number in range(2):
            write_sound(root / category / source / f"{category}-{source}-{number:04d}.wav")
        (root / category / source / "LICENSE").write_text("public\n")
        (root / category / source / "ANNOTATIONS").write_text(f"{category}-{source}-0000 x\n")
    (root / "README").write_text("MUSAN\n")
    return root


@pytest.fixture
def rirs(tmp_path: Path) -> Path:
    """The official layout: a name comes back in each size, and the real ones have two channels."""
    root = tmp_path / "RIRS_NOISES"
    for size in ("small", "medium", "large"):
        for number in (1, 2):
            write_sound(root / f"simulated_rirs/{size}room/Room001/Room001-{number:05d}.wav", samples=300 + number)
        (root / f"simulated_rirs/{size}room/rir_list").write_text("--rir-id a --room-id b RIRS_NOISES/x.wav\n")
    real = root / "real_rirs_isotropic_noises"
    write_sound(real / "air_type1_air_binaural_booth_0_1_1.wav", channels=2, samples=400)
    write_sound(real / "RVB2014_type1_noise_simroom1_1.wav", samples=16000)
    listed = "RIRS_NOISES/real_rirs_isotropic_noises"
    (real / "rir_list").write_text(f"--rir-id 1 --room-id 1 {listed}/air_type1_air_binaural_booth_0_1_1.wav\n")
    (real / "noise_list").write_text(
        f"--noise-id 1 --noise-type isotropic {listed}/RVB2014_type1_noise_simroom1_1.wav\n"
    )
    write_sound(root / "pointsource_noises/noise-free-sound-0000.wav", samples=900)
    write_sound(root / "pointsource_noises/noise-point-0001.wav", samples=900)
    return root


def test_the_layout_of_musan(musan: Path, tmp_path: Path) -> None:
    assert prepare_musan.categories_of(musan) == ["music", "noise", "speech"]
    prepare_musan.prepare(musan, tmp_path / "out")
    manifest = Manifest(tmp_path / "out")
    assert {name: len(ids) for name, ids in manifest.categories.items()} == {"music": 2, "noise": 4, "speech": 2}
    assert manifest.seconds["music-fma-0001"] == 0.05 and len(manifest.ids(["music", "speech"])) == 4
    prepare_musan.prepare(tmp_path / "out", tmp_path / "again")  # a data directory is taken as it is
    for name in ("utt2category", "reco2dur"):
        assert read_table(tmp_path / "again" / name) == read_table(tmp_path / "out" / name)


def test_what_a_corpus_lacks_is_said_and_asked_for_is_an_error(musan: Path, tmp_path: Path, capsys) -> None:
    (musan / "music").rename(tmp_path / "elsewhere")
    prepare_musan.prepare(musan, tmp_path / "out")
    assert "no music in it" in capsys.readouterr().err
    with pytest.raises(SreError, match="no category 'music' in it; the nearest is 'speech', there are noise, speech"):
        Manifest(tmp_path / "out").ids(["music"])
    with pytest.raises(SreError, match="musan: no wav.scp in it; give a folder that local.prepare_musan"):
        Manifest(musan)  # the corpus itself
    with pytest.raises(SreError, match="none of the folders noise, music, speech .* give the musan folder in it"):
        prepare_musan.prepare(tmp_path, tmp_path / "none")


def test_what_cannot_be_used_is_rejected(musan: Path, tmp_path: Path, capsys) -> None:
    (musan / "noise/free-sound/noise-free-sound-0001.wav").write_bytes(b"RIFF, cut")
    prepare_musan.prepare(musan, tmp_path / "out")
    assert len(Manifest(tmp_path / "out").ids(["noise"])) == 3
    assert "noise-free-sound-0001\t" in (tmp_path / "out/rejected.tsv").read_text()
    (musan / "music/fma/music-fma-0001.wav").with_suffix(".mp3").write_bytes(b"")
    soundfile.write(musan / "noise/silent.wav", np.zeros(1600), 16000)
    soundfile.write(musan / "noise/nan.wav", np.full(1600, np.nan), 16000, subtype="FLOAT")
    soundfile.write(musan / "noise/cut.flac", np.sin(np.arange(80000)), 16000)
    (musan / "noise/cut.flac").write_bytes((musan / "noise/cut.flac").read_bytes()[:40000])
    capsys.readouterr()
    prepare_musan.prepare(musan, tmp_path / "more", max_rejected=0.5)
    assert "1 files are left out, e.g. music-fma-0001.mp3; convert" in capsys.readouterr().err
    found = read_rejected_rows(tmp_path / "more/rejected.tsv")
    assert [(key, why.partition(":")[0]) for key, _, why in found] == [
        ("cut", "unreadable"),
        ("nan", "samples that are not finite"),
        ("noise-free-sound-0001", "unreadable"),
        ("silent", "silent"),
    ]
    with pytest.raises(SreError, match="4 of 11 files are rejected"):
        prepare_musan.prepare(musan, tmp_path / "strict", max_rejected=0.0)


def test_the_layout_of_rirs_noises(rirs: Path, musan: Path, tmp_path: Path) -> None:
    assert prepare_rirs.categories_of(rirs) == ["large", "medium", "real", "small"]
    prepare_rirs.prepare(rirs, tmp_path / "out")
    rooms = Manifest(tmp_path / "out")
    assert {name: len(ids) for name, ids in rooms.categories.items()} == {
        "small": 2,
        "medium": 2,
        "large": 2,
        "real": 1,
    }
    wave, _ = rooms.room(rooms.ids(["real"])[0], 16000)
    first = soundfile.read(rooms.wav[rooms.ids(["real"])[0]], dtype="float32")[0][:, 0]
    np.testing.assert_array_equal(wave, first[: len(wave)])
    (rirs / "pointsource_noises/noise-free-sound-0000.wav").unlink()  # a name that MUSAN has too
    everything = ["isotropic", "music", "noise", "pointsource", "speech"]
    assert prepare_musan.categories_of(musan, rirs) == everything
    (rirs / "simulated_rirs/smallroom").rename(tmp_path / "elsewhere")
    (rirs / "simulated_rirs/smallroom").mkdir()  # empty
    assert prepare_rirs.categories_of(rirs) == ["large", "medium", "real"]
    prepare_musan.prepare(musan, tmp_path / "noises", rirs)
    assert sorted(Manifest(tmp_path / "noises").categories) == everything
    found = Manifest(tmp_path / "noises").categories
    assert (found["pointsource"], found["isotropic"]) == (["noise-point-0001"], ["RVB2014_type1_noise_simroom1_1"])
    with pytest.raises(SreError, match="neither simulated_rirs/smallroom .* give the RIRS_NOISES folder in it"):
        prepare_rirs.prepare(tmp_path, tmp_path / "none")


@pytest.mark.parametrize("size", ["small", "medium", "large"])
def test_rooms_are_those_of_pyroomacoustics(size: str) -> None:
    """From 500 Hz to 6 kHz, where parts of a sample matter little, before images of more than its order come."""
    pra = pytest.importorskip("pyroomacoustics", reason="pyroomacoustics is not installed: it is the oracle")
    draw = np.random.default_rng(5)
    room = draw_room(size, draw)
    source, microphone = draw_place(room, draw), draw_place(room, draw)
    ours = response(room, source, microphone)
    pra.constants.set("rir_hpf_enable", False)
    theirs = pra.ShoeBox(room.size, fs=16000, materials=pra.Material(room.absorption), max_order=9)
    theirs.add_source(source), theirs.add_microphone(microphone)
    theirs.compute_rir()
    known = without_lowest(theirs.rir[0][0][pra.constants.get("frac_delay_length") // 2 :] / (4 * np.pi))
    end = int(np.linalg.norm(source - microphone) / SPEED_OF_SOUND * SAMPLE_RATE) + 400
    spectra = [np.fft.rfft(wave[:end], 16384)[512:6144] for wave in (ours, known)]
    assert np.abs(spectra[0] - spectra[1]).max() < 0.1 * np.abs(spectra[1]).max()


def test_a_room_has_its_direct_path_and_decay() -> None:
    """At half of the height, reflections from floor and ceiling come together and are stronger than the direct path."""
    room = Room((6.0, 5.0, 3.0), 0.3)
    source, microphone = np.array([1.0, 1.0, 1.5]), np.array([4.0, 3.0, 1.5])
    wave = response(room, source, microphone)
    distance = np.linalg.norm(source - microphone)
    direct = direct_path(wave, SAMPLE_RATE)
    assert direct == round(distance / SPEED_OF_SOUND * SAMPLE_RATE) < np.abs(wave).argmax()
    assert wave[direct] == pytest.approx(1 / (4 * np.pi * distance), rel=0.15)
    left = 10 * np.log10(np.cumsum(wave[::-1] ** 2)[::-1] / np.sum(wave**2))  # Schroeder's curve
    five, twenty = (np.flatnonzero(left < level)[0] / SAMPLE_RATE for level in (-5, -25))
    assert 3 * (twenty - five) == pytest.approx(room.decay_s, rel=0.3)


def test_noises_of_mini_are_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make_mini_noises, "SECONDS", 1.0)
    for name in ("a", "b"):
        write_noises(tmp_path / name, 1), write_rooms(tmp_path / name, 1)
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert len(files) == 16 + 12 + 6 + 1 + 3 * (36 + 1)
    assert all((tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes() for path in files)
    assert not np.array_equal(noise(np.random.default_rng(1), 1.0), noise(np.random.default_rng(2), 1.0))
    assert np.isfinite(music(np.random.default_rng(1), 1.0)).all()
    prepare_rirs.prepare(tmp_path / "a/RIRS_NOISES", tmp_path / "out")
    assert sorted(Manifest(tmp_path / "out").categories) == ["large", "medium", "small"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl, by which the scripts download, is not installed")
@pytest.mark.parametrize("script, name, inside", [
    ("download_musan.sh", "musan.tar.gz", "musan"), ("download_rirs.sh", "rirs_noises.zip", "RIRS_NOISES"),
])  # fmt: skip
def test_a_download_with_another_checksum_is_not_extracted(script: str, name: str, inside: str, tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    (source / name).write_bytes(b"not the corpus")
    urls = {"MUSAN_URL": source.as_uri(), "RIRS_URL": source.as_uri()}
    done = subprocess.run(
        [LOCAL / script, out], env={**os.environ, **urls}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1 and "has not the MD5 sum" in done.stderr and not (out / inside).exists()
