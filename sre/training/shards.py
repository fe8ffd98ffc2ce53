"""Checkpoints of a loss whose classes the ranks have shared out: they have all of them, for any number of ranks."""

from collections.abc import Callable, Iterator
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from sre.losses.base import Head
from sre.models.base import Network

Change = Callable[[Tensor], Tensor]


def of_all(state: dict[str, Any], network: Network, head: Head, optimizer: Optimizer) -> dict:
    """Return on the first rank a checkpoint's state with the rows of all classes; all ranks ask for it together."""
    return _with_rows(head.part.whole, state, network, head, optimizer) if head.part and head.is_sharded else state


def of_rank(state: dict[str, Any], network: Network, head: Head, optimizer: Optimizer) -> dict:
    """Return a checkpoint's state with the rows of this rank's classes."""
    return _with_rows(head.part.own_rows, state, network, head, optimizer) if head.part and head.is_sharded else state


def head_of_all(head: Head) -> dict[str, Tensor]:
    """Return on the first rank the state of a loss with the rows of all classes; all ranks ask for it together."""
    state = head.state_dict()
    return _head_with_rows(head.part.whole, head, state) if head.part and head.is_sharded else state


def _with_rows(change: Change, state: dict[str, Any], network: Network, head: Head, optimizer: Optimizer) -> dict:
    """Return a state after a change of each tensor that has rows of classes: weights, moments, averages.

    The order is that of the state, the same on all ranks.
    """
    stand_ins = {id(one) for one in head.part.own_stand_ins} if head.part else set()
    order = [id(one) for group in optimizer.param_groups for one in group["params"]]
    moments = {
        number: {name: change(value) if value.dim() else value for name, value in kept.items()}
        for number, kept in state["optimizer"]["state"].items()
        if order[number] in stand_ins
    }
    changed = {"head": _head_with_rows(change, head, state["head"])}
    changed["optimizer"] = state["optimizer"] | {"state": state["optimizer"]["state"] | moments}
    if "average" in state:
        averages = list(_averages(change, state["average"]["averages"], network, head))
        changed["average"] = state["average"] | {"averages": averages}
    return state | changed


def _head_with_rows(change: Change, head: Head, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the state of a loss after a change of the tensors that have rows of classes."""
    return {name: change(value) if name in head.by_class else value for name, value in state.items()}


def _averages(change: Change, averages: list[Tensor], network: Network, head: Head) -> Iterator[Tensor]:
    """Yield the averages of all parameters, of those with rows of classes after the change."""
    rows = {id(one) for one in head.rows()}
    for weight, value in zip((*network.parameters(), *head.parameters()), averages, strict=True):
        yield change(value) if id(weight) in rows else value
