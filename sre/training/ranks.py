"""The processes of one training, each of which computes its part of every batch: torch's ranks.

`torchrun` starts them, on one machine or on several, and tells each its place in the environment. Alone, or with no
such environment, each operation here gives back what it was given, so that there is one loop for both.
"""

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, distributed

from sre import BrokenOff, SreError
from sre.machine.cards import LEAST_MIB
from sre.machine.device import choose_device
from sre.machine.log import silence
from sre.training.watch import OWN, Doing

MOST_WAIT = timedelta(minutes=30)  # for the slowest of them, at an exchange
KEYS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # that torchrun gives

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """The place of this process among those of a training.

    rank, size : its number among all of them, and how many they are
    local_rank, local_size : the same among those of this machine
    device : what it computes on, its own card on a GPU; tensors that are exchanged lie there
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    device: torch.device = torch.device("cpu")

    @property
    def is_first(self) -> bool:
        """Whether it is the one that writes files and talks."""
        return self.rank == 0

    def slice_of(self, n: int) -> slice:
        """Return this rank's contiguous part of n rows; the first n % size ranks have one more than the others."""
        least, more = divmod(n, self.size)
        begin = self.rank * least + min(self.rank, more)
        return slice(begin, begin + least + (self.rank < more))

    def share_of(self, count: int) -> int:
        """Return what each of the ranks on this machine has of something that they share, as its cores; at least 1."""
        return max(1, count // self.local_size)

    def summed(self, tensor: Tensor) -> Tensor:
        """Return the sum of the ranks' tensors, on each of them; with the gradient of the sum of their losses."""
        return tensor if self.size == 1 else _Sum.apply(tensor)

    def gathered(self, rows: Tensor, n: int) -> Tensor:
        """Return all (n, …) rows, of which each rank has its `slice_of(n)`; with the gradient as of `summed`."""
        if self.size == 1:
            return rows
        whole = rows.new_zeros(n, *rows.shape[1:])
        whole[self.slice_of(n)] = rows
        return self.summed(whole)

    def to_first(self, rows: Tensor, n: int) -> Tensor:
        """Return on the first rank all (n, …) rows, on the CPU, of which each rank has its `slice_of(n)`."""
        if not self.is_first:
            distributed.send(rows.detach().contiguous(), 0)
            return rows
        whole = [rows.detach().cpu()]
        for rank in range(1, self.size):
            own = replace(self, rank=rank).slice_of(n)
            part = rows.new_empty(own.stop - own.start, *rows.shape[1:])
            distributed.recv(part, rank)
            whole.append(part.cpu())
        return torch.cat(whole)

    def give(self, tensors: Sequence[Tensor]) -> None:
        """Give the tensors of all ranks the values that they have on the first."""
        if self.size > 1:
            with OWN.during(Doing.WAITS):
                for tensor in tensors:
                    distributed.broadcast(tensor, 0)

    def from_first(self, value: T) -> T:
        """Return what the first rank has given, whatever the others gave."""
        if self.size == 1:
            return value
        told: list[Any] = [value if self.is_first else None]
        with OWN.during(Doing.WAITS):
            distributed.broadcast_object_list(told, 0, device=self.device)
        return told[0]

    def told_by_all(self, value: T) -> list[T]:
        """Return what each rank has given, in their order, on each of them."""
        if self.size == 1:
            return [value]
        told: list[Any] = [None] * self.size
        distributed.all_gather_object(told, value)
        return told

    def seed(self, seed: int, step: int, alike: bool = False) -> None:
        """Seed torch's draws, as of dropout, by the training's seed, the step and the rank; alike: not by the rank.

        Then a checkpoint need not keep a generator of each rank. Alone the draws go on as they are.
        """
        if self.size > 1:
            key = [seed, 3, step, 0 if alike else 1 + self.rank]  # 1 and 2 are those of Batches
            torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1)[0]))


ALONE = Ranks()


class _Sum(torch.autograd.Function):
    """A sum over the ranks. The gradient of each one's part is the sum of what the ranks have for the whole."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        whole = tensor.clone(memory_format=torch.contiguous_format)
        with OWN.during(Doing.WAITS):
            distributed.all_reduce(whole)
        return whole

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.apply(gradient)


@contextmanager
def joined(device_name: str = "auto", least_mib: float = LEAST_MIB) -> Iterator[Ranks]:
    """Join the other processes of a training, of which torchrun's environment tells, on a device: auto, cpu or cuda.

    Without that environment, and of a single process, the rank is alone. Raises SreError where the environment is not
    whole, a card is missing, or another process has ended.
    """
    ranks = replace(_told(), device=choose_device(device_name, least_mib))
    if ranks.size == 1:
        yield ranks
        return
    if not ranks.is_first:
        silence()
    if ranks.device.type == "cuda":
        ranks = replace(ranks, device=_own_card(ranks))
        torch.cuda.set_device(ranks.device)
    try:
        distributed.init_process_group(
            "nccl" if ranks.device.type == "cuda" else "gloo",
            timeout=MOST_WAIT,
            device_id=ranks.device if ranks.device.type == "cuda" else None,
        )
        yield ranks
    except RuntimeError as error:
        if not _is_of_peers(error):
            raise
        reason = re.sub(r"^\[\S+\] ", "", str(error).strip()).partition(". ")[0].splitlines()[0]
        raise BrokenOff(
            f"process {ranks.rank} of {ranks.size} lost another one of this training, or does not reach it"
            f" ({reason[:160]}); see what it said; then the same command goes on from the last checkpoint"
        ) from None
    distributed.destroy_process_group()


def _told() -> Ranks:
    """Return the place that the environment tells."""
    if not {"RANK", "WORLD_SIZE"} <= os.environ.keys() or os.environ["WORLD_SIZE"] == "1":
        return ALONE
    try:
        rank, size, local_rank, local_size = (int(os.environ[key]) for key in KEYS[:4])
        _ = [os.environ[key] for key in KEYS[4:]]
    except (KeyError, ValueError) as error:
        raise SreError(
            f"the environment has RANK and WORLD_SIZE, and of {', '.join(KEYS)} not all that is needed ({error}); start"
            " the training by torchrun, or unset both"
        ) from None
    return Ranks(rank, size, local_rank, local_size)


def _own_card(ranks: Ranks) -> torch.device:
    """Return the card of this rank. Raises SreError where there are more ranks on this machine than cards."""
    if ranks.local_rank >= torch.cuda.device_count():
        raise SreError(
            f"{ranks.local_size} processes of the training are on this machine, and torch finds"
            f" {torch.cuda.device_count()} cards; start one process a card"
        )
    return torch.device("cuda", ranks.local_rank)


def _is_of_peers(error: RuntimeError) -> bool:
    """Whether it is what torch raises where another process has gone, or does not answer."""
    return isinstance(error, distributed.DistError) or "gloo" in str(error).lower()
