"""One update: what a batch of chunks does to the network, the loss and the optimiser."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from sre import SreError
from sre.losses.base import Head
from sre.machine.log import warn
from sre.models.base import Network
from sre.training.options import TrainingOptions

BAD_STEPS = 10  # so many non-finite losses in a row end the training


class Outcome(NamedTuple):
    """What an update tells: the sum of the losses of its chunks, how many of them were right, how many they are.

    finite : False where the loss or its gradient was not; the update was not done then, and all numbers are 0.
    norm : of the gradient of all parameters, before it is clipped
    """

    loss: float
    right: float
    chunks: int
    finite: bool
    norm: float = 0.0


@dataclass
class Update:
    """The updates of `network` and `head`, whose `parameters` are those of `optimizer`.

    frozen : parts of the network that stay as in use: their batch norms' statistics, and no dropout
    """

    network: Network
    head: Head
    optimizer: Optimizer
    parameters: Sequence[nn.Parameter]
    options: TrainingOptions
    device: torch.device
    frozen: Sequence[nn.Module] = ()
    bad_in_a_row: int = 0

    def __call__(self, chunks: Tensor, labels: Tensor, rate: float, margin: float, constrain: bool) -> Outcome:
        """Do the update of (B, T, F) chunks of (B,) classes at this learning rate and margin.

        constrain : move the weights towards what they must fulfil, where the network has such
        """
        o = self.options
        self.head.margin = margin
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.network.train(), self.head.train()
        for part in self.frozen:
            part.eval()
        before = [buffer.clone() for buffer in self.network.buffers()]
        labels = labels.to(self.device)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=o.precision == "bf16"):
            embeddings = self.network(chunks)
        loss, logits = self.head(embeddings, labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters, o.clip_norm or math.inf)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            for buffer, value in zip(self.network.buffers(), before, strict=True):
                buffer.copy_(value)  # batch norm's running statistics would stay NaN for good
            return Outcome(0.0, 0.0, 0, finite=False)
        self.optimizer.step()
        if constrain:
            self.network.constrain()
        right = logits.argmax(dim=1) == self.head.targets(labels)
        size = len(labels)
        return Outcome(float(loss.detach()) * size, float(right.float().mean()) * size, size, True, float(norm))

    def count_bad(self, outcome: Outcome, step: int, utts: Sequence[str]) -> None:
        """Warn of an update that was not finite. Raises SreError where it is the last of too many in a row."""
        if outcome.finite:
            self.bad_in_a_row = 0
            return
        self.bad_in_a_row += 1
        warn(f"step {step}: the loss or its gradient is not finite; skipped, utterances {utts[:3]} …")
        if self.bad_in_a_row >= BAD_STEPS:
            raise SreError(
                f"{BAD_STEPS} steps in a row were not finite at step {step}; lower training.lr or the margin"
            )
