"""What is kept of a training: the epochs that make the final network, when there is enough, the weights' mean."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor, nn

from sre import SreError
from sre.config.training_checks import BEST
from sre.machine.log import warn
from sre.models.bundle import load_bundle
from sre.training import checkpoint
from sre.training.options import TrainingOptions
from sre.training.schedule import Span
from sre.training.summary import BUNDLE_FILE, HISTORY_FILE, Epoch, read_history


def best_epoch(history: Sequence[Epoch], column: str) -> int:
    """Return the number of the epoch with the lowest value, the first of equal ones; what is not finite is never best.

    0 where no epoch has a value.
    """
    told = [(row.get(column), number) for number, row in enumerate(history, 1)]
    known = [(value, number) for value, number in told if value is not None and math.isfinite(value)]
    return min(known)[1] if known else 0


def has_converged(history: Sequence[Epoch], options: TrainingOptions) -> bool:
    """Return whether `training.patience` epochs in a row have not been better than the best one before them."""
    return 0 < options.patience <= len(history) - best_epoch(history, options.monitor)


def why_ended(history: Sequence[Epoch], options: TrainingOptions, span: Span) -> str:
    """Return why a training ended before its last epoch; "" where it did not."""
    if not has_converged(history, options) or len(history) >= span.epochs:
        return ""
    best = best_epoch(history, options.monitor)
    last = f"the best was {history[best - 1][options.monitor]:.4g}, of epoch {best}" if best else "none had any"
    return (
        f"it ended after epoch {len(history)} of {span.epochs}, as {options.patience} in a row had no better"
        f" {options.monitor}; {last}"
    )


def final_epochs(history: Sequence[Epoch], options: TrainingOptions, span: Span) -> list[int]:
    """Return the epochs whose ends make the final network, if the training ends as it is planned, or now.

    With patience any epoch may be the last one; without, it is the last of the plan. A moving average is of all, and
    of no epoch's end.
    """
    if options.final == "ema":
        return []
    if options.final in BEST:
        return [best] if (best := best_epoch(history, BEST[options.final])) else []
    last = len(history) if options.patience else span.epochs
    count = options.average_last if options.final == "average" else 1
    return list(range(max(1, last - count + 1), last + 1))


def words_of(history: Sequence[Epoch], options: TrainingOptions, span: Span) -> str:
    """Return what the final network is, for people."""
    epochs = final_epochs(history, options, span)
    if options.final == "ema":
        return f"the moving average of the weights, with decay {options.ema:g}"
    if options.final in BEST:
        column = BEST[options.final]
        return f"that of epoch {epochs[0]}, whose {column} {history[epochs[0] - 1][column]:.4g} is the lowest"
    if len(epochs) == 1:
        return f"that of epoch {epochs[0]}, the last one"
    return f"the mean of epochs {epochs[0]} to {epochs[-1]}"


def path_of(folder: Path, step: int) -> Path:
    """Return the checkpoint after so many steps."""
    return folder / f"step_{step:09}.pt"


def tidy(folder: Path, epochs: Sequence[int], span: Span) -> None:
    """Delete the checkpoints that nobody needs: all but the newest two and those at the ends of `epochs`."""
    needed = {path_of(folder, span.end_of(epoch)) for epoch in epochs}
    for old in set(checkpoint.find(folder)[:-2]) - needed:
        old.unlink()


def finished(folder: Path) -> list[Epoch]:
    """Return the history of a training whose final network is in the folder of its checkpoints; else [].

    It is there under a second name, because Snakemake deletes the final.pt of a job that was killed or has failed, as
    of a disk too full for its log. The checkpoints may be deleted by then.
    """
    if not (folder / BUNDLE_FILE).is_file():
        return []
    try:
        load_bundle(folder / BUNDLE_FILE)
        return read_history(folder / HISTORY_FILE)
    except SreError as error:
        warn(f"{error} (it is made again)")
        return []


def clear(folder: Path, what: str) -> None:
    """Delete checkpoints of a training that is done and whose network is kept: `training.checkpoints` says which.

    The newest goes last, so that a kill leaves what a training could go on from.
    """
    found = checkpoint.find(folder)
    for path in {"none": found, "last": found[:-1], "all": []}[what]:
        path.unlink()


@dataclass(frozen=True)
class States:
    """The final weights by state-dict key."""

    network: dict[str, Tensor]
    head: dict[str, Tensor]


def mean_of(folder: Path, epochs: Sequence[int], span: Span) -> States:
    """Return the mean of the checkpoints at the ends of epochs. Raises SreError where one is missing or damaged."""
    if not epochs:
        raise SreError(
            f"{folder}: no epoch had a value to choose by; lower training.lr, or set training.final: average"
        )
    try:
        parts = checkpoint.average([path_of(folder, span.end_of(epoch)) for epoch in epochs], ("network", "head"))
    except SreError as error:
        raise SreError(f"{error}: the final network needs it; delete {folder} to train again") from None
    return States(*parts)


def copy_of(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a copy of a module's state on the CPU."""
    return {name: value.detach().cpu().clone() for name, value in state.items()}


class MovingAverage:
    """The exponential moving average of the weights of `modules`, whose buffers, as of batch norms, are not averaged.

    After n updates it is the mean of the weights after each of them, which count `decay` times as much as those of the
    next one: the bias of the first ones is corrected as in D. Kingma, J. Ba, ICLR 2015, section 3.
    """

    def __init__(self, modules: Sequence[nn.Module], decay: float) -> None:
        self.weights = [weight.detach() for weight in chain.from_iterable(module.parameters() for module in modules)]
        self.averages = [weight.clone() for weight in self.weights]
        self.decay, self.updates = decay, 0

    @torch.no_grad()
    def add(self) -> None:
        """Count the weights after an update."""
        self.updates += 1
        share = (1 - self.decay) / (1 - self.decay**self.updates)
        torch._foreach_lerp_(self.averages, self.weights, share)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the modules the averages for a while."""
        before = [weight.clone() for weight in self.weights]
        torch._foreach_copy_(self.weights, self.averages)
        try:
            yield
        finally:
            torch._foreach_copy_(self.weights, before)

    def state_dict(self) -> dict:
        """Return what a checkpoint needs of it."""
        return {"updates": self.updates, "averages": self.averages}

    def load_state_dict(self, state: Mapping) -> None:
        """Go on from a checkpoint."""
        self.updates = state["updates"]
        for average, value in zip(self.averages, state["averages"], strict=True):
            average.copy_(value)
