"""A part of a loss's classes: a sample of them in each update, or those of this rank, for 100,000 speakers and more.

X. An et al., Partial FC: training 10 million identities on a single machine, ICCVW 2021, and Killing two birds with
one stone, CVPR 2022. Shapes: N classes of all ranks, C of them in an update here, K rows of each in a tensor
(sub-centres), B chunks, W ranks.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sre import SreError
from sre.machine.device import to_device

BLOCK = 8192  # classes whose unit-length rows are in memory at once, outside a training


class Peers(Protocol):
    """What is asked of the ranks of a training: sre/training/ranks.py has them."""

    @property
    def rank(self) -> int: ...
    @property
    def size(self) -> int: ...
    def slice_of(self, n: int) -> slice: ...
    def summed(self, tensor: Tensor) -> Tensor: ...
    def gathered(self, rows: Tensor, n: int) -> Tensor: ...
    def to_first(self, rows: Tensor, n: int) -> Tensor: ...


def drawn(speakers: np.ndarray, num_classes: int, share: float, seed: int, step: int) -> np.ndarray:
    """Return the ascending classes of an update: those of its `speakers`, and random others, up to a share of all."""
    own = np.unique(speakers)
    count = max(0, math.ceil(share * num_classes) - len(own))
    others = np.delete(np.arange(num_classes), own)
    draw = np.random.default_rng([seed, 4, step])  # 1 to 3 are those of batches and ranks
    return np.sort(np.concatenate([own, draw.choice(others, count, replace=False, shuffle=False)]))


class Part:
    """The classes that an update of a loss computes with on this rank.

    Its weights take no gradient. `stand_ins` do in their place: with a share below 1, copies of the rows of the classes
    that are drawn for an update, as a function of its chunks, the seed and the step. So neither a gradient nor an
    update of all rows is made.

    weights : tensors of N K rows each, in the order of the classes; where they are sharded, this rank's are left
    share : of all classes; those of the update's chunks are drawn in any case
    sharded : each rank has its slice of the classes; otherwise each has all, and draws the same
    Raises SreError where there are more ranks than classes.
    """

    def __init__(
        self, weights: Sequence[nn.Parameter], num_classes: int, peers: Peers, share: float, sharded: bool, seed: int
    ) -> None:
        self.weights, self.num_classes, self.share, self.seed, self.peers = weights, num_classes, share, seed, peers
        self.sharded = sharded and peers.size > 1
        self.own = slice(0, num_classes)
        if self.sharded:
            if peers.size > num_classes:
                raise SreError(
                    f"loss.sharded: {num_classes} classes are fewer than {peers.size} processes; take fewer devices"
                )
            self.own = peers.slice_of(num_classes)
            for weight in weights:
                weight.data = self.own_rows(weight.detach())
        self.num_own = self.own.stop - self.own.start
        self.places = torch.empty(0, dtype=torch.long)

    @property
    def own_stand_ins(self) -> list[nn.Parameter]:
        """Stand-ins whose gradient is of rows that no other rank has."""
        return [*self.stand_ins.values()] if self.sharded else []

    @cached_property
    def stand_ins(self) -> dict[nn.Parameter, nn.Parameter]:
        """Map each weight to the parameter that takes its gradient, of all rows at first; asked for on its device."""
        for weight in self.weights:
            weight.requires_grad_(False)
        return {weight: nn.Parameter(weight.detach()) for weight in self.weights}

    def begin(self, speakers: Tensor, step: int) -> None:
        """Take the classes of an update, of the (B,) class indices of its whole batch on the CPU."""
        if self.share < 1:
            classes = drawn(speakers.numpy(), self.num_classes, self.share, self.seed, step)
            first, last = np.searchsorted(classes, [self.own.start, self.own.stop])
            places = torch.from_numpy(classes[first:last] - self.own.start)
            self.places = to_device(places, self.weights[0].device)
        for weight, stand_in in self.stand_ins.items():
            stand_in.data = self.rows_of(weight.detach())

    def rows_of(self, own: Tensor) -> Tensor:
        """Return the rows of the update's classes, of a tensor of this rank's: a copy, or all as they are."""
        return own.unflatten(0, (self.num_own, -1))[self.places].flatten(0, 1) if self.share < 1 else own

    def put(self, own: Tensor, rows: Tensor) -> None:
        """Write rows of the update's classes into a tensor of this rank's."""
        own.unflatten(0, (self.num_own, -1))[self.places] = rows.unflatten(0, (len(self.places), -1))

    def averaged(self) -> list[Tensor]:
        """Return the stand-ins, whose gradient is that of the mean of the ranks' losses."""
        alone = self.peers.size == 1
        return [one if alone else _Averaged.apply(one, self) for one in self.stand_ins.values()]

    def blocks(self) -> Iterator[Sequence[Tensor]]:
        """Yield rows of all weights, of so many of this rank's classes at a time."""
        yield from zip(*(weight.split(BLOCK * len(weight) // self.num_own) for weight in self.weights), strict=True)

    def columns(self, speakers: Tensor, training: bool) -> Tensor:
        """Return the places of (B,) class indices among the C classes of the update, or of the rank; C: elsewhere."""
        place = speakers - self.own.start
        here = (place >= 0) & (place < self.num_own)
        if self.share < 1 and training:
            return torch.where(here, torch.searchsorted(self.places, place), len(self.places))
        return torch.where(here, place, self.num_own)

    def cross_entropy(self, logits: Tensor, plain: Tensor, column: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean loss over the classes of all ranks, and (B, 2) logits without margin.

        The latter are the largest of the other classes, and the target's.
        logits, plain : (B, C + 1), with margin and without; the last one is that of targets of other ranks
        column : (B, 1) of the targets
        """
        elsewhere = column == logits.shape[1] - 1
        own, own_plain = (one.gather(1, column).masked_fill(elsewhere, 0.0).squeeze(1) for one in (logits, plain))
        total = functional.pad(logits[:, :-1], (0, 1), value=-math.inf).logsumexp(dim=1)
        others = functional.pad(plain.detach()[:, :-1], (0, 1), value=-math.inf).scatter(1, column, -math.inf)
        told = torch.stack([total, own, own_plain, others.amax(dim=1)])[..., None]
        totals, targets, plain_targets, most = self._of_all(told)  # (B, W) each
        loss = (totals.logsumexp(dim=1) - targets.sum(dim=1)).mean()
        return loss, torch.stack([most.amax(dim=1), plain_targets.sum(dim=1)], dim=1)

    def hardest(self, similarity: Tensor, column: Tensor, count: int) -> Tensor:
        """Return the (B, count) columns of the most similar classes but the target; C where they are of other ranks.

        similarity : (B, C + 1), the last one of targets of other ranks
        """
        last = similarity.shape[1] - 1
        others = functional.pad(similarity.detach()[:, :-1], (0, max(1, count - last)), value=-math.inf)
        values, columns = others.scatter(1, column, -math.inf).topk(count)
        if not count:
            return columns
        values, chosen = self._of_all(values).topk(count)
        is_own = (chosen // count == (self.peers.rank if self.sharded else 0)) & (values > -math.inf)
        return torch.where(is_own, columns.gather(1, chosen % count), last)

    def _of_all(self, values: Tensor) -> Tensor:
        """Return the values of all ranks that have classes of their own side by side, (..., k) -> (..., W k)."""
        if not self.sharded:
            return values
        return self.peers.gathered(values[None], self.peers.size).movedim(0, -2).flatten(-2)

    def own_rows(self, whole: Tensor) -> Tensor:
        """Return a copy of this rank's part of the rows of all classes."""
        return whole.unflatten(0, (self.num_classes, -1))[self.own].flatten(0, 1).clone()

    def whole(self, own: Tensor) -> Tensor:
        """Return the rows of all classes on the first rank, of each rank's own ones; all ranks ask for it together."""
        if not self.sharded:
            return own
        return self.peers.to_first(own.unflatten(0, (self.num_own, -1)), self.num_classes).flatten(0, 1)


class _Averaged(torch.autograd.Function):
    """What it is given. The gradient is that of the mean of the ranks' losses, where torch has that of a rank's own.

    Of rows that a rank alone has it is that of the sum of the losses before, since the logits are exchanged.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, part: Part) -> Tensor:
        ctx.part = part
        return rows.view_as(rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        part = ctx.part
        return (gradient if part.sharded else part.peers.summed(gradient)) / part.peers.size, None
