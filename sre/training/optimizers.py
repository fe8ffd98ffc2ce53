"""Optimisers: which there are, NovoGrad, and which weights they let decay."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from sre import SreError
from sre.losses.base import Head
from sre.models.base import Network, part_of
from sre.training.options import TrainingOptions

KINDS_OF_WEIGHTS = ("norms", "biases", "head")  # of training.no_decay, beside parts of the network
NORMS = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm)


class NovoGrad(Optimizer):
    """NovoGrad: Adam with a second moment for each tensor. B. Ginsburg et al., arXiv:1905.11286, algorithm 1.

    Weight decay is added to the normalised gradient, before its mean over updates, as in the paper and NeMo. The
    default betas are those of NeMo's SpeakerNet.
    """

    def __init__(
        self,
        params: Any,
        lr: float,
        betas: tuple[float, float] = (0.95, 0.5),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def begin(self) -> None:
        """Make what is kept of the parameters that have a gradient, where it is not there."""
        for group in self.param_groups:
            for one in group["params"]:
                if one.grad is not None and not self.state[one]:
                    self.state[one] |= {"m": torch.zeros_like(one), "v": one.new_zeros(())}

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # torch's takes a closure
        """Change the parameters that have a gradient."""
        self.begin()
        for group in self.param_groups:
            if weights := [one for one in group["params"] if one.grad is not None]:
                self._update(weights, [one.grad for one in weights], group)

    def _update(self, weights: list[Tensor], gradients: list[Tensor], group: dict[str, Any]) -> None:
        """Change them all by few kernels, none of which waits for the device."""
        means, moments = ([self.state[one][name] for one in weights] for name in ("m", "v"))
        beta1, beta2 = group["betas"]
        v, squares = torch.stack(moments), torch.stack(list(_squares(gradients)))
        v = torch.where(v == 0, squares, beta2 * v + (1 - beta2) * squares)  # no update at 0
        torch._foreach_copy_(moments, v.unbind())
        steps = torch._foreach_div(gradients, (v.sqrt() + group["eps"]).unbind())
        torch._foreach_add_(steps, torch._foreach_mul(weights, group["weight_decay"]))
        torch._foreach_mul_(means, beta1)
        torch._foreach_add_(means, steps)
        torch._foreach_sub_(weights, means, alpha=group["lr"])


def _squares(gradients: list[Tensor]) -> list[Tensor]:
    """Return the sum of the squares of each."""
    if gradients[0].is_cuda:
        return list(torch._foreach_pow(torch._foreach_norm(gradients), 2))
    return [gradient.square().sum() for gradient in gradients]


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW, "novograd": NovoGrad}


def trained(network: Network, head: Head) -> list[nn.Parameter]:
    """Return the parameters that require a gradient; of a part of the classes what takes it in their place."""
    stand_ins = head.part.stand_ins if head.part else {}
    both = (*network.parameters(), *head.parameters())
    return [stand_ins.get(one, one) for one in both if one.requires_grad or one in stand_ins]


@contextmanager
def rows_in_place(optimizer: Optimizer, head: Head) -> Iterator[None]:
    """Let a step see the rows of sampled classes alone, of the weights and of what the optimiser keeps; then put them
    back among all.

    All other rows stay as they are, and neither decay nor have a momentum that moves them. Nothing is done for a loss
    whose classes are not sampled.
    """
    part = head.part
    if part is None or part.share == 1:
        yield
        return
    whole: dict[nn.Parameter, dict[str, Tensor]] = {}
    for weight, stand_in in part.stand_ins.items():
        kept = optimizer.state.get(stand_in, {})
        whole[stand_in] = {name: value for name, value in kept.items() if value.shape == weight.shape}
        kept.update({name: part.rows_of(value) for name, value in whole[stand_in].items()})
    yield
    for weight, stand_in in part.stand_ins.items():
        part.put(weight.detach(), stand_in.detach())
        kept = optimizer.state.get(stand_in, {})
        for name, rows in [*kept.items()]:
            if rows.shape == stand_in.shape:
                kept[name] = whole[stand_in][name] if name in whole[stand_in] else torch.zeros_like(weight)
                part.put(kept[name], rows)


def build_optimizer(options: TrainingOptions, network: Network, head: Head) -> Optimizer:
    """Return the optimiser of a network and its loss, without parameters that require no gradient.

    SGD is one pass over the weights, "fused", and ends in the same bytes as otherwise. Adam and AdamW would not on a
    CPU; on a GPU they are fused too, and skip an update there that is not finite.

    What training.no_decay names is a second group of parameters, whose weights do not decay. The rate is set anew
    before each update. Raises SreError where it names what there is not.
    """
    o, parameters = options, trained(network, head)
    own: dict[str, Any] = {}
    if o.optimizer == "sgd":
        own = {"momentum": o.momentum, "nesterov": o.momentum > 0}
    elif o.betas is not None:
        own = {"betas": o.betas}
    if o.optimizer == "sgd" or o.optimizer != "novograd" and any(one.is_cuda for one in parameters):
        own["fused"] = True
    stand_ins = head.part.stand_ins if head.part else {}
    spared = {id(stand_ins.get(one, one)) for name in o.no_decay for one in _named(name, network, head)}
    groups: list[dict[str, Any]] = [{"params": [one for one in parameters if id(one) not in spared]}]
    if spared:
        groups.append({"params": [one for one in parameters if id(one) in spared], "weight_decay": 0.0})
    return OPTIMIZERS[o.optimizer](groups, o.lr, weight_decay=o.weight_decay, **own)


def _named(name: str, network: Network, head: Head) -> list[nn.Parameter]:
    """Return the parameters of a name in training.no_decay. Raises SreError where there are none."""
    found = list(_of_kind(name, network, head)) if name in KINDS_OF_WEIGHTS else None
    if found is None:
        found = list(part_of(network, name, "training.no_decay", KINDS_OF_WEIGHTS).parameters())
    if not found:
        raise SreError(f"training.no_decay: '{name}': the network and its loss have no such weights; take it out")
    return found


def _of_kind(kind: str, network: Network, head: Head) -> Iterator[nn.Parameter]:
    if kind == "head":
        yield from head.parameters()
        return
    for whole in (network, head):
        for module in whole.modules():
            for name, weights in module.named_parameters(recurse=False):
                if isinstance(module, NORMS) if kind == "norms" else "bias" in name:
                    yield weights
