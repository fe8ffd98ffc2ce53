"""A part of the classes: the same as all of them where it is all, and where ranks share them out."""

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from sre import SreError
from sre.losses import HEADS, Head, build_head
from sre.losses.partial import Part, drawn
from sre.training import ranks as ranks_module
from sre.training.ranks import ALONE, Ranks

D, CLASSES, SEED = 4, 9, 3
OPTIONS = {"subcentre_aam": {"centres": 2, "top_k": 3, "penalty": 0.1}}
SPEAKERS = torch.tensor([4, 1, 6, 1, 4, 6])
TAKING = [name for name, kind in HEADS.items() if "sampled" in kind.takes]


def batch() -> Tensor:
    return torch.randn(len(SPEAKERS), D, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def head_of(name: str, classes: int = CLASSES) -> Head:
    torch.manual_seed(5)
    head = build_head(D, classes, name, 8.0, **OPTIONS.get(name, {})).double()
    head.margin = 0.3
    return head


def with_part(name: str, share: float, ranks: Ranks = ALONE) -> Head:
    head = head_of(name)
    head.part = Part(head.rows(), CLASSES, ranks, share, ranks.size > 1, SEED)
    head.begin(SPEAKERS, step=7)
    return head


def rows_of(name: str, classes: np.ndarray) -> list[Tensor]:
    return [row.detach().unflatten(0, (CLASSES, -1))[classes].flatten(0, 1) for row in head_of(name).rows()]


def of_classes(name: str, classes: np.ndarray) -> tuple[float, Tensor, list[Tensor], Tensor]:
    """Loss, the gradients, and whether chunks are right, of a plain loss that has these classes and no others."""
    head, x = head_of(name, len(classes)), batch().requires_grad_()
    for own, rows in zip(head.rows(), rows_of(name, classes), strict=True):
        own.data.copy_(rows)
    head.train()
    loss, logits = head(x, columns := torch.from_numpy(np.searchsorted(classes, SPEAKERS.numpy())))
    loss.backward()
    return loss.item(), x.grad, [own.grad for own in head.rows()], logits.argmax(dim=1) == columns


@given(
    speakers=st.lists(st.integers(0, 19), min_size=1), share=st.floats(0.01, 1), seed=st.integers(0, 9), n=st.just(20)
)
def test_the_classes_of_an_update(speakers: list[int], share: float, seed: int, n: int) -> None:
    classes = drawn(np.array(speakers), n, share, seed, step=3)
    assert {*speakers} <= {*classes.tolist()} <= {*range(n)} and (np.diff(classes) > 0).all()
    assert len(classes) == max(math.ceil(share * n), len({*speakers}))
    assert np.array_equal(classes, drawn(np.array(speakers), n, share, seed, step=3))


def test_other_classes_in_each_update_all_as_often() -> None:
    counts = np.zeros(50)
    for step in range(2000):
        counts[drawn(np.array([3]), 50, 0.2, 1, step)] += 1
    others = np.delete(counts, 3)  # 9 of 49 each: 367, deviation 17
    assert counts[3] == 2000 and others.min() > 290 and others.max() < 450


@pytest.mark.parametrize("share", [1.0, 0.95, 0.4])
@pytest.mark.parametrize("name", TAKING)
def test_a_part_is_the_loss_over_these_classes(name: str, share: float) -> None:
    """0.95 of 9 classes are all 9, by way of the copies."""
    classes = drawn(SPEAKERS.numpy(), CLASSES, share, SEED, 7)
    expected, of_x, of_rows, right = of_classes(name, classes)
    head, x = with_part(name, share), batch().requires_grad_()
    loss, logits = head(x, SPEAKERS)
    loss.backward()
    assert loss.item() == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(x.grad, of_x)
    torch.testing.assert_close([one.grad for one in head.part.stand_ins.values()], of_rows)
    assert all(weight.grad is None for weight in head.rows())
    assert torch.equal(logits.argmax(dim=1) == head.targets(SPEAKERS), right)


@pytest.mark.parametrize("name", TAKING)
def test_a_validation_is_over_all_classes(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sre.losses.partial.BLOCK", 2)
    whole, part, x = head_of(name).eval(), with_part(name, 0.4).eval(), batch()
    (loss, logits), (expected, all_logits) = part(x, SPEAKERS), whole(x, SPEAKERS)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-12)
    assert torch.equal(logits.argmax(dim=1) == part.targets(SPEAKERS), all_logits.argmax(dim=1) == SPEAKERS)


@pytest.mark.parametrize("name", [name for name in TAKING if name != "circle"])  # whose weights are constants
def test_gradient_of_a_part(name: str) -> None:
    head = with_part(name, 0.4)

    def loss(x: Tensor, *rows: Tensor) -> Tensor:
        head.part.stand_ins = dict(zip(head.rows(), rows, strict=True))
        return head(x, SPEAKERS)[0]

    rows = [one.detach().clone().requires_grad_() for one in head.part.stand_ins.values()]
    assert torch.autograd.gradcheck(loss, [batch().requires_grad_(), *rows])


class Exchange:
    """Ranks that are threads of one process: what Ranks asks of torch.distributed."""

    def __init__(self, size: int) -> None:
        self.own, self.slots, self.barrier = threading.local(), [torch.empty(0)] * size, threading.Barrier(size)

    def all_reduce(self, tensor: Tensor) -> None:
        self.slots[self.own.rank] = tensor.clone()
        self.barrier.wait(30)
        tensor.copy_(sum(self.slots[1:], self.slots[0]))
        self.barrier.wait(30)

    def together(self, work: Callable[[Ranks], object]) -> list:
        def one(rank: int) -> object:
            self.own.rank = rank
            return work(Ranks(rank, len(self.slots)))

        with ThreadPoolExecutor(len(self.slots)) as pool:
            return list(pool.map(one, range(len(self.slots))))


@pytest.mark.parametrize("share", [1.0, 0.4])
@pytest.mark.parametrize("size", [2, 4])
@pytest.mark.parametrize("name", TAKING)
def test_classes_shared_out_to_ranks(name: str, size: int, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mean of the ranks' losses is the loss, and its gradients are those over all classes, or those drawn."""
    exchange = Exchange(size)
    monkeypatch.setattr(ranks_module, "distributed", exchange)

    def work(ranks: Ranks) -> tuple:
        x, head = batch().requires_grad_(), heads[ranks.rank]
        loss, logits = head(x, SPEAKERS)
        loss.backward()
        grads = [one.grad for one in head.part.stand_ins.values()]
        with torch.no_grad():
            validated = head.eval()(x, SPEAKERS)[0].item()
        return loss.item(), x.grad, grads, logits.argmax(dim=1) == head.targets(SPEAKERS), validated

    heads = [with_part(name, share, Ranks(rank, size)) for rank in range(size)]
    losses, of_x, grads, right, validated = zip(*exchange.together(work), strict=True)
    classes = drawn(SPEAKERS.numpy(), CLASSES, share, SEED, 7)
    loss, expected_x, expected_rows, expected_right = of_classes(name, classes)
    assert losses == pytest.approx([loss] * size, rel=1e-12)
    torch.testing.assert_close(sum(of_x) / size, expected_x)
    torch.testing.assert_close([torch.cat(rows) for rows in zip(*grads, strict=True)], expected_rows)
    assert all(torch.equal(one, expected_right) for one in right)
    assert validated == pytest.approx([head_of(name).eval()(batch(), SPEAKERS)[0].item()] * size, rel=1e-12)


def test_more_ranks_than_classes_are_refused() -> None:
    with pytest.raises(SreError, match="loss.sharded: 9 classes are fewer than 10 processes; take fewer devices"):
        with_part("am", 1.0, Ranks(0, 10))
