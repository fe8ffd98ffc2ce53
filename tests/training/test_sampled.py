"""Trainings whose loss computes with a part of its classes: what an update changes, and where a training ends."""

# ruff: noqa: F811 (fixtures of test_resume)

from pathlib import Path

import pytest
import torch
from test_resume import (
    MODEL,
    a_checkpoint_after_each_step,  # noqa: F401  (a fixture)
    config,
    data,  # noqa: F401
    resumed_and_whole,
)
from test_update import CPU, Mean
from torch import Tensor

from sre.losses import build_head
from sre.losses.partial import Part
from sre.models.bundle import load_bundle
from sre.training.optimizers import build_optimizer, trained
from sre.training.options import TrainingConfig
from sre.training.ranks import ALONE
from sre.training.update import Update
from sre.training.validation import loss_and_accuracy

CLASSES = 30


def update_of(share: float, loss: str = "subcentre_aam", **keys: object) -> Update:
    torch.manual_seed(0)
    network = Mean()
    head = build_head(network.embedding_dim, CLASSES, loss, 16.0)
    if share:
        head.part = Part(head.rows(), CLASSES, ALONE, share, sharded=False, seed=1)
    options = TrainingConfig.of(config(**keys)).training
    optimizer = build_optimizer(options, network, head)
    return Update(network, head, optimizer, trained(network, head), options, CPU)


def run(one: Update, steps: int = 5, bad: int = -1, waits: bool = True) -> list:
    one.waits = waits
    draw = torch.Generator().manual_seed(1)
    for step in range(steps):
        chunks = torch.randn(12, 20, 20, generator=draw) * (torch.nan if step == bad else 1)
        one(chunks, (torch.arange(12) + step) % 7, 0.05, 0.1, step % 4 == 0, step, torch.arange(12))
    return one.outcomes()


def weights(one: Update) -> list[Tensor]:
    return [*one.network.state_dict().values(), *one.head.state_dict().values()]


@pytest.mark.parametrize("loss", ["softmax", "subcentre_aam"])
@pytest.mark.parametrize(
    "keys",
    [
        {"clip_norm": 0.1, "weight_decay": 0.1},
        {"momentum": 0.0, "accumulate": 3, "no_decay": ["head"]},
        {"optimizer": "adam", "lr": 0.01, "no_decay": ["biases"], "weight_decay": 0.1},
        {"optimizer": "adamw", "weight_decay": 0.1},
        {"optimizer": "novograd", "weight_decay": 0.1},
        {"precision": "fp16", "lr": 0.01},
    ],
    ids=lambda keys: "-".join(map(str, keys)),
)
def test_all_classes_drawn_are_the_training_of_before(loss: str, keys: dict) -> None:
    """0.99 of 30 classes are all 30: their rows go out, are changed, and come back."""
    whole, part = update_of(0, loss, **keys), update_of(0.99, loss, **keys)
    for a, b in zip(run(whole), run(part), strict=True):
        assert (a.loss, a.right, a.norm) == pytest.approx((b.loss, b.right, b.norm), rel=1e-5)
    for a, b in zip(weights(whole), weights(part), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "novograd"])
def test_rows_that_were_not_drawn_stay_with_what_is_kept_of_them(optimizer: str) -> None:
    one = update_of(0.4, optimizer=optimizer, weight_decay=0.1)
    ((weight, stand_in),) = one.head.part.stand_ins.items()
    drawn = set()
    for step in range(3):
        before = weight.detach().clone()
        one(torch.randn(12, 20, 20), torch.arange(12) % 7, 0.05, 0.1, False, step, torch.arange(12))
        changed = (weight != before).unflatten(0, (CLASSES, 3)).any(dim=2).any(dim=1)
        assert changed.nonzero()[:, 0].tolist() == one.head.part.places.tolist() and changed.sum() == 12
        drawn.update(one.head.part.places.tolist())
        assert stand_in.grad.shape == (36, 6) and weight.grad is None
    kept = [value for value in one.optimizer.state[stand_in].values() if value.shape == weight.shape]
    assert kept and 12 < len(drawn) < CLASSES
    for value in kept:
        moved = value.unflatten(0, (CLASSES, 3)).ne(0).any(dim=2).any(dim=1)
        assert set(moved.nonzero()[:, 0].tolist()) <= drawn


@pytest.mark.parametrize("bad", [0, 2])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "novograd"])
def test_a_bad_update_leaves_all_rows(optimizer: str, bad: int) -> None:
    known, unknown = (update_of(0.4, optimizer=optimizer) for _ in range(2))
    first, second = run(known, 4, bad), run(unknown, 4, bad, waits=False)
    assert [one.finite for one in first] == [one.finite for one in second] == [step != bad for step in range(4)]
    for a, b in zip(weights(known), weights(unknown), strict=True):
        torch.testing.assert_close(a, b)
        assert torch.isfinite(a).all()


def test_learns_with_half_of_the_classes_in_an_update() -> None:
    one, draw = update_of(0.5, "aam"), torch.Generator().manual_seed(2)
    speakers = 2 * torch.randn(CLASSES, 1, 20, generator=draw)

    def right() -> float:
        one.network.eval(), one.head.eval()
        return loss_and_accuracy(one.head, one.network(speakers), torch.arange(CLASSES))[1]

    before = right()
    for step in range(150):
        labels = torch.randint(CLASSES, (12,), generator=draw)
        chunks = speakers[labels] + torch.randn(12, 5, 20, generator=draw)
        one(chunks, labels, 0.1, 0.1, False, step, labels)
    assert before < 20
    assert right() > 70


@pytest.mark.parametrize(
    "how",
    [{}, {"final": "ema", "ema": 0.9, "optimizer": "adam", "lr": 0.002, "clip_norm": 1.0, "precision": "fp16"}],
    ids=["sgd", "ema"],
)
def test_killed_and_gone_on_as_uninterrupted(data: Path, tmp_path: Path, monkeypatch, how: dict) -> None:
    monkeypatch.setitem(MODEL, "loss", {"type": "subcentre_aam", "margin_epochs": [1, 2], "sampled": 0.5})
    resumed, whole = resumed_and_whole(data, tmp_path, monkeypatch, 4, **how)
    assert resumed == whole
    assert load_bundle(tmp_path / "whole" / "final.pt", with_head=True).head["weight"].shape == (8 * 3, 8)
