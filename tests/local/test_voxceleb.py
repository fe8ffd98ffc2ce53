"""VoxCeleb's layouts and trial lists, on tiny corpora of our own."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from local import import_voxceleb_trials as lists
from local import prepare_voxceleb as voxceleb
from sre import SreError
from sre.datadir.datadir import read_data_dir
from sre.datadir.validate import validate
from sre.io.tables import read_table
from sre.io.trials import read_trials

SHARED = Path(__file__).resolve().parents[2] / "../shared"
META = "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\nid10001\tA\tm\tX\tdev\nid10002\tB\tu\tX\ttest\n"


def recordings(folder: Path, *utts: str, suffix: str = "wav") -> None:
    for utt in utts:
        path = folder / f"{utt}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if suffix in ("m4a", "aac"):
            path.write_bytes(b"not decoded here")
        else:
            soundfile.write(path, np.random.default_rng(0).normal(0, 0.1, 8000), 16000, subtype="PCM_16")


@pytest.mark.parametrize(
    "dev, test", [("dev/wav", "test/wav"), ("dev", "test"), ("vox1_dev_wav/wav", "vox1_test_wav/wav")]
)
def test_split_layouts(tmp_path: Path, dev: str, test: str) -> None:
    recordings(tmp_path / dev, "id10001/-a_b-C/00001", "id10001/-a_b-C/00002")
    recordings(tmp_path / test, "id10002/v/00001")
    place = voxceleb.find_voxceleb(tmp_path, "voxceleb1")
    assert place.folders == {"dev": tmp_path / dev, "test": tmp_path / test} and not place.merged
    assert list(voxceleb.find_recordings(place, "dev")) == ["id10001--a_b-C-00001", "id10001--a_b-C-00002"]
    assert len(voxceleb.find_recordings(place, "all")) == 3


@pytest.mark.parametrize("folder", ["wav", "."])
def test_merged_layouts(tmp_path: Path, folder: str) -> None:
    recordings(tmp_path / folder, "id10001/v/00001", "id10002/v/00001", suffix="flac")
    place = voxceleb.find_voxceleb(tmp_path, "voxceleb1")
    assert place.merged and len(voxceleb.find_recordings(place, "all")) == 2
    with pytest.raises(
        SreError, match=r"nothing tells them apart; put vox1_meta.csv \(with a column Set\) or veri_test"
    ):
        voxceleb.find_recordings(place, "dev")
    (tmp_path / "veri_test2.txt").write_text("1 id10002/v/00001.wav id10002/v/00001.wav\n")
    assert list(voxceleb.find_recordings(place, "test")) == ["id10002-v-00001"]
    (tmp_path / "vox1_meta.csv").write_text(
        META.replace("test", "x").replace("dev", "test")
    )  # Set goes before the list
    assert list(voxceleb.find_recordings(voxceleb.find_voxceleb(tmp_path, "voxceleb1"), "test")) == ["id10001-v-00001"]


def test_nothing_found_says_what(tmp_path: Path) -> None:
    (tmp_path / "Vox").mkdir()
    with pytest.raises(SreError, match="no voxceleb2 there; looked for dev/wav, .*; found Vox; give"):
        voxceleb.find_voxceleb(tmp_path, "voxceleb2")
    with pytest.raises(SreError, match="no such folder"):
        voxceleb.find_voxceleb(tmp_path / "none", "voxceleb1")
    recordings(tmp_path / "dev/wav", "id10001/v/00001")
    with pytest.raises(SreError, match="the test part of voxceleb1 is not there"):
        voxceleb.find_recordings(voxceleb.find_voxceleb(tmp_path, "voxceleb1"), "test")


def test_prepare(tmp_path: Path) -> None:
    recordings(tmp_path / "dev/wav", "id10001/v-1/00001", "id10003/v2/00001")
    (tmp_path / "vox1_meta.csv").write_text(META)
    voxceleb.main([str(tmp_path), str(tmp_path / "out"), "--corpus", "voxceleb1", "--subset", "dev"])
    assert validate(tmp_path / "out") == []
    assert read_data_dir(tmp_path / "out").utt2spk == {
        "id10001-v-1-00001": "id10001",
        "id10003-v2-00001": "id10003",
    }
    assert read_table(tmp_path / "out/utt2session") == {"id10001-v-1-00001": "v-1", "id10003-v2-00001": "v2"}
    assert read_table(tmp_path / "out/spk2gender") == {"id10001": "m"}
    assert read_table(tmp_path / "out/utt2dur")["id10001-v-1-00001"] == "0.500"


def test_official_vox2_meta_has_spaces(tmp_path: Path) -> None:
    (tmp_path / "vox2_meta.csv").write_text("VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set \nid00012 ,n000012 ,m ,dev \n")
    assert voxceleb.read_meta(tmp_path / "vox2_meta.csv") == ({"id00012": "m"}, {"id00012": "dev"})
    (tmp_path / "vox2_meta.csv").write_text("<html>")
    with pytest.raises(SreError, match="get the official file"):
        voxceleb.read_meta(tmp_path / "vox2_meta.csv")


def test_m4a(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    recordings(tmp_path / "dev/aac", "id00012/v/00001", "id00012/v/00002", suffix="m4a")
    arguments = [str(tmp_path), str(tmp_path / "out"), "--corpus", "voxceleb2", "--subset", "dev"]
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(SreError, match="ffmpeg is needed"):
        voxceleb.main(arguments)
    (tmp_path / "ffmpeg").write_text("#!/bin/sh\n")
    (tmp_path / "ffmpeg").chmod(0o755)
    voxceleb.main(arguments)
    assert len(read_data_dir(tmp_path / "out").utts) == 2 and not (tmp_path / "out/utt2dur").exists()
    recordings(tmp_path / "dev/aac", "id00012/v/00001")  # converted beside: the wav goes first
    voxceleb.main(arguments)
    assert read_data_dir(tmp_path / "out").wav["id00012-v-00001"].endswith("00001.wav")
    assert "1 files are second versions" in capsys.readouterr().err


def test_rejected_audio_of_a_trial_stops(tmp_path: Path) -> None:
    recordings(tmp_path / "test/wav", *(f"id10002/v/{n:05}" for n in range(101)))
    (tmp_path / "test/wav/id10002/v/00007.wav").write_bytes(b"")
    arguments = [str(tmp_path), str(tmp_path / "out"), "--corpus", "voxceleb1", "--subset", "test"]
    voxceleb.main(arguments)
    assert len(read_data_dir(tmp_path / "out").utts) == 100
    (tmp_path / "list").write_text("1 id10002/v/00001.wav id10002/v/00007.wav\n")
    with pytest.raises(SreError, match="1 rejected recordings stand in a trial list, e.g. id10002-v-00007"):
        voxceleb.main([*arguments, "--trials", str(tmp_path / "list")])


def test_import_drops_equal_lines(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    source = tmp_path / "veri_test.txt"
    source.write_text("1 id1/v-x/00001.wav wav/id1/w/00002.wav\n0 id1/v-x/00001.wav id2/w/00001.m4a\n" * 2)
    lists.main([str(tmp_path), "veri_test.txt", str(tmp_path / "out")])
    assert (tmp_path / "out").read_text() == "id1-v-x-00001 id1-w-00002 target\nid1-v-x-00001 id2-w-00001 nontarget\n"
    said = capsys.readouterr().err
    assert "2 lines stand twice" in said and "no official VoxCeleb list's number: it is called veri_test" in said
    source.write_text("1 a b\n0 a b\n")
    with pytest.raises(SreError, match="the pair a b is both target and nontarget"):
        lists.main([str(tmp_path), "veri_test.txt", str(tmp_path / "out")])
    source.write_text("1 a b\nyes a b\n")
    with pytest.raises(SreError, match="veri_test.txt:2: 'yes a b' is no trial"):
        lists.main([str(tmp_path), "veri_test.txt", str(tmp_path / "out")])


def test_lists_and_tables_that_editors_wrote(tmp_path: Path, capsys) -> None:
    rows = ["1 id10001/v/1.wav id10001/w/2.wav", "0 id10001/v/1.wav id10002/x/3.wav"]
    texts = "\ufeff" + "\r\n".join(rows) + "\r\n\r\n", "\n".join(rows).replace(" ", "\t ") + "\n"
    for number, text in enumerate(texts):
        (tmp_path / "list").write_bytes(text.encode())
        lists.import_trials(tmp_path / "list", tmp_path / f"out{number}")
    assert (tmp_path / "out0").read_bytes() == (tmp_path / "out1").read_bytes()
    assert (tmp_path / "out0").read_text().splitlines()[0] == "id10001-v-1 id10001-w-2 target"
    capsys.readouterr()
    (tmp_path / "list").write_text("\n".join(rows))
    lists.import_trials(tmp_path / "list", tmp_path / "out")
    assert "list: its last line has no end, so it may be cut short" in capsys.readouterr().err
    (tmp_path / "list").write_text(f"{rows[0]}\n0 id10001/w/2.wav id10001/v/1.wav\n")
    with pytest.raises(SreError, match="the pair id10001-w-2 id10001-v-1 is both target and nontarget; get the list"):
        lists.import_trials(tmp_path / "list", tmp_path / "out")
    (tmp_path / "list").write_text("1 id10001/v/1.wav id10001/w\u3000/2.wav\n")
    with pytest.raises(SreError, match="list:1: the name 'id10001/w.u3000/2.wav' has U.3000"):
        lists.import_trials(tmp_path / "list", tmp_path / "out")
    (tmp_path / "vox1_meta.csv").write_text("VoxCeleb1 ID\tGender\tSet\nid10001\tm\ttest\nid10002\tf\n")
    with pytest.raises(SreError, match="vox1_meta.csv: 1 lines do not fit its first, e.g. 'id10002.f'; get it again"):
        voxceleb.read_meta(tmp_path / "vox1_meta.csv")


def test_official_names_only_with_official_counts(tmp_path: Path) -> None:
    line = "1 id10001/v/00001.wav id10001/v/00002.wav\n"
    (tmp_path / "meta").mkdir()
    (tmp_path / "meta/veri_test.txt").write_text(line * 37720)
    (tmp_path / "veri_test2.txt").write_text(line * 37720)  # another list's number
    (tmp_path / "vox1_O_cleaned.txt").write_text(line * 5)
    assert lists.find_trial_lists(tmp_path) == {
        "vox1_o": tmp_path / "meta/veri_test.txt",
        "veri_test2": tmp_path / "veri_test2.txt",
        "unofficial_vox1_o_cleaned": tmp_path / "vox1_O_cleaned.txt",
    }
    (tmp_path / "veri_test.txt").write_text(line.replace("1 ", "0 ", 1) * 37720)
    with pytest.raises(SreError, match="both would be vox1_o"):
        lists.find_trial_lists(tmp_path)


@pytest.mark.skipif(not SHARED.exists(), reason="needs ../shared/corpora")
def test_shared_layout(tmp_path: Path) -> None:
    root = SHARED / "corpora/voxceleb1-layout"
    voxceleb.prepare(
        root,
        tmp_path / "test",
        "voxceleb1",
        "test",
        needed=voxceleb.trial_utterances(root / "veri_test2.txt"),
    )
    data = read_data_dir(tmp_path / "test")
    assert len(data.utts) == 72 and validate(tmp_path / "test") == []
    assert list(lists.find_trial_lists(root)) == ["veri_test2"]
    lists.import_trials(root / "veri_test2.txt", tmp_path / "trials")
    trials = read_trials(tmp_path / "trials")
    assert len(trials) == 720 and {*trials.enrol_ids, *trials.test_ids} <= set(data.utts)
