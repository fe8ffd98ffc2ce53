"""Networks on features from elsewhere: files of features and data directories in the place of recordings."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from small_models import OPTIONS, small_bundle

from sre import SreError
from sre.cli import command
from sre.datadir.datadir import write_data_dir
from sre.io.ark import read_scp, write_ark
from sre.io.embeddings import Embeddings
from sre.models.bundle import Bundle
from sre.voices.model import load
from steps import extract_embeddings, import_features

DRAW = np.random.default_rng(5)
TRIM = {"seconds": 0.1, "least_s": 0.425}  # 10 frames at both ends, at least 41 between
FEATS = {f"{who}-{n}": DRAW.normal(0.3, 1, (90 + 10 * n, 20)) for who in ("ann", "bob") for n in range(3)}


def bundle_of(features: dict) -> Bundle:
    whole = small_bundle()
    return Bundle(whole.config | {"options": OPTIONS}, features, 20, whole.network)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A final.pt, the same features as pickles, arrays and a data directory, and what extraction makes of the last."""
    monkeypatch.chdir(tmp_path)
    for utt, feats in FEATS.items():
        who = Path(utt.partition("-")[0])
        who.mkdir(exist_ok=True)
        (who / f"{utt}.p").write_bytes(pickle.dumps({"feat": feats, "label": str(who)}, protocol=3))
        np.save(who / f"{utt}.npy", feats)
    write_ark(tmp_path / "a.ark", tmp_path / "a.scp", ((utt, feats.astype(np.float32)) for utt, feats in FEATS.items()))
    write_data_dir(tmp_path / "data", feats=read_scp("a.scp"), utt2spk={utt: utt[:3] for utt in FEATS})
    import_features.main(["data", "feats", "--config", json.dumps({"cmn": "utterance", "trim": TRIM})])
    bundle_of(json.loads(Path("feats/config").read_text())).save(tmp_path / "final.pt")
    extract_embeddings.main(["final.pt", "data", "extracted", "--feats", "feats/feats.scp"])
    return tmp_path


def test_files_and_data_directories_are_embedded_as_by_extraction(world: Path) -> None:
    expected = Embeddings.read([Path("extracted/embeddings.scp")])
    command(["embed", "final.pt", "data", "--out", "of_data.npz"])
    command(["embed", "final.pt", "ann", "bob", "--out", "of_files.npz"])
    made, of_files = np.load("of_data.npz"), np.load("of_files.npz")
    assert made["names"].tolist() == list(expected.ids)
    np.testing.assert_array_equal(made["vectors"], expected.vectors)
    assert made["speech_s"][0] == pytest.approx((90 - 20) * 0.01)
    found = dict(zip(of_files["names"].tolist(), of_files["vectors"], strict=True))
    assert found.keys() == {f"{utt[:3]}/{utt}{suffix}" for utt in FEATS for suffix in (".npy", ".p")}
    for utt, vector in zip(expected.ids, expected.vectors, strict=True):
        for suffix in (".npy", ".p"):
            np.testing.assert_array_equal(found[f"{utt[:3]}/{utt}{suffix}"], vector)


def test_enrolment_verification_and_identification(world: Path, capsys: pytest.CaptureFixture) -> None:
    for who in ("ann", "bob"):
        command(["enroll", "final.pt", "v.db", who, f"{who}/{who}-0.p", f"{who}/{who}-1.p"])
    command(["enroll", "final.pt", "v.db", "ann", "ann/ann-0.p"])
    assert "'ann' has this audio already" in capsys.readouterr().err
    command(["verify", "final.pt", "ann/ann-0.p", "ann/ann-0.npy", "--threshold", "0.95", "--json"])
    (trial,) = json.loads(capsys.readouterr().out)["trials"]
    assert trial["accepted"] and trial["score"] == pytest.approx(1)
    command(["identify", "final.pt", "v.db", "bob/bob-0.npy", "--threshold", "-1", "--json"])
    assert json.loads(capsys.readouterr().out)["best"][0]["voice"] in ("ann", "bob")
    (world / "trials").write_text("ann ann-2\nbob ann-2\n")
    (world / "enroll").write_text("ann ann-0 ann-1\nbob bob-0 bob-1\n")
    options = ["--data", "data", "--enroll-map", "enroll", "--threshold", "0.5"]
    command(["decide", "final.pt", "trials", "out.csv", *options])
    assert len((world / "out.csv").read_text().splitlines()) == 3


def test_what_cannot_be_read_is_told(world: Path, wavs: list[Path]) -> None:
    np.save("short.npy", DRAW.normal(size=(60, 20)))
    np.save("wide.npy", DRAW.normal(size=(90, 40)))
    np.save("nan.npy", np.full((90, 20), np.nan))
    np.save("large.npy", np.full((90, 20), 1e300))
    whole = Path("short.npy").read_bytes()
    Path("header.npy").write_bytes(whole[:60] + b"((((" + whole[64:])
    told = {
        "short.npy": "too short: 40 of 60 frames are left by trim, at least 41 are needed",
        "wide.npy": "40 columns, and the network takes 20",
        "nan.npy": "NaN or infinite values",
        "large.npy": "NaN or infinite values",
        "header.npy": r"no .npy array of numbers \(",
        "none.npy": "no .npy array of numbers .*No such file",
        str(wavs[0]): "its network takes features from elsewhere, which are not made of sound here; give files of feat",
    }
    for file, sentence in told.items():
        with pytest.raises(SreError, match=f"{file}: {sentence}"):
            command(["verify", "final.pt", "ann/ann-0.p", file])
    with pytest.raises(SreError, match="feats/feats.scp: features that were prepared already, by the config beside it"):
        command(["embed", "final.pt", "feats", "--out", "x.npz"])
    bundle_of({"type": "given", "cmn": "none", "trim": {"a": 1}}).save(world / "odd.pt")
    with pytest.raises(SreError, match="odd.pt: its feature config cannot be used"):
        load("odd.pt", "cpu").voiceprint("ann/ann-0.p")


def test_identification_can_answer_nobody(world: Path, capsys: pytest.CaptureFixture) -> None:
    """The d-vector tutorial names one of the enrolled for anybody."""
    command(["enroll", "final.pt", "v.db", "ann", "ann/ann-0.p"])
    command(["identify", "final.pt", "v.db", "ann/ann-0.npy", "bob/bob-0.p", "--threshold", "0.9999"])
    ann, bob = capsys.readouterr().out.splitlines()[1:3]
    assert ann.startswith("ann/ann-0.npy: ann (score ") and bob.startswith("bob/bob-0.p: unknown; the nearest is ann")
