"""What stops a run before hours are spent."""

import pytest

from sre import SreError
from sre.gates import TrialList, check_disk, check_features, check_trials
from sre.io.datadir import write_rejected_rows
from sre.io.feats import FeatureStore
from steps import compute_vad, extract_embeddings, make_mfcc, train_embedding

MODEL = """\
features: mfcc
architecture: xvector
options: {embedding_dim: 8, channels: 8, pooled_channels: 8}
filter: {min_frames: 10}
training: {epochs: 1, batch_size: 4, chunk_frames: [40, 40], average_last: 1, precision: fp32}
validation: {speakers: 0, utterances: 0}
"""


def write_list(tmp_path, *rows):
    path = tmp_path / "trials"
    path.write_text("".join(f"{row}\n" for row in rows))
    return path


def test_an_enrolment_utterance_without_features_is_named_with_its_reason(tmp_path, feature_dir):
    data = feature_dir(tmp_path / "d", speakers=2, utterances=2)
    trials = write_list(tmp_path, "model s00_00 target", "model s01_00 nontarget")
    (tmp_path / "map").write_text("model s00_01 gone\n")
    write_rejected_rows(data / "rejected.tsv", [("gone", "x.m4a", "the command failed:\nbad\tdata")])
    with pytest.raises(SreError, match=r"gone \(rejected: the command failed: bad data\)"):
        check_features(TrialList("t", trials, data, tmp_path / "map"), FeatureStore(data / "feats.scp"))
    with pytest.raises(SreError, match="1 of its utterances are not in"):
        check_trials(TrialList("t", trials, data, tmp_path / "map"))


def test_a_full_disk(tmp_path, sound_dir, monkeypatch):
    sound_dir(tmp_path / "d", speakers=1, utterances=1)
    features = {"fbank80": {"type": "fbank", "num_mel_bins": 80, "frame_shift": 10.0, "compression": 0}}
    check_disk(tmp_path, ["d"], features, 1)
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("usage", (), {"free": 1000}))
    with pytest.raises(SreError, match="make room, set another root"):
        check_disk(tmp_path, ["d"], features, 1)


def test_mfcc_and_vad_through_training_and_extraction(tmp_path, sound_dir):
    """One utterance is silent: it is left out, counted, and what is complete is judged without it."""
    import numpy as np
    import soundfile

    data = sound_dir(tmp_path / "data", speakers=3, utterances=3)
    soundfile.write(data / "wav/s00_00.wav", np.zeros(16000), 16000, subtype="PCM_16")
    feats = data / "feats/mfcc"
    make_mfcc.main([str(data), str(feats)])
    compute_vad.main([str(feats / "feats.scp"), str(feats), "--max-rejected", "0.2"])
    store = FeatureStore(feats / "feats.scp")
    assert "s00_00" not in store.places and len(store.places) == 8
    assert len(store.load("s00_01")) == store.num_frames["s00_01"] <= len(store.raw("s00_01"))
    recipe = tmp_path / "recipe/models"
    recipe.mkdir(parents=True)
    (recipe / "m.yaml").write_text(MODEL)
    options = "type: mfcc, num_mel_bins: 30, num_ceps: 30, high_freq: 7600, snip_edges: false, cmn: sliding, vad: {}"
    (recipe.parent / "config.yaml").write_text(f"features: {{mfcc: {{{options}}}}}\n")
    train_embedding.main([str(recipe / "m.yaml"), "--data", str(data), str(tmp_path / "final.pt")])
    extract_embeddings.main([str(tmp_path / "final.pt"), str(data), str(tmp_path / "e")])
    assert len((tmp_path / "e/embeddings.scp").read_text().splitlines()) == 8
