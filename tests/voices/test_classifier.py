"""The classifier of a loss's weights, against the softmax written out."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import OPTIONS, small_bundle

from sre import SreError
from sre.cli import command
from sre.datadir.datadir import write_data_dir
from sre.losses import build_head
from sre.models import build
from sre.models.base import Network
from sre.models.bundle import Bundle
from sre.voices.classifier import Classifier


def bundle_of(kind: str, speeds: int, **options: object) -> Bundle:
    """Three speakers at so many speeds."""
    bundle = small_bundle()
    bundle.config = bundle.config | {"loss": {"type": kind, "scale": 30.0, "options": options}}
    torch.manual_seed(1)
    bundle.copies = [1.0, 0.9, 1.1][:speeds]
    bundle.head = build_head(8, 3 * speeds, kind, 30.0, **options).state_dict()
    return bundle


@pytest.fixture
def plain() -> Network:
    """A network whose loss sees the embedding itself."""
    return build("xvector", 20, OPTIONS | {"embedding": "second"}).eval()


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("kind, centres", [("aam", 1), ("subcentre_aam", 3)])
def test_cosines_and_posteriors(kind: str, centres: int, plain: Network) -> None:
    """The speeds of a speaker are classes of their own, in blocks; sub-centres of a class are neighbours."""
    bundle = bundle_of(kind, 3)
    x = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    unit = [matrix / np.linalg.norm(matrix, axis=1, keepdims=True) for matrix in (x, bundle.head["weight"].numpy())]
    cosines = (unit[0] @ unit[1].T).reshape(5, 9, centres).max(axis=2)  # (T, speeds x speakers)
    found = Classifier(bundle, plain, "m").classify(x)
    np.testing.assert_allclose(found.similarities, cosines.reshape(5, 3, 3).max(axis=1), atol=1e-6)
    np.testing.assert_allclose(found.posteriors, softmax(30 * cosines).reshape(5, 3, 3).sum(axis=1), atol=1e-5)
    np.testing.assert_array_equal(found.best(2), np.argsort(-found.posteriors, axis=1)[:, :2])


def test_a_softmax_has_logits(plain: Network) -> None:
    bundle = bundle_of("softmax", 1)
    x = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    logits = x @ bundle.head["linear.weight"].numpy().T + bundle.head["linear.bias"].numpy()
    found = Classifier(bundle, plain, "m").classify(x)
    np.testing.assert_allclose(found.similarities, logits, atol=1e-5)
    np.testing.assert_allclose(found.posteriors, softmax(logits), atol=1e-6)


@pytest.mark.parametrize("architecture", ["dvector_resnet18", "speakernet", "xvector", "etdnn"])
def test_embeddings_that_the_loss_sees_after_more_layers(architecture: str) -> None:
    """The classes are of what the loss saw in training, and not of the embedding."""
    torch.manual_seed(2)
    network, bundle = build(architecture, 20, {"embedding_dim": 8}).eval(), bundle_of("softmax", 1)
    x = torch.randn(4, 60, 20)
    with torch.inference_mode():
        seen, vectors = network(x).numpy(), network.embed(x).numpy()
    logits = seen @ bundle.head["linear.weight"].numpy().T + bundle.head["linear.bias"].numpy()
    found = Classifier(bundle, network, "m").classify(vectors)
    np.testing.assert_allclose(found.posteriors, softmax(logits), atol=1e-6)


def test_the_verb(tmp_path: Path, wavs: list[Path], capsys: pytest.CaptureFixture) -> None:
    """Of a data directory it tells how many are right, of those whose speakers are known to the network."""
    path, data = tmp_path / "final.pt", tmp_path / "data"
    bundle_of("aam", 2).save(path)
    command(["identify", str(path), "--classifier", str(wavs[0]), "--rank", "3", "--json"])
    found = json.loads(capsys.readouterr().out)["best"]
    assert sorted(row["speaker"] for row in found) == ["anna", "bert", "cleo"]
    assert sum(row["posterior"] for row in found) == pytest.approx(1)
    speakers = (found[0]["speaker"], found[0]["speaker"], "zoe")
    names = [path.stem for path in wavs]
    utt2spk = dict(zip(names, speakers, strict=True))
    write_data_dir(data, wav=dict.fromkeys(names, str(wavs[0])), utt2spk=utt2spk)
    command(["identify", str(path), "--classifier", str(data)])
    assert capsys.readouterr().out.endswith("2 of 2 utterances of training speakers are named right: 100.00 %\n")


def test_what_has_no_classes_is_told(tmp_path: Path, plain: Network) -> None:
    without, metric, other = bundle_of("aam", 1), bundle_of("aam", 1), bundle_of("aam", 1)
    without.head = None
    with pytest.raises(SreError, match="m: the weights of its loss are not in it"):
        Classifier(without, plain, "m")
    metric.config["loss"]["type"] = "triplet"
    with pytest.raises(SreError, match="m: its loss 'triplet' has no class for each speaker"):
        Classifier(metric, plain, "m")
    other.copies = [1.0, 0.9]
    with pytest.raises(SreError, match="m: the weights of its loss are not those of aam"):
        Classifier(other, plain, "m")
