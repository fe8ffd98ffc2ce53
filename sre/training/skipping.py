"""An update that is undone where its loss is not finite, decided on the device: the host need not know."""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.optim import Optimizer


class Before:
    """What tensors held before an update.

    All of one type are one copy: a network has hundreds of buffers, and a GPU takes longer to start a kernel than to
    copy one of them. The tensors must be dense, as weights and buffers are.
    """

    def __init__(self, tensors: Iterable[Tensor]) -> None:
        self.tensors: dict[torch.dtype, list[Tensor]] = {}  # as they lie in memory, (n,) each
        for tensor in tensors:
            lying = tensor.detach().as_strided((tensor.numel(),), (1,))
            self.tensors.setdefault(tensor.dtype, []).append(lying)
        self.values = {dtype: torch.cat(group) for dtype, group in self.tensors.items()}

    @torch.no_grad()
    def put_back_unless(self, good: Tensor) -> None:
        """Give the tensors their values of before, unless `good`, a bool on their device."""
        for dtype, group in self.tensors.items():
            wanted = torch.where(good, torch.cat(group), self.values[dtype])
            torch._foreach_copy_(group, wanted.split([len(tensor) for tensor in group]))


def step_if(good: Tensor, optimizer: Optimizer) -> None:
    """Do an optimiser's step if `good`, a bool on the device of its weights.

    torch's fused optimisers do so by themselves, as for its GradScaler. Of others the weights and what the optimiser
    keeps of them are put back. Without a method `begin` their first step waits for the device, for only it makes that.
    """
    if getattr(optimizer, "_step_supports_amp_scaling", False):
        _begin_momentum(optimizer)
        told = {"grad_scale": None, "found_inf": (~good).float()}
        vars(optimizer).update(told)
        optimizer.step()
        for name in told:
            delattr(optimizer, name)
        return
    if begin := getattr(optimizer, "begin", None):
        begin()
    if not optimizer.state:
        if good:
            optimizer.step()
        return
    before = Before(_kept(optimizer))
    optimizer.step()
    before.put_back_unless(good)


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
