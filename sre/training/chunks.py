"""The loader that makes batches of a source's chunks, in processes beside the training where that helps."""

import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, UntypedStorage
from torch.utils.data import DataLoader, get_worker_info

from sre import SreError
from sre.machine.cores import available_cores, one_blas_thread
from sre.training.advice import Reading
from sre.training.batches import Batches, Item
from sre.training.ranks import Ranks
from sre.training.sources import Sample, Source

CPU = torch.device("cpu")


class Batch(NamedTuple):
    """What a step is trained on.

    indices, copies : (B,) of the utterances, and their augmented copies
    chunks : (B, T, F) of features, (B, S) of waveforms
    draws : (B, …) as of `Sample`
    left_out : distortions that were drawn and could not be applied
    """

    indices: Tensor
    copies: Tensor
    chunks: Tensor
    draws: Tensor
    left_out: int


def _collate(samples: list[Sample]) -> Batch:
    indices, copies, chunks, draws, left_out = zip(*samples, strict=True)
    out = None
    if get_worker_info():  # in memory that the training sees too, so that the batch is not copied there once more
        room = UntypedStorage._new_shared(4 * len(chunks) * chunks[0].numel())
        out = torch.empty(0).set_(room).view(len(chunks), *chunks[0].shape)
    stacked = torch.stack(chunks, out=out)
    return Batch(torch.tensor(indices), torch.tensor(copies), stacked, torch.stack(draws), sum(left_out))


def _begin_reading(number: int) -> None:
    """Let a reading process multiply by one thread: of a thread a core in each of them, most would be in the way."""
    one_blas_thread()


def read(loader: DataLoader) -> Iterator[Batch]:
    """Yield the batches of a loader. Raises SreError, in one sentence, for what goes wrong in a reading process."""
    try:
        yield from loader
    except SreError as error:  # PyTorch puts the traceback before it
        raise SreError(re.split(r"(?:SreError|AudioError): ", str(error))[-1].strip()) from None
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise SreError(
            f"a process that reads features was killed ({str(error).splitlines()[0]}), often for lack of memory;"
            " make room, then the same command goes on from the last checkpoint"
        ) from None


@dataclass
class OwnRows:
    """The rows of a rank of each of `batches`, whose `parts` are computed one after another: its slice of each part.

    whole : the batches of all ranks that the loader has asked for, and nobody has taken yet
    """

    batches: Batches
    ranks: Ranks
    parts: int = 1
    whole: deque[list[Item]] = field(default_factory=deque)

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[Item]]:
        rows = np.arange(self.batches.chunks).reshape(self.parts, -1)
        own = rows[:, self.ranks.slice_of(rows.shape[1])].ravel().tolist()
        for items in self.batches:
            self.whole.append(items)
            yield [items[row] for row in own]

    def next_whole(self, copy_of: Callable[[np.ndarray], int]) -> tuple[Tensor, Tensor]:
        """Return the (B,) utterances and augmented copies of all ranks' part of the next batch of the loader."""
        items = self.whole.popleft()
        return torch.tensor([index for index, _, _ in items]), torch.tensor([copy_of(row[1:]) for _, _, row in items])


def processes_of(source: Source, num_workers: int, device: torch.device = CPU) -> int:
    """Return how many processes read beside the training: none where all is in memory, and the CPU has the network.

    A training on a GPU keeps its own process for what the GPU is told: a thread that reads would hold Python's lock.
    """
    return 0 if source.in_memory and device.type == "cpu" else num_workers


def reading_of(source: Source, num_workers: int, device: torch.device = CPU) -> Reading:
    """Return how a training on a device reads a source with at most so many processes."""
    kept = source.in_memory or source.is_kept
    return Reading(source.kind, kept, processes_of(source, num_workers, device), available_cores())


def make_loader(
    source: Source, batches: Iterable[list[Item]], num_workers: int, device: torch.device = CPU
) -> DataLoader:
    """Return a loader of batches, for a training on a device; for a GPU they are in pinned memory.

    On Linux its processes are forked, also where Python would start them otherwise (3.14): tables and decoded audio are
    shared, not copied into each. They leave a GPU alone, which may be in use by then.
    """
    workers, on_gpu = processes_of(source, num_workers, device), device.type == "cuda"
    if workers:
        source.load_all()  # before they are forked
    context = "fork" if workers and sys.platform == "linux" else None
    own = torch.Generator()  # without it the loader draws from the global one, and a resumed training has other draws
    return DataLoader(
        source,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_collate,
        pin_memory=on_gpu,
        generator=own,
        worker_init_fn=_begin_reading if on_gpu else None,  # on a CPU speeds would end in other last digits
        multiprocessing_context=context,
    )
