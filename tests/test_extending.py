"""The examples of docs/extending.md work: a network, a pooling, a loss and a norm, put where the page says."""

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
import torch

from sre.backends import Cohort, Cosine, Pairs, norm, scores_of_pairs
from sre.config.resolve import resolve_model
from sre.config.schema import Schema
from sre.io.embeddings import Embeddings
from sre.losses import HEADS, build_head
from sre.models import ARCHITECTURES, build, cost
from sre.models.pooling import POOLINGS

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = [
    dedent(text) for text in re.findall(r"^ *```\n(.*?)^ *```$", (ROOT / "docs/extending.md").read_text(), re.M | re.S)
]
SCHEMA = (ROOT / "recipes/config.schema.yaml").read_text(encoding="utf-8")


def block(mark: str) -> str:
    """The page's only block with this text."""
    (found,) = [text for text in BLOCKS if mark in text]
    return found


def class_of(name: str, module: str) -> type:
    """The page's class, as if it stood at the end of a module of ours, or in a new one."""
    names = dict(vars(importlib.import_module(module))) if module else {}
    exec(block(f"class {name}("), names)
    return names[name]


@pytest.fixture
def edited(tmp_path: Path) -> Callable[..., Schema]:
    """The schema with the page's entry under a part of $defs, and its name in an enum, which begins with a name."""

    def make(enum: str, name: str, part: str = "") -> Schema:
        text = SCHEMA.replace(f"enum: [{enum},", f"enum: [{name}, {enum},", 1)
        if part:
            entry = "".join(f"    {line}\n" for line in block(f"{name}:\n").splitlines())
            text = re.sub(rf"^  {part}:.*\n", lambda found: found[0] + entry, text, flags=re.M)
        path = tmp_path / "config.schema.yaml"
        path.write_text(text, encoding="utf-8")
        return Schema(path)

    return make


def resolved(schema: Schema, path: Path, text: str) -> dict:
    path.write_text(text)
    features = {"fbank40": schema.check({"num_mel_bins": 40}, "f", "$defs", "features")}
    return resolve_model(schema, path, features, seed=1)


def test_the_norm() -> None:
    """Of two models and three tests, without common speakers; with all of the cohort and with the nearest two."""
    names = dict(vars(norm))
    exec(block("def _meannorm("), names)
    x = np.random.default_rng(1).normal(size=(10, 4))
    cohort = Cohort.of(Cosine(), Embeddings(np.arange(5), x[5:]))
    pairs = Pairs(Cosine().enrol(x, [[0], [1]]), Cosine().test(x[2:5]), np.array([0, 0, 1]), np.array([0, 2, 1]))
    raw, of_cohort = scores_of_pairs(pairs), np.sort(Cosine().score(x[:5], x[5:]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(norm.METHODS, "meannorm", norm.Method(names["_meannorm"]))
        for top_n in (0, 2):
            mean = of_cohort[:, -top_n:].mean(axis=1)
            scores, _ = norm.normalise(raw, pairs, cohort, "meannorm", top_n)
            np.testing.assert_allclose(scores, raw - (mean[[0, 0, 1]] + mean[[2, 4, 3]]) / 2)


def test_the_network(tmp_path: Path, edited: Callable[..., Schema], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ARCHITECTURES, "meannet", class_of("MeanNet", ""))
    model = resolved(
        edited("xvector", "meannet", "architectures"), tmp_path / "meannet.yaml", block("architecture: meannet")
    )
    network = build(model["architecture"], 40, model["options"])
    assert network.embed(torch.randn(2, 30, 40)).shape == (2, network.embedding_dim) == (2, 64)
    assert network.reparameterise() is network and network.constrain() is None
    assert cost.receptive_field(cost.Spec("meannet", 40, model["options"])) == 1


def test_the_pooling(tmp_path: Path, edited: Callable[..., Schema], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(POOLINGS, "tmp", class_of("TMP", "sre.models.pooling"))
    text = "features: fbank40\narchitecture: etdnn\noptions: {pooling: tmp}\n"
    model = resolved(edited("tap", "tmp"), tmp_path / "m.yaml", text)
    pool = build("etdnn", 40, model["options"]).pooling()
    assert pool is not None and pool.out_dim == 1500
    x, mask = torch.tensor([[[1.0, 3.0, 9.0], [-2.0, -5.0, 0.0]]]), torch.tensor([[True, True, False]])
    assert pool(x).tolist() == [[9, 0]] and pool(x, mask).tolist() == [[3, -2]]


def test_the_loss(tmp_path: Path, edited: Callable[..., Schema], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(HEADS, "smoothed_softmax", class_of("SmoothedSoftmax", "sre.losses.classification"))
    text = "features: fbank40\narchitecture: xvector\nloss: {type: smoothed_softmax}\n"
    loss = resolved(edited("softmax", "smoothed_softmax", "losses"), tmp_path / "m.yaml", text)["loss"]
    head = build_head(3, 4, loss["type"], loss["scale"], **loss["options"])
    x, speakers = torch.randn(5, 3), torch.tensor([0, 1, 2, 3, 0])
    value, logits = head(x, speakers)
    target = 0.9 * torch.eye(4)[speakers] + 0.1 / 4
    torch.testing.assert_close(value, -(target * logits.log_softmax(dim=1)).sum(dim=1).mean())
