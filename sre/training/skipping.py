"""An update that is undone where its loss is not finite, decided on the device: the host need not know."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.optim import Optimizer


def put_back_unless(good: Tensor, tensors: Iterable[Tensor], before: Iterable[Tensor]) -> None:
    """Give tensors their values of before, unless `good`, a bool on their device."""
    with torch.no_grad():
        for tensor, value in zip(tensors, before, strict=True):
            tensor.copy_(torch.where(good, tensor, value))


def step_if(good: Tensor, optimizer: Optimizer) -> None:
    """Do an optimiser's step if `good`, a bool on the device of its weights.

    torch's fused optimisers do so by themselves, as for its GradScaler. Of others the weights and what the optimiser
    keeps of them are put back. Their first step waits for the device, for only it makes what they keep.
    """
    if getattr(optimizer, "_step_supports_amp_scaling", False):
        _begin_momentum(optimizer)
        told = {"grad_scale": None, "found_inf": (~good).float()}
        vars(optimizer).update(told)
        optimizer.step()
        for name in told:
            delattr(optimizer, name)
        return
    if not optimizer.state:
        if good:
            optimizer.step()
        return
    before = [value.detach().clone() for value in _kept(optimizer)]
    optimizer.step()
    put_back_unless(good, _kept(optimizer), before)


def _begin_momentum(optimizer: Optimizer) -> None:
    """Make SGD's momentum 0 before its first step, which else leaves it undefined where it is skipped."""
    for group in optimizer.param_groups:
        for weights in group["params"] if group.get("momentum") else ():
            if weights.grad is not None and "momentum_buffer" not in optimizer.state[weights]:
                optimizer.state[weights]["momentum_buffer"] = torch.zeros_like(weights)


def _kept(optimizer: Optimizer) -> Iterator[Tensor]:
    """Yield the weights and what is kept of each, on their device."""
    for group in optimizer.param_groups:
        for weights in group["params"]:
            yield weights
            for value in optimizer.state.get(weights, {}).values():
                if isinstance(value, Tensor) and value.device == weights.device:
                    yield value
