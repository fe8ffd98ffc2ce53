"""Features that are taken over and read: what cannot be used is named with the scp, an id and how many there are."""

import json
from pathlib import Path

import kaldiio
import numpy as np
import pytest
from torch.utils.data import DataLoader

from sre import SreError
from sre.datadir.datadir import DataDir, read_data_dir
from sre.features.deltas import add_deltas
from sre.features.make import import_features
from sre.features.store import FeatureStore, read_config
from sre.features.types import dimension_of
from sre.io.ark import write_ark
from sre.training.augment import Augmentation
from sre.training.chunks import read
from sre.training.sources import Features

DRAW = np.random.default_rng(3)
CMN = {"cmn": "none", "cmn_window": 300}


def data_dir(folder: Path, **records: np.ndarray) -> DataDir:
    folder.mkdir(exist_ok=True)
    kaldiio.save_ark(
        str(folder / "a.ark"), {k: v.astype(np.float32) for k, v in records.items()}, str(folder / "feats.scp")
    )
    return read_data_dir(folder, need_speakers=False)


def matrices(count: int, columns: int = 4) -> dict[str, np.ndarray]:
    return {f"u{number}": DRAW.normal(size=(10 + number, columns)) for number in range(count)}


def test_import(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    records = matrices(3)
    quiet_ends = {"seconds": 0.0, "level_db": 60, "least_s": 0.025}
    import_features(data_dir(tmp_path / "d", **records), {**CMN, "trim": quiet_ends}, tmp_path / "out")
    assert "d: trim.level_db of the config needs audio, and does nothing to" in capsys.readouterr().err
    assert read_config(tmp_path / "out/config").keys() == {"type", "dimension", *CMN}
    store = FeatureStore(tmp_path / "out/feats.scp")
    assert store.num_frames == {"u0": 10, "u1": 11, "u2": 12} and store.config["dimension"] == 4
    np.testing.assert_array_equal(store.load("u1"), records["u1"].astype(np.float32))


def test_seconds_of_trim_are_frames_of_10_ms(tmp_path: Path) -> None:
    """As the d-vector tutorial reads its pickles: 50 frames off both ends, and more than 40 between them."""
    records = {f"u{frames}": DRAW.normal(size=(frames, 4)) for frames in (140, 141, 300, 301)}
    config = {**CMN, "trim": {"seconds": 0.5, "level_db": None, "least_s": 0.425}}
    import_features(data_dir(tmp_path / "d", **records), config, tmp_path / "out", max_rejected=0.25)
    store = FeatureStore(tmp_path / "out/feats.scp")
    assert store.num_frames == {"u141": 41, "u300": 200, "u301": 201}
    np.testing.assert_array_equal(store.load("u301"), records["u301"][50:-50].astype(np.float32))
    row = (tmp_path / "out/rejected.tsv").read_text().splitlines()[1]
    assert row.endswith("too short: 40 of 140 frames are left by trim, at least 41 are needed")
    with pytest.raises(SreError, match="rejected.tsv: 1 of 4 utterances are rejected, more than max_rejected"):
        import_features(data_dir(tmp_path / "d", **records), config, tmp_path / "out", max_rejected=0)


@pytest.mark.parametrize(
    "more, sentence",
    [
        ({"x": DRAW.normal(size=(9, 3))}, "1 of 6 utterances, e.g. 'x' with 3 columns, have another .* others' 4"),
        ({"x": DRAW.normal(size=(9, 3)), "y": DRAW.normal(size=(9, 5))}, "2 of 7 utterances, e.g. 'x' with 3"),
        ({"x": np.empty((0, 4))}, "1 of 6 utterances have no frames, e.g. 'x' .0, 4."),
        ({"x": np.ones(9)}, "record 'x' of .*a.ark is a vector of 9 values; features are matrices"),
        ({"x": np.full((9, 4), np.nan)}, "record 'x' of .* has NaN or infinite values"),
        ({"x": np.ones(9), "y": np.ones(2)}, "2 of 7 records cannot be used; the first: .*'x' of .* is a vector"),
    ],
)
def test_what_cannot_be_used_is_found_at_the_import(tmp_path: Path, more: dict, sentence: str) -> None:
    data = data_dir(tmp_path / "d", **matrices(5), **more)
    with pytest.raises(SreError, match=f"d/feats.scp: {sentence}"):
        import_features(data, CMN, tmp_path / "out")
    assert not (tmp_path / "out/feats.scp").exists()


def test_normalisation_and_deltas_when_read(tmp_path: Path) -> None:
    records = matrices(2)
    config = {"cmn": "utterance", "cmn_variance": "kaldi", "delta_order": 2}
    import_features(data_dir(tmp_path / "d", **records), config, tmp_path / "out")
    store = FeatureStore(tmp_path / "out/feats.scp")
    feats = store.load("u1")
    assert feats.shape == (11, 12) and dimension_of(store.config) == 12 and store.num_frames["u1"] == 11
    np.testing.assert_allclose(feats[:, :4].std(axis=0), 1, rtol=1e-5)
    np.testing.assert_array_equal(feats, add_deltas(feats[:, :4], config))


@pytest.fixture
def store_dir(tmp_path: Path) -> Path:
    """Three utterances with a VAD."""
    write_ark(tmp_path / "m.ark", tmp_path / "feats.scp", matrices(3).items())
    write_ark(tmp_path / "v.ark", tmp_path / "vad.scp", [(f"u{n}", np.ones(10 + n)) for n in range(3)])
    for name in ("utt2num_frames", "utt2num_voiced"):
        (tmp_path / name).write_text("u0 10\nu1 11\nu2 12\n")
    (tmp_path / "config").write_text(json.dumps({"type": "fbank", "cmn": "sliding", "vad": {"frames_context": 2}}))
    return tmp_path


@pytest.mark.parametrize(
    "config, sentence",
    [
        ('{"type": "fbank", "cmn": "sli', "not JSON .*; delete it and make the features again"),
        ("[]", "it is '..', which is of another kind"),
        ("{}", "type is missing"),
        ('{"type": 3}', "type is '3'"),
        ('{"type": "x", "cmn": "some"}', "cmn 'some' is none of none, utterance, sliding"),
        ('{"type": "x", "cmn_window": 0}', "cmn_window 0 is no number of frames"),
        ('{"type": "x", "cmn_variance": 1}', "cmn_variance 1 is none of none, kaldi, nemo, instance_norm"),
        ('{"type": "x", "delta_order": "2"}', "delta_order '2' or its delta_window is no whole number"),
        ('{"type": "x", "vad": true}', "vad True is no object"),
        ("\xff", "not UTF-8|not JSON"),
    ],
)
def test_a_damaged_config(store_dir: Path, config: str, sentence: str) -> None:
    (store_dir / "config").write_text(config, encoding="latin-1")
    with pytest.raises(SreError, match=f"config:?.*{sentence}"):
        FeatureStore(store_dir / "feats.scp")


@pytest.mark.parametrize(
    "name, text, sentence",
    [
        ("utt2num_voiced", "u0 10\nu1 eleven\nu2 12\n", "utt2num_voiced: 'u1 eleven' is not `utterance frames`"),
        ("utt2num_voiced", "u0 10\nu1 -1\nu2 12\n", "'u1 -1' is not"),
        ("utt2num_voiced", "u0 10\n", "no count for 'u1'"),
        ("utt2num_voiced", "u0 10\nu1 7\nu2 12\n", "vad.scp: 'u1' has 11 voiced frames, utt2num_voiced says 7"),
        ("vad.scp", "u0 v.ark:3\nu1 v.ark:3\nu2 v.ark:3\n", "vad.scp: 'u1' has 10 decisions for 11 frames"),
        (
            "vad.scp",
            "u0 v.ark:3\nu1 m.ark:3\nu2 v.ark:3\n",
            "vad.scp: record 'u1' .* is a matrix of .10, 4.;",
        ),
        ("feats.scp", "u0 m.ark:3\nu1 v.ark:3\nu2 m.ark:3\n", "feats.scp: record 'u1' .* is a vector of 10 values"),
    ],
)
def test_tables_that_do_not_fit(store_dir: Path, name: str, text: str, sentence: str) -> None:
    (store_dir / name).write_text(text)
    with pytest.raises(SreError, match=sentence):
        store = FeatureStore(store_dir / "feats.scp")
        store.load("u0"), store.load("u1")


@pytest.mark.parametrize("workers", [0, 1])
def test_an_odd_utterance_in_training(tmp_path: Path, workers: int) -> None:
    """A sentence, also of a reading process, whose traceback PyTorch would put into it."""
    write_ark(tmp_path / "m.ark", tmp_path / "feats.scp", [("a", np.ones((9, 4))), ("b", np.ones((9, 3)))])
    features = Features([FeatureStore(tmp_path / "feats.scp")], [(0, "a"), (0, "b")], Augmentation())
    with pytest.raises(SreError, match="^.*feats.scp: 'b' has 3 columns, 'a' has 4; features of one dimension"):
        list(read(DataLoader(features, batch_sampler=[[(1, 5, np.zeros(2))]], num_workers=workers)))
