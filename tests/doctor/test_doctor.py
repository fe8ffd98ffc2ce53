"""The page of `sre doctor`: what it says of a good place, and of each thing that would stop a recipe."""

import json
import os
import sys
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from local import surveys
from sre import SreError
from sre.cli.configs import schema
from sre.cli.doctor import doctor
from sre.doctor import machine, room, software
from sre.doctor.findings import NOTE, OK, STOP
from sre.doctor.survey import Counts
from sre.io.atomic import locked
from sre.machine import cards
from sre.machine.device import TorchBuild
from sre.models import cost
from sre.training.gate_checks import feature_bytes

USAGE = namedtuple("USAGE", "total used free")
MODEL = """\
features: fbank80
architecture: xvector
options: {channels: 16, embedding_dim: 16}
loss: {type: aam}
training: {epochs: 4, batch_size: 8, average_last: 1}
"""
CARD = "GPU-1, NVIDIA H200, 143771, 143000, 570.86"


class Place:
    """A recipe custom with recordings of its own, and what the doctor says of it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture) -> None:
        self.folder, self.capsys = folder, capsys
        (folder / "small.yaml").write_text(MODEL)
        (folder / "trials").write_text("s05_00 s05_01 target\ns05_00 s06_00 nontarget\n")

    def words(self, **more: str) -> list[str]:
        keys = {"name": "mine", "root": self.folder / "root", "models": self.folder / "small.yaml"}
        keys |= {"train_data": self.folder / "train", "eval_data": self.folder / "eval"}
        keys |= {"trials": self.folder / "trials"} | more
        return ["custom", "--config", *(f"{key}={value}" for key, value in keys.items() if value)]

    def page(self, *words: str, stops: bool = False, **more: str) -> str:
        """Return the page, a finding a line."""
        if stops:
            with pytest.raises(SystemExit, match="^1$"):
                doctor([*self.words(**more), *words])
        else:
            doctor([*self.words(**more), *words])
        return " ".join(self.capsys.readouterr().out.split())


@pytest.fixture
def place(tmp_path: Path, sound_dir, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Place:
    sound_dir(tmp_path / "train", speakers=4), sound_dir(tmp_path / "eval", speakers=2, first=5)
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))  # neither ffmpeg nor nvidia-smi
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    return Place(tmp_path, capsys)


def program(place: Place, name: str, text: str = "") -> None:
    file = place.folder / "bin" / name
    file.write_text(f"#!/bin/sh\necho '{text}'\n")
    file.chmod(0o755)


def test_a_good_place(place: Place) -> None:
    page = place.page()
    assert f"sre doctor: recipe custom, experiment mine, root {place.folder / 'root'} Machine ok cores" in page
    assert "ok train_data " + str(place.folder / "train") + ": 4 speakers, 12 utterances ok eval_data" in page
    assert "ok trials 2 trials in" in page and "none, and nothing that was looked at needs it" in page
    assert "estimated from 1.2 s an utterance, by the headers of 12" in page
    assert page.endswith("Nothing that was looked at would stop it.")
    assert not (place.folder / "root").exists()  # it writes nothing


def test_the_same_as_json(place: Place, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        doctor([*place.words(trials=""), "--json"])
    told = json.loads(capsys.readouterr().out)
    (stop,) = [one for one in told["found"] if one["state"] == STOP]
    assert told["name"] == "mine" and stop["name"] == "trials" and stop["cure"].startswith("--config trials=")


def test_m4a_without_and_with_ffmpeg(place: Place) -> None:
    wav = place.folder / "train/wav.scp"
    os.rename(place.folder / "train/wav/s00_00.wav", place.folder / "train/wav/s00_00.m4a")
    wav.write_text(wav.read_text().replace("s00_00.wav", "s00_00.m4a"))
    page = place.page(stops=True)
    assert "STOP ffmpeg none, and it is needed for 1 recordings of train_data -> apt-get install ffmpeg" in page
    assert page.endswith("1 thing would stop it: ffmpeg.")
    program(place, "ffmpeg")
    assert f"ok ffmpeg {place.folder}/bin/ffmpeg, for 1 recordings of train_data" in place.page()


def test_too_little_disk_and_what_is_made_already(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: USAGE(10**9, 0, 10**6))
    page = place.page(stops=True)
    assert "STOP free 1.0 MB on" in page and "-> Make room, or set compression: 3 in the features" in page
    made = place.folder / "root"
    for file in ("data/mine_train/feats/fbank80/feats.scp", "data/mine_eval/feats/fbank80/feats.scp"):
        (made / file).parent.mkdir(parents=True)
        (made / file).touch()
    assert "features about" in page and "features about" not in place.page(stops=True)


def test_what_is_missing_is_named_with_its_remedy(place: Place, tmp_path: Path) -> None:
    page = place.page(stops=True, eval_data="", train_data=str(tmp_path / "bin"), musan=str(tmp_path / "bin"))
    assert f"STOP train_data {tmp_path}/bin" in page
    assert "STOP eval_data not given -> --config eval_data=PATH." in page
    assert f"STOP musan {tmp_path}/bin: none of the folders noise, music, speech" in page
    assert page.endswith("3 things would stop it: train_data, eval_data, musan.")
    with pytest.raises(SreError, match="recipe: 'voxcleb' is none of .*; the nearest is 'voxceleb'"):
        doctor(["voxcleb"])
    with pytest.raises(SreError, match="a folder and no recipe's name; give custom --config recordings="):
        doctor([str(tmp_path)])


def test_recordings_are_counted_split_and_looked_at(place: Place, tmp_path: Path) -> None:
    asked = dict.fromkeys(("train_data", "eval_data", "trials"), "") | {"test_speakers": "0.5"}
    page = place.page(**asked, recordings=str(tmp_path / "train"))
    assert f"ok recordings {tmp_path}/train, a Kaldi data directory: 4 speakers, 12 utterances" in page
    assert "to train on: 2 speakers, 6 utterances ok recordings to test on: 2 speakers, 6 utterances" in page
    listed = [f"s{n % 4},{tmp_path}/train/wav/s0{n % 4}_0{n // 4}.wav" for n in range(12)]
    (tmp_path / "list.csv").write_text("\n".join(["speaker,path", *listed, "s0,/nope/1.wav", "s0,/nope/2.wav"]))
    asked["recordings"] = str(tmp_path / "list.csv")
    page = place.page("set=audio.sample_rate=8000", stops=True, **asked)
    assert "list.csv, a table of utterances: 4 speakers, 14 utterances" in page
    assert "STOP recordings 2 of 14 recordings would be rejected, e.g. /nope/1.wav: no such file" in page
    assert "STOP recordings 12 of 14 looked at would be rejected, e.g." in page and "set audio.resample" in page
    page = place.page(stops=True, **asked | {"test_speakers": "0.1", "recordings": str(tmp_path / "eval")})
    assert "STOP recordings 2 speakers are too few" in page and page.endswith("1 thing would stop it: recordings.")
    page = place.page(stops=True, **asked | {"trials": str(place.folder / "trials")})
    assert "recordings is in place of trials, and both are given" in page


def test_a_corpus_and_its_list_beside_what_was_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for part, speakers in {"dev": ("id10001", "id10002"), "test": ("id10270",)}.items():
        for speaker in speakers:
            (tmp_path / f"v/{part}/wav/{speaker}/video").mkdir(parents=True)
            (tmp_path / f"v/{part}/wav/{speaker}/video/00001.wav").touch()
    trials = tmp_path / "v/veri_test2.txt"
    trials.write_text("1 id10270/video/00001.wav id10270/video/00001.wav\n")
    monkeypatch.setitem(surveys.VOXCELEB, "vox1_dev", Counts(2, 2, 50.0))
    monkeypatch.setitem(surveys.OFFICIAL, "vox1_o_clean", (1, ("veri_test2.txt",)))

    def page() -> str:
        doctor(["voxceleb", "--config", f"voxceleb1={tmp_path}/v", f"root={tmp_path}", "models=xvector"])
        return " ".join(capsys.readouterr().out.split())

    found = page()
    assert "ok voxceleb1 vox1_dev: 2 speakers, 2 utterances, as published" in found
    assert (
        "note voxceleb1 vox1_test: 1 speakers, 1 utterances; published: 40 speakers, 4,874 utterances, 11.0 h" in found
    )
    assert "note vox1_o_clean 1 trials in" in found and "as many as published, and with another MD5" in found
    assert "features about 2.9 GB" in found and "from published hours and 8 s an utterance" in found
    monkeypatch.setitem(surveys.MD5, "vox1_o_clean", surveys._list("vox1_o_clean", trials).md5)
    assert "the published list (MD5" in page()
    trials.unlink()
    with pytest.raises(SystemExit):
        page()
    assert "no trial list, which the recipe needs" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("torch_here", "device", "state", "said"),
    [
        (TorchBuild("2.14", "13.0", ["sm_80", "sm_90", "compute_90"], 1, ["sm_90"]), "cuda", OK, "CUDA 13.0 sees 1"),
        (TorchBuild("2.14", "13.0", ["sm_80"], 1, ["sm_90"]), "auto", STOP, "has no code for sm_90, only for sm_80"),
        (TorchBuild("2.14", "13.0", ["sm_80"], 1, ["sm_86"]), "auto", OK, "sees 1"),
        (TorchBuild("2.14+cpu", None, [], 0, []), "auto", NOTE, "built for CPUs alone uses none of the cards"),
        (TorchBuild("2.14", "13.0", [], 0, []), "cuda", STOP, "built for CUDA 13.0 uses none of the cards -> Mend the"),
    ],
)
def test_a_gpu(
    place: Place, monkeypatch: pytest.MonkeyPatch, torch_here: TorchBuild, device: str, state: str, said: str
) -> None:
    program(place, "nvidia-smi", CARD)
    monkeypatch.setattr(machine, "torch_build", lambda: torch_here)
    page = place.page(device=device, stops=state == STOP)
    assert "ok GPU NVIDIA H200, 139.6 of 140.4 GiB free, driver 570.86" in page
    assert f"{state} torch on GPU torch {torch_here.version} built for" in page and said in page


def test_a_card_that_a_job_has(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    program(place, "nvidia-smi", CARD)
    monkeypatch.setattr(cards, "LOCKS", place.folder)
    monkeypatch.setattr(machine, "torch_build", lambda: TorchBuild("2.14", "13.0", ["sm_90"], 1, ["sm_90"]))
    with locked(place.folder / "GPU-1.lock"):
        (place.folder / "GPU-1.lock").write_text("4711\n")
        assert "note GPU NVIDIA H200, 139.6 of 140.4 GiB free, driver 570.86; job 4711 has it" in place.page()
    assert "ok GPU NVIDIA H200" in place.page()


def test_more_devices_than_there_are_cards(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    program(place, "nvidia-smi", CARD)
    monkeypatch.setattr(machine, "torch_build", lambda: TorchBuild("2.14", "13.0", ["sm_90"], 1, ["sm_90"]))
    page = place.page("set=small.training.devices=4", stops=True)
    assert (
        "STOP devices training.devices 4 of small, and there are 1 -> Lower it (set=small.training.devices=1)" in page
    )
    assert "training.devices" not in place.page("set=small.training.devices=all")


def test_without_a_gpu_that_is_asked_for(place: Place) -> None:
    assert "STOP GPU none, and cuda is asked for -> Set device" in place.page(device="cuda", stops=True)


def test_little_shared_memory_stops_what_processes_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda path: USAGE(2**26, 0, 2**20))
    monkeypatch.setattr(machine, "available_cores", lambda: 8)
    assert "note /dev/shm 0.0 GiB free, and reading processes hand over" in place.page(stops=True)  # no disk either
    (place.folder / "small.yaml").write_text(MODEL + "source: audio\n")
    assert "STOP /dev/shm" in place.page(stops=True)


def test_packages_beside_the_ranges_and_the_tested_versions(tmp_path: Path) -> None:
    def packages(needed: str, tested: str) -> tuple[str, str]:
        (tmp_path / "setup.cfg").write_text(f"[options]\ninstall_requires =\n    {needed}\n")
        (tmp_path / "constraints.txt").write_text(f"# tested\n{tested}\n")
        found = software.packages(tmp_path)
        return found.state, found.text

    assert software.packages(tmp_path).text == "not compared: there is no setup.cfg and no constraints.txt"
    here = software.package_version("numpy")
    assert packages("numpy >=1", f"numpy=={here}")[0] == OK
    assert packages("numpy >=1", "numpy==1.0") == (NOTE, f"in range, and not as tested: numpy {here} (tested: 1.0)")
    assert packages("numpy >=99", "numpy==99") == (STOP, f"numpy {here} (needed: >=99)")
    assert packages("no-such-thing >=1", "") == (STOP, "no-such-thing is missing (needed: >=1)")


def test_bytes_of_a_training_are_those_of_its_tensors(tmp_path: Path) -> None:
    made = {"type": "fbank", "num_mel_bins": 80, "frame_shift": 10.0, "compression": 0}
    options = {"optimizer": "adam", "average_last": 3}
    training = {"architecture": "ecapa", "options": {"channels": 64, "embedding_dim": 32}, "feature_config": made}
    options_of_all = schema().check(training["options"], "ecapa", "$defs", "architectures", "ecapa")
    training |= {"options": options_of_all, "training": options, "augment": {"speeds": [0.9]}}
    network = cost.network_of(cost.Spec("ecapa", 80, options_of_all), "cpu")
    tensors = {"network": network.state_dict(), "head": torch.zeros(2 * 50, 32)}
    torch.save(tensors, tmp_path / "bundle.pt")
    size = (tmp_path / "bundle.pt").stat().st_size
    found, dimension = room.training_bytes(training, speakers=50)
    assert dimension == 32 and found == pytest.approx(size * (3 * 5 + 1), rel=0.3)  # Adam keeps two more; five at once
    assert feature_bytes(10.0, made) == 1000 * 80 * 4
