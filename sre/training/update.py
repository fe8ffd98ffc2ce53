"""One update: what a batch of chunks does to the network, the loss and the optimiser.

On a GPU nothing here waits for it: what an update tells stays there until it is asked for, and an update that is not
finite is skipped there. On a CPU both are known at once.
"""

import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim import Optimizer

from sre import SreError
from sre.losses.base import Head
from sre.machine.device import autocast, to_device
from sre.machine.log import warn
from sre.models.base import Network
from sre.training.optimizers import rows_in_place
from sre.training.options import TrainingOptions
from sre.training.ranks import ALONE, Ranks
from sre.training.skipping import Before, step_if
from sre.training.watch import OWN, Doing

BAD_STEPS = 10  # so many non-finite losses in a row end the training
OVERFLOWS = 40  # so many gradients in a row that overflow in fp16 do: the scale begins at 2^16
LOOK_EVERY = 50  # updates, on a GPU, between two looks at what they tell


class Outcome(NamedTuple):
    """What an update tells: the sum of the losses of its chunks, how many of them were right, how many they are.

    finite : False where the loss or its gradient was not; the update was not done then, and all numbers are 0.
    norm : of the gradient of all parameters, before it is clipped
    step, utts : its number, and the indices of its utterances
    overflowed : that it was not finite is the gradient's scale in fp16, which is lower from then on
    """

    loss: float
    right: float
    norm: float
    chunks: int
    finite: bool
    step: int
    utts: Tensor
    overflowed: bool


class _Told(NamedTuple):
    """The same of an update on the device: mean loss, share of right chunks, norm, and whether it was finite."""

    numbers: Tensor
    step: int
    utts: Tensor


