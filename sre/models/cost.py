"""What a network costs: parameters, multiply-accumulate operations, frames that it sees, speed.

MACs are those of convolutions, linear layers, recurrent cells and the products of attention, and 4 operations for each
output of a batch norm, which is what the published numbers hold (of the counter "thop", in evaluation mode).
"""

import math
import statistics
import timeit
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sre.machine.cores import available_cores
from sre.machine.device import memory_format, prepare
from sre.models import build
from sre.models.base import Network

BATCH_NORM_OPERATIONS = 4
LONGEST_FIELD = 1000  # frames; what reaches both ends of so many sees the whole utterance
STRIDES = 24  # the strides of any architecture over the bins divide it


class Spec(NamedTuple):
    """A network by its name in sre.models.ARCHITECTURES, F and options; and the frame shift of its features in ms."""

    architecture: str
    num_features: int
    options: Mapping[str, object] = {}
    frame_shift: float = 10.0

    def frames(self, seconds: float) -> int:
        """Return the number of frames of so many seconds."""
        return round(1000 * seconds / self.frame_shift)


def network_of(spec: Spec, device: str = "meta") -> Network:
    """Return the network in evaluation mode, without gradients, in the form for inference; on `meta` shapes only."""
    with torch.device(device):
        network = build(spec.architecture, spec.num_features, dict(spec.options)).eval().reparameterise()
    return network.requires_grad_(False)


def parameters(spec: Spec) -> int:
    """Count the parameters of the network in its form for inference."""
    return sum(p.numel() for p in network_of(spec).parameters())


def macs(spec: Spec, seconds: float) -> int:
    """Count the multiply-accumulate operations of one utterance's embedding."""
    network, frames = network_of(spec), spec.frames(seconds)
    if any(isinstance(module, nn.RNNBase) for module in network.modules()):
        # a step takes as long to count as to compute, and each costs the same
        first, second = (_macs(network, length, spec.num_features) for length in (1, 2))
        return first + (frames - 1) * (second - first)
    return _macs(network, frames, spec.num_features)


def _macs(network: Network, frames: int, num_features: int) -> int:
    normalised = 0

    def count(_module: nn.Module, _inputs: tuple, output: Tensor) -> None:
        nonlocal normalised
        normalised += output.numel()

    norms = [module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]
    hooks = [module.register_forward_hook(count) for module in norms]
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.embed(torch.empty(1, frames, num_features, device="meta"))
    for hook in hooks:
        hook.remove()
    return counter.get_total_flops() // 2 + BATCH_NORM_OPERATIONS * normalised


def receptive_field(spec: Spec) -> int | None:
    """Count the frames that one frame before the pooling sees.

    None is the whole utterance, as with attention or global context.

    That frame is the middle one of what the network's pooling takes; a network without one sees the whole utterance.
    NaN is sent back from it: unlike a gradient it does not vanish on its way.
    """
    torch.manual_seed(0)
    if network_of(spec).pooling() is None:
        return None
    # over time a network sees as far with few bins
    network = network_of(spec._replace(num_features=math.gcd(spec.num_features, STRIDES)), "cpu")
    pooling, pooled = network.pooling(), list[Tensor]()
    assert pooling is not None
    pooling.register_forward_pre_hook(lambda _, inputs: pooled.append(inputs[0]))
    x = torch.randn(1, LONGEST_FIELD, math.gcd(spec.num_features, STRIDES), requires_grad=True)
    network.embed(x)
    back = torch.zeros_like(pooled[0])
    back[..., back.shape[-1] // 2] = torch.nan
    (gradient,) = torch.autograd.grad(pooled[0], x, back)
    seen = gradient[0].isnan().any(dim=1).nonzero().flatten()  # (1, T, F) -> frames
    first, last = int(seen[0]), int(seen[-1])
    return None if first == 0 and last == LONGEST_FIELD - 1 else last - first + 1


def speed(spec: Spec, seconds: float = 8.0, repeats: int = 3) -> float:
    """Measure how many utterances of so many seconds this machine's CPU embeds in a second, one after the other."""
    prepare(torch.device("cpu"), available_cores())
    network = network_of(spec, "cpu")
    network.to(memory_format=memory_format(network))
    x = torch.randn(1, spec.frames(seconds), spec.num_features)
    with torch.inference_mode():
        network.embed(x)
        return 1 / statistics.median(timeit.repeat(lambda: network.embed(x), number=1, repeat=repeats))
