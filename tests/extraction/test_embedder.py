"""Embeddings do not depend on what else is in the batch, and long and short utterances are what is documented."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from sre import SreError
from sre.extraction import embedder as module
from sre.extraction import pieces as cut
from sre.extraction.embedder import Embedder, extract
from sre.extraction.pieces import Pieces, pad
from sre.features.store import FeatureStore
from sre.io.shards import shard_of
from sre.models import build
from sre.models.bundle import Bundle, save

OPTIONS = {
    "xvector": {"channels": 16, "pooled_channels": 24, "embedding_dim": 8},
    "resnet34": {"channels": 4, "blocks": [1, 1, 1]},
}


def bundle(path: Path, architecture: str = "xvector") -> Path:
    torch.manual_seed(0)
    network = build(architecture, 8, OPTIONS[architecture])
    network.train()
    for _ in range(3):
        network(torch.randn(8, 40, 8))  # running statistics of batch norm that are not the initial ones
    config = {"architecture": architecture, "options": OPTIONS[architecture], "features": "given"}
    Bundle(config, {"type": "given", "cmn": "none"}, 8, network.state_dict()).save(path)
    return path


@pytest.fixture
def embedder(tmp_path: Path) -> Embedder:
    return Embedder(bundle(tmp_path / "final.pt"), torch.device("cpu"))


@pytest.mark.parametrize("architecture", sorted(OPTIONS))
def test_in_any_company_as_alone(tmp_path: Path, store: FeatureStore, architecture: str, monkeypatch) -> None:
    """On a CPU the same bytes in all of a recipe's shards, however many; in a card's batches the same to rounding."""
    embedder = Embedder(bundle(tmp_path / "final.pt", architecture), torch.device("cpu"))
    utts = sorted(store.places)
    for pieces in (Pieces(), Pieces(window=40, shift=20), Pieces(crops=3, crop_frames=50, keep=True)):
        alone = {utt: vector for one in utts for utt, vector in extract(embedder, store, [one], pieces)}
        for nj in (1, 2, 5):
            shards = [shard_of(utts, (k, nj)) for k in range(1, nj + 1)]
            found = {utt: vector for shard in shards for utt, vector in extract(embedder, store, shard, pieces)}
            assert found.keys() == store.places.keys()
            assert all(found[utt].tobytes() == alone[utt].tobytes() for utt in utts)
        assert all(embedder.utterance(store.load(utt), pieces).tobytes() == alone[utt].tobytes() for utt in utts)
        with monkeypatch.context() as patch:
            patch.setitem(module.TOGETHER, "cpu", True)
            found = dict(extract(embedder, store, utts, pieces))
        assert found.keys() == store.places.keys()
        for utt in utts:
            assert np.linalg.norm(alone[utt] - found[utt]) < 1e-5 * np.linalg.norm(alone[utt])


def test_long_utterance_is_the_mean_of_its_pieces(embedder: Embedder, store: FeatureStore, monkeypatch) -> None:
    monkeypatch.setattr(cut, "PIECE_FRAMES", 60)
    together = dict(extract(embedder, store, list(store.places)))
    for utt, pieces in {"long": (60, 60), "longer": (60, 60, 60, 27)}.items():  # 10 frames at the end are too few
        feats, total, at = store.load(utt), 0, 0
        for size in pieces:
            total = total + size * embedder.embed(torch.from_numpy(feats[at : at + size])[None])[0].numpy()
            at += size
        np.testing.assert_allclose(together[utt], total / sum(pieces), rtol=1e-5, atol=1e-6)


def test_batches_under_way_as_on_a_card(embedder: Embedder, store: FeatureStore, monkeypatch) -> None:
    """What waits is taken in the order in which it was begun, and nothing is left behind; with several pieces too."""
    monkeypatch.setitem(module.BATCH_FRAMES, "cpu", 100)
    monkeypatch.setitem(module.TOGETHER, "cpu", True)
    for pieces in (Pieces(), Pieces(window=30, keep=True)):
        at_once = list(extract(embedder, store, list(store.places), pieces))
        with monkeypatch.context() as patch:
            patch.setitem(module.UNDER_WAY, "cpu", 2)
            later = dict(extract(embedder, store, list(store.places), pieces))
        assert later.keys() == dict(at_once).keys() and len(later) == len(at_once)
        assert all(np.array_equal(later[utt], vectors) for utt, vectors in at_once)


def test_short_utterance_is_padded_with_its_end_frames(embedder: Embedder, store: FeatureStore) -> None:
    padded = pad(np.array([[1.0], [2.0], [3.0]]))
    assert padded[:, 0].tolist() == 11 * [1] + [1, 2, 3] + 11 * [3]
    together = dict(extract(embedder, store, ["one", "short", "least"]))
    for utt in ("one", "short"):
        whole = embedder.embed(torch.from_numpy(pad(store.load(utt)))[None])[0]
        np.testing.assert_array_equal(together[utt], whole)


def test_features_of_another_config(embedder: Embedder, store: FeatureStore, feature_dir: Callable, tmp_path) -> None:
    embedder.check(store)
    other = feature_dir(tmp_path / "data")
    (other / "config").write_text('{"type": "fbank", "cmn": "none"}')
    with pytest.raises(SreError, match="feats.scp: its features' config differs from the one .*final.pt was trained"):
        embedder.check(FeatureStore(other / "feats.scp"))


def test_features_of_another_dimension(embedder: Embedder, feature_dir: Callable, tmp_path: Path) -> None:
    other = FeatureStore(feature_dir(tmp_path / "data", dimension=9) / "feats.scp")
    with pytest.raises(SreError, match=r"feats.scp: 's00_00' has features of 9 columns, .*final.pt takes 8"):
        list(extract(embedder, other, ["s00_00"]))


def test_missing_features(embedder: Embedder, store: FeatureStore) -> None:
    with pytest.raises(SreError, match="utterance 'nobody' has no features; see rejected.tsv"):
        list(extract(embedder, store, ["long", "nobody"]))


def test_not_a_bundle(tmp_path: Path) -> None:
    save(tmp_path / "final.pt", {"step": 1})
    with pytest.raises(SreError, match="not a model bundle of this project"):
        Embedder(tmp_path / "final.pt", torch.device("cpu"))
    whole = bundle(tmp_path / "final.pt").read_bytes()
    for left in (0, 500, len(whole) // 2, len(whole) - 1):  # of some the system says "Invalid argument"
        (tmp_path / "final.pt").write_bytes(whole[:left])
        with pytest.raises(SreError, match="final.pt: not a readable checkpoint"):
            Embedder(tmp_path / "final.pt", torch.device("cpu"))


@pytest.mark.parametrize("form", ["to_sparse", "cfloat"])
def test_weights_that_are_no_plain_numbers(tmp_path: Path, form: str) -> None:
    content = torch.load(bundle(tmp_path / "final.pt"), weights_only=True)
    name = next(iter(content["network"]))
    content["network"][name] = getattr(content["network"][name], form)()
    torch.save(content, tmp_path / "final.pt")
    with pytest.raises(SreError, match=f"final.pt: its weight '{name}' is no tensor of numbers"):
        Embedder(tmp_path / "final.pt", torch.device("cpu"))


def test_embedding_that_is_not_finite(embedder: Embedder, store: FeatureStore) -> None:
    embedder.network.segment1.bias.data[0] = float("nan")
    with pytest.raises(SreError, match="final.pt: the embedding of 'long' is not finite"):
        list(extract(embedder, store, ["long"]))
