"""Windows and crops: where they lie, what is made of their embeddings, and that batches do not matter."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sre import SreError
from sre.config.extraction import as_options
from sre.extraction import embedder as module
from sre.extraction.embedder import Embedder, _Batches, extract
from sre.extraction.pieces import Pieces
from sre.features.store import FeatureStore
from sre.features.vector_store import VectorStore
from sre.io.ark import write_ark
from sre.models import build
from sre.models.bundle import Bundle
from tests.extraction.test_embedder import bundle


def test_windows_cover_an_utterance_and_the_last_may_be_short() -> None:
    windows = Pieces(window=100, shift=50)
    assert windows.spans(99) == [(0, 99)]
    assert windows.spans(200) == [(0, 100), (50, 100), (100, 100)]  # all frames are in one
    assert windows.spans(230) == [(0, 100), (50, 100), (100, 100), (150, 80)]
    assert Pieces(window=100).spans(225) == [(0, 100), (100, 100), (200, 25)]
    assert Pieces(window=100).spans(224) == [(0, 100), (100, 100)]  # 24 frames are too few


def test_crops_are_equally_spaced_and_short_utterances_repeated() -> None:
    crops = Pieces(crops=4, crop_frames=50)
    assert crops.spans(80) == [(0, 50), (10, 50), (20, 50), (30, 50)]
    fitted = crops.fitted(np.arange(20, dtype=np.float32)[:, None])
    assert fitted[:, 0].tolist() == [*range(20), *range(20), *range(10)]
    assert crops.spans(len(fitted)) == [(0, 50)] * 4


def test_mean_by_frames_equal_and_of_unit_vectors() -> None:
    vectors = [np.array([4.0, 0.0], np.float32), np.array([0.0, 2.0], np.float32)]
    assert Pieces().join(vectors, [300, 100]).tolist() == [3.0, 0.5]
    assert Pieces(weight="equal").join(vectors, [300, 100]).tolist() == [2.0, 1.0]
    assert Pieces(weight="equal", unit_length=True).join(vectors, [300, 100]).tolist() == [0.5, 0.5]
    assert Pieces(keep=True).join(vectors, [300, 100]).tolist() == [[4.0, 0.0], [0.0, 2.0]]


@pytest.mark.parametrize("pieces", [Pieces(window=40, shift=30), Pieces(crops=3, crop_frames=60, unit_length=True)])
@pytest.mark.parametrize("architecture", ["xvector", "resnet34"])
def test_pieces_of_many_utterances_in_a_batch_as_each_alone(
    tmp_path: Path,
    store: FeatureStore,
    architecture: str,
    pieces: Pieces,
) -> None:
    embedder = Embedder(bundle(tmp_path / "final.pt", architecture), torch.device("cpu"))
    together = dict(extract(embedder, store, list(store.places), pieces))
    assert together.keys() == store.places.keys()
    for utt, vector in together.items():
        feats = pieces.fitted(store.load(utt))
        spans = pieces.spans(len(feats))
        alone = [embedder.embed(torch.from_numpy(feats[at : at + n])[None])[0].numpy() for at, n in spans]
        expected = pieces.join(alone, [n for _, n in spans])
        assert np.linalg.norm(vector - expected) < 1e-5 * np.linalg.norm(expected)


def test_all_embeddings_of_an_utterance_as_a_matrix(tmp_path: Path, store: FeatureStore) -> None:
    embedder = Embedder(bundle(tmp_path / "final.pt"), torch.device("cpu"))
    kept = dict(extract(embedder, store, ["one", "long", "longer"], Pieces(crops=5, crop_frames=50, keep=True)))
    assert {utt: matrix.shape for utt, matrix in kept.items()} == dict.fromkeys(kept, (5, 8))
    np.testing.assert_array_equal(kept["one"], np.tile(kept["one"][0], (5, 1)))


def test_a_window_that_waits_keeps_no_utterance_in_memory(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(module.TOGETHER, "cpu", True)
    batches = _Batches(Embedder(bundle(tmp_path / "final.pt"), torch.device("cpu")), Pieces(window=100))
    assert not list(batches.add("u", np.zeros((1030, 8), np.float32)))
    assert {len(bucket) for bucket in batches.waiting.values()} == {10, 1}
    assert all(piece.base is None for bucket in batches.waiting.values() for _, _, piece in bucket)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"window": 50, "crops": 2, "crop_frames": 50}, "window and crops are two ways"),
        ({"shift": 50}, "shift 50 is that of windows; give window too"),
        ({"crops": 2}, "crops and crop_frames belong together"),
        ({"window": 24}, "window 24 is not 25 to 10000 frames"),
        ({"window": 50, "shift": 51}, "shift 51 leaves frames out"),
    ],
)
def test_what_contradicts_itself(asked: dict, sentence: str) -> None:
    with pytest.raises(SreError, match=sentence):
        Pieces(**asked)


def test_options_of_a_recipe_are_those_that_differ_from_the_defaults() -> None:
    assert as_options({}) == as_options({"window": None, "weight": "frames", "precision": "fp32"}) == []
    asked = {"crops": 10, "crop_frames": 400, "unit_length": True, "precision": "bf16"}
    assert as_options(asked) == ["--crops", "10", "--crop-frames", "400", "--unit-length", "--precision", "bf16"]


def test_vectors_are_one_frame_and_not_cut(tmp_path: Path) -> None:
    torch.manual_seed(0)
    options = {"embedding_dim": 6, "widths": [12], "dropout": [0.0]}
    network = build("mlp", 8, options).eval()
    config = {"architecture": "mlp", "options": options, "features": None}
    Bundle(config, {"type": "embeddings", "of": "x", "dimension": 8}, 8, network.state_dict()).save(tmp_path / "m.pt")
    vectors = np.random.default_rng(0).normal(size=(20, 8)).astype(np.float32)
    write_ark(tmp_path / "x.ark", tmp_path / "x.scp", [(f"u{n:02}", vector) for n, vector in enumerate(vectors)])
    store = VectorStore(tmp_path / "x.scp", "x")
    made = dict(extract(Embedder(tmp_path / "m.pt", torch.device("cpu")), store, sorted(store.places), Pieces(40)))
    with torch.inference_mode():
        expected = network.embed(torch.from_numpy(vectors)[:, None]).numpy()
    np.testing.assert_allclose(np.stack([made[utt] for utt in sorted(made)]), expected, rtol=1e-5, atol=1e-6)
    write_ark(tmp_path / "y.ark", tmp_path / "y.scp", [("u", np.ones(5, np.float32))])
    with pytest.raises(SreError, match="dimension 5 here, 8 there.; give embeddings of 'x' with 8 values by --feats"):
        Embedder(tmp_path / "m.pt", torch.device("cpu")).check(VectorStore(tmp_path / "y.scp", "x"))
