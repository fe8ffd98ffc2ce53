"""A network on the embeddings of another: trained by the command, resumed, and placed in a recipe."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sre import SreError
from sre.cli.describe import read_spec
from sre.config.resolve import resolve_model_config
from sre.config.runs import Run, with_sources
from sre.config.schema import Schema
from sre.io.ark import write_ark
from sre.io.tables import write_table
from sre.io.text import canonical
from sre.models.bundle import load_bundle
from sre.training import trainer
from steps import train_embedding

ROOT = Path(__file__).resolve().parents[2]
MODEL = {
    "source": "embeddings",
    "embeddings_of": "xvector",
    "architecture": "mlp",
    "options": {"embedding_dim": 8, "widths": [16], "dropout": [0.2], "batch_norm": True},
    "training": {"epochs": 4, "batch_size": 8, "lr": 0.05, "average_last": 1, "precision": "fp32"},
    "validation": {"speakers": 2, "utterances": 1},
}


def config(**changed: object) -> dict:
    return resolve_model_config(Schema(ROOT / "recipes/config.schema.yaml"), {**MODEL, **changed}, "m", {}, 1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Vectors of 10 speakers of 6 utterances about a centre of each."""
    draw, vectors, utt2spk = np.random.default_rng(0), {}, {}
    for speaker in range(10):
        centre = draw.normal(size=12)
        for number in range(6):
            utt2spk[f"s{speaker}_{number}"] = f"s{speaker}"
            vectors[f"s{speaker}_{number}"] = (centre + 0.3 * draw.normal(size=12)).astype(np.float32)
    folder = tmp_path / "d"
    folder.mkdir()
    write_ark(folder / "x.ark", folder / "x.scp", sorted(vectors.items()))
    write_table(folder / "utt2spk", utt2spk)
    return folder


def run(data: Path, out: Path, *more: str, **changed: object) -> bytes:
    options = ["--data", str(data), "--feats", str(data / "x.scp"), "--device", "cpu", *more]
    train_embedding.main([canonical(config(**changed)), *options, str(out / "final.pt")])
    return (out / "final.pt").read_bytes()


def test_trained_and_resumed(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(data, tmp_path / "whole")
    bundle = load_bundle(tmp_path / "whole/final.pt")
    assert bundle.feature_config == {"type": "embeddings", "of": "xvector", "dimension": 12}
    assert (bundle.num_features, bundle.config["source"], bundle.config["features"]) == (12, "embeddings", None)
    assert read_spec(str(tmp_path / "whole/final.pt")).num_features == 12
    one_step = trainer.Trainer._one_step

    def stopping(self: trainer.Trainer, *batch: object) -> None:
        if self.step == 3:
            raise KeyboardInterrupt
        one_step(self, *batch)

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "CHECKPOINT_MINUTES", 0)
        patch.setattr(trainer.Trainer, "_one_step", stopping)
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "killed")
    assert run(data, tmp_path / "killed") == whole


def test_fine_tuned(data: Path, tmp_path: Path) -> None:
    run(data, tmp_path / "mlp")
    first = tmp_path / "mlp/final.pt"
    run(
        data,
        tmp_path / "tuned",
        "--init",
        str(first),
        init="mlp",
        embeddings_of="other",
        freeze=["layers.0", "layers.1"],
    )
    here, there = load_bundle(tmp_path / "tuned/final.pt"), load_bundle(first)
    kept = {name for name in here.network if torch.equal(here.network[name], there.network[name])}
    assert kept and kept == {name for name in here.network if name.startswith(("layers.0", "layers.1"))}
    with pytest.raises(SreError, match="--init would do nothing, as the model has no init"):
        run(data, tmp_path / "x", "--init", str(first))


def test_the_run_of_the_same_seed_is_read() -> None:
    runs = {name: Run("xvector", seed, "f") for name, seed in (("xvector", 1), ("xvector_s2", 2))}
    runs |= {name: Run("mlp", seed, source="embeddings", of="xvector") for name, seed in (("mlp", 1), ("mlp_s2", 2))}
    assert {name: run.of for name, run in with_sources(runs).items()} == {
        "xvector": None, "xvector_s2": None, "mlp": "xvector", "mlp_s2": "xvector_s2"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("of", "told"), [("xvektor", "'xvektor' is no run of this recipe; the nearest is 'xvector'"), ("mlp", "of its own")]
)
def test_embeddings_of_nobody(of: str, told: str) -> None:
    runs = {"xvector": Run("xvector", 1, "f"), "mlp": Run("mlp", 1, source="embeddings", of=of)}
    with pytest.raises(SreError, match=told):
        with_sources(runs)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"embeddings_of": None}, "source: embeddings needs embeddings_of"),
        ({"features": "fbank"}, "source: embeddings reads no features; take features: fbank away"),
        ({"augment": {"time_masks": 1}}, "augment.time_masks would do nothing to embeddings"),
        ({"source": "features"}, "features 'None' are not in the recipe's config"),
    ],
)
def test_what_does_not_go_with_embeddings(changed: dict, told: str) -> None:
    with pytest.raises(SreError, match=told):
        config(**changed)
