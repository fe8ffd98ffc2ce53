"""`sre decide` by a model: what it writes is what `verify` says of the same recordings."""

import csv
from pathlib import Path

import numpy as np
import pytest

from sre import SreError
from sre.cli import command
from sre.datadir.datadir import write_data_dir
from sre.voices.model import load


@pytest.fixture
def trials(tmp_path: Path, wavs: list[Path], monkeypatch) -> Path:
    """An unlabelled list of a data directory `data` of the recordings a, b and c, and a map with a model of two."""
    monkeypatch.chdir(tmp_path)
    write_data_dir(Path("data"), wav={path.stem: str(path) for path in wavs}, utt2spk={p.stem: p.stem for p in wavs})
    Path("map").write_text("m1 a b\nm2 c\n")
    Path("blind").write_text("m2 c\nm1 c\nm1 a\n")
    return Path("blind")


def decided(*options: object) -> list[dict[str, str]]:
    command(["decide", *map(str, options)])
    with open("out.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_it_is_what_verify_says(package_file: Path, wavs: list[Path], trials: Path, capsys) -> None:
    model = load(package_file, "cpu")
    rows = decided(package_file, trials, "out.csv", "--data", "data", "--enroll-map", "map", "--p-target", 0.3)
    voices = {"m1": model.voiceprint(*wavs[:2]), "m2": model.voiceprint(wavs[2])}
    tests = {path.stem: model.voiceprint(path) for path in wavs}
    at = model.threshold(p_target=0.3)
    assert [(row["enrol"], row["test"]) for row in rows] == [("m2", "c"), ("m1", "c"), ("m1", "a")]
    for row in rows:
        expected = model.decide(voices[row["enrol"]], tests[row["test"]], at)
        np.testing.assert_allclose([float(row["llr"]), float(row["score"])], expected.llr, rtol=1e-5, atol=1e-5)
        assert (row["decision"] == "accept") == expected.accepted
    assert "P_target 0.3" in capsys.readouterr().out


def test_only_recordings_of_the_trials_are_embedded(package_file: Path, trials: Path, tmp_path: Path) -> None:
    """A file that cannot be read stands in the way of no trial that does not need it; ids are paths in a folder."""
    Path("broken.wav").write_bytes(b"no sound")
    Path("few").write_text("a.wav b.wav\n")
    rows = decided(package_file, "few", "out.csv", "--data", tmp_path, "--threshold", -9)
    assert [row["decision"] for row in rows] == ["accept"]
    Path("few").write_text("a.wav b.wav\na.wav broken.wav\n")
    with pytest.raises(SreError, match="1 recordings of the trials cannot be scored, e.g. broken.wav: .*"):
        decided(package_file, "few", "out.csv", "--data", tmp_path, "--threshold", 0)


@pytest.mark.parametrize(
    "options, sentence",
    [
        (
            ["--data", "data", "--threshold", "0"],
            "2 recordings of the trials cannot be scored, e.g. m1: there is no rec",
        ),
        (["--data", "nowhere", "--threshold", "0"], "nowhere: no such file or folder; check the path"),
        (["--threshold", "0"], "model.sre: a model scores recordings; give these by --data"),
        (
            ["--threshold", "0", "--enroll-map", "map"],
            "--enroll-map is for a model, which scores recordings; give these",
        ),
        (["--data", "data", "--enroll-map", "map", "--metric", "eer"], "--metric needs a labelled list; give --dev"),
        (["--data", "data", "--calibration", "map", "--threshold", "0"], "--calibration is for a score file"),
        (["--data", "data", "--enroll-map", "map", "--far", "0.001"], "0.001 is not even one; give a rate"),
    ],
)
def test_what_is_wrong_is_one_sentence(package_file: Path, trials: Path, options: list[str], sentence: str) -> None:
    with pytest.raises(SreError, match=sentence):
        decided(package_file, trials, "out.csv", *options)
    assert not Path("out.csv").exists()


def test_a_final_pt_has_no_threshold_of_its_own(final_pt: Path, trials: Path) -> None:
    with pytest.raises(
        SreError, match="final.pt: it has no threshold; give --threshold, or --far or --metric with --dev"
    ):
        decided(final_pt, trials, "out.csv", "--data", "data", "--enroll-map", "map")
    rows = decided(final_pt, trials, "out.csv", "--data", "data", "--enroll-map", "map", "--threshold", 0.5)
    assert list(rows[0]) == ["enrol", "test", "score", "decision"] and float(rows[0]["score"]) == pytest.approx(1)