class WithLoss(nn.Module):
    """A network and its loss as one module, whose backward pass torch follows to exchange gradients meanwhile.

    The loss of a rank is that of its own chunks. Where a loss compares chunks, or a rank has some of its classes only,
    the embeddings of all ranks are gathered first, and each rank has the loss of the whole batch. They are exchanged in
    float32, as their gradients are then added up in it.
    """

    def __init__(self, network: Network, head: Head, options: TrainingOptions, ranks: Ranks) -> None:
        super().__init__()
        self.network, self.head, self.options, self.ranks = network, head, options, ranks
        self.compiled: Callable[[Tensor], Tensor] | None = None
        self.compares = head.needs_batches or not head.classifies
        self.gathers = self.compares or head.is_sharded

    def forward(self, chunks: Tensor, labels: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Return the mean loss, and the share of right chunks: (b, T, F) of this rank, (B,) classes of all ranks."""
        with autocast(chunks.device, self.options.precision):
            embeddings = (self.compiled or self.network)(chunks)
        inputs = chunks.mean(dim=1) if self.head.needs_inputs else None
        if self.gathers:
            wide = embeddings.to(torch.promote_types(embeddings.dtype, torch.float32))
            embeddings = self.ranks.gathered(wide, len(labels))
            inputs = None if inputs is None else self.ranks.gathered(inputs, len(labels))
            if self.compares:  # what such a loss draws is the same on all ranks; the dropout of a next part is not
                self.ranks.seed(self.options.seed, step, alike=True)
        else:
            labels = labels[self.ranks.slice_of(len(labels))]
        loss, logits = self.head(embeddings, labels, inputs)
        return loss, (logits.argmax(dim=1) == self.head.targets(labels)).float().mean()


def _in_parallel(module: WithLoss) -> DistributedDataParallel:
    """Return a module whose gradient is the mean over the ranks, exchanged while the backward pass goes on.

    With find_unused_parameters torch leaves its buckets of gradients as they are after the first step. Otherwise a
    training that goes on from a checkpoint would add the gradients of 3 ranks and more in another order.
    """
    if module.head.is_sharded:
        own = [f"head.{name}" for name in module.head.by_class]
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(module, own)
    warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")  # by a name that older torch has not
    return DistributedDataParallel(
        module, broadcast_buffers=False, find_unused_parameters=True, gradient_as_bucket_view=True
    )


@dataclass
class Update:
    """The updates of `network` and `head`, whose `parameters` are those of `optimizer`.

    On several ranks the gradient is that of the mean loss over the batch of all of them, and so is what is told.

    frozen : parts of the network that stay as in use: their batch norms' statistics, and no dropout
    waits : know at once what an update tells
    """

    network: Network
    head: Head
    optimizer: Optimizer
    parameters: Sequence[nn.Parameter]
    options: TrainingOptions
    device: torch.device
    frozen: Sequence[nn.Module] = ()
    ranks: Ranks = ALONE
    bad_in_a_row: int = 0
    overflows_in_a_row: int = 0
    told: list[_Told] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.waits = self.device.type == "cpu"
        self.module = WithLoss(self.network, self.head, self.options, self.ranks)
        learns = any(weight.requires_grad for weight in self.module.parameters())  # more than a part of the classes
        self.parallel = _in_parallel(self.module) if self.ranks.size > 1 and learns else None
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.options.precision == "fp16")

    def __call__(
        self, chunks: Tensor, labels: Tensor, rate: float, margin: float, constrain: bool, step: int, utts: Tensor
    ) -> bool:
        """Do the update of a batch of (B,) classes, of which (b, T, F) chunks are this rank's, at this rate and margin.

        Return whether it was done, as far as that is known: True on a GPU.

        constrain : move the weights towards what they must fulfil, where the network has such
        step, utts : see Outcome
        """
        self.head.margin = margin
        self.head.chunks_per_speaker = 0 if self.waits else self.options.chunks_per_speaker  # else they are counted
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train(), self.head.train()
        for part in self.frozen:
            part.eval()
        before = Before(self.network.buffers())
        self.optimizer.zero_grad(set_to_none=True)
        self.head.begin(labels, step)
        self.ranks.seed(self.options.seed, step)
        loss, right = self._gradient(chunks, to_device(labels, self.device), step)
        self.scaler.unscale_(self.optimizer)
        norm = self._norm()
        finite = torch.isfinite(loss) & torch.isfinite(norm)
        done = bool(finite) if self.waits else True
        if not self.waits:
            with rows_in_place(self.optimizer, self.head):
                step_if(finite, self.optimizer)
            before.put_back_unless(finite)
        elif done:
            with rows_in_place(self.optimizer, self.head):
                self.optimizer.step()
        else:
            before.put_back_unless(finite)  # batch norm's running statistics would stay NaN for good
        if constrain and done:
            self.network.constrain()
        if self.scaler.is_enabled():
            self.scaler.update()
        self.told.append(_Told(torch.stack([loss, right, norm.to(loss), finite.to(loss)]), step, utts))
        return done

    def _gradient(self, chunks: Tensor, labels: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Return the mean loss, computing its gradient in `accumulate` parts, and the share of right chunks."""
        parts = self.options.accumulate
        losses, shares = [], []
        for number, (some, classes) in enumerate(zip(chunks.chunk(parts), labels.chunk(parts), strict=True), 1):
            with self.parallel.no_sync() if self.parallel and number < parts else nullcontext():
                loss, right = (self.parallel or self.module)(some, classes, step)
                weight = 1.0 if self.module.gathers else len(some) * self.ranks.size / len(classes)
                OWN.note(Doing.EXCHANGES)
                self.scaler.scale(loss * weight / parts).backward()
            losses.append(loss.detach())
            shares.append(right)
        means = [losses[0], shares[0].to(losses[0])]
        if parts > 1:
            means = [torch.stack(losses).mean(), torch.stack(shares).mean().to(losses[0])]
        if self.ranks.size > 1:
            means = list(self.ranks.summed(torch.stack(means) * (len(some) / len(classes))))
        return means[0], means[1]

    def _norm(self) -> Tensor:
        """Return the norm of the gradient of all parameters, and clip it to clip_norm where there is one."""
        own = {id(one) for one in self.head.part.own_stand_ins} if self.head.part else set()
        norm, of_rank = (
            nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None and (id(p) in own) == mine])
            for mine in (False, True)
        )
        if own:
            norm = (norm.square() + self.ranks.summed(of_rank.square())).sqrt()
        if self.options.clip_norm:
            nn.utils.clip_grads_with_norm_(self.parameters, self.options.clip_norm, norm)
        return norm

    @property
    def is_due(self) -> bool:
        """Whether it is time to look at what updates told: after each on a CPU."""
        return self.waits or len(self.told) >= LOOK_EVERY

    def outcomes(self) -> list[Outcome]:
        """Return what the updates since the last look told; waits for the GPU."""
        told, self.told = self.told, []
        rows = torch.stack([one.numbers for one in told]).tolist() if told else []
        outcomes = []
        for (loss, right, norm, finite), one in zip(rows, told, strict=True):
            if not finite:
                overflowed = self.scaler.is_enabled() and abs(loss) < float("inf")
                outcomes.append(Outcome(0.0, 0.0, 0.0, 0, False, one.step, one.utts, overflowed))
                continue
            size = len(one.utts)
            outcomes.append(Outcome(loss * size, right * size, norm, size, True, one.step, one.utts, overflowed=False))
        return outcomes

    def count_bad(self, outcome: Outcome, utts: Sequence[tuple]) -> None:
        """Warn of an update that was not finite. Raises SreError where it is the last of too many in a row.

        utts : of the training, what `Outcome.utts` are the indices of; the second of each is its name
        """
        self.overflows_in_a_row = self.overflows_in_a_row + 1 if outcome.overflowed else 0
        if self.overflows_in_a_row >= OVERFLOWS:
            raise SreError(
                f"the gradient overflowed in fp16 {OVERFLOWS} steps in a row at step {outcome.step}, at ever lower"
                " scales; set training.precision: bf16 or fp32"
            )
        if outcome.finite or outcome.overflowed:
            self.bad_in_a_row = 0
            return
        self.bad_in_a_row += 1
        names = [utts[i][1] for i in outcome.utts[:3].tolist()]
        warn(f"step {outcome.step}: the loss or its gradient is not finite; skipped, utterances {names} …")
        if self.bad_in_a_row >= BAD_STEPS:
            raise SreError(
                f"{BAD_STEPS} steps in a row were not finite at step {outcome.step}; lower training.lr or the margin"
            )
