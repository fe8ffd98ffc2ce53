"""A network made ready for inference in one of four precisions.

fp32: as it was trained, in the library's usual order of sums. fp32_fast: the same to rounding, by the kernels that are
fastest on a CPU. bf16, fp16: what comes before the pooling, and the pooling's layers, in 16 bits; its statistics and
what follows in float32, and the network's `exact` parts. On a CPU, affine layers treat each item of a batch by itself
in the last three. In 16 bits that makes an embedding the same bytes whatever else is in its batch; in float32 PyTorch
chooses kernels by the size of a batch.
"""

from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional

from sre.extraction.frame_layers import FrameConv, FrameNorm, can_order
from sre.extraction.winograd import WinogradConv, suits
from sre.models.base import Network
from sre.models.pooling import Pooling
from sre.models.xvector import FrameLayer

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class RowLinear(nn.Linear):
    """An affine layer that treats each item of a batch by itself on a CPU: (B, …, C) -> (B, …, C').

    A matrix product of several rows sums in another order than that of one. On a GPU the batch is one product.
    """

    def forward(self, x: Tensor) -> Tensor:
        x = x.to(self.weight.dtype)
        if x.device.type != "cpu":
            return super().forward(x)
        return torch.cat([functional.linear(item, self.weight, self.bias) for item in x.split(1)])


def for_inference(network: Network, precision: str, device: torch.device) -> torch.dtype:
    """Change a network in evaluation mode for this precision, and return the type of its input."""
    if precision == "fp32":
        return torch.float32
    half = HALVES.get(precision)
    if device.type == "cpu" and can_order(half or torch.float32):
        for layer in [module for module in network.modules() if isinstance(module, FrameLayer)]:
            _order_layer(layer, winograd=precision == "fp32_fast")
    for module in network.modules():
        if type(module) is nn.Linear:
            module.__class__ = RowLinear
        elif isinstance(module, nn.Conv1d | nn.Conv2d) and device.type == "cpu":
            _choose_onednn(module)
    if half:
        _to_half(network, half)
    return half if half and not network.exact else torch.float32


def _order_layer(layer: FrameLayer, winograd: bool) -> None:
    """Put its convolution and batch norm into oneDNN's order, with Winograd's algorithm where that suits."""
    conv, norm = layer.conv, layer.bn
    assert isinstance(conv, nn.Conv1d)
    assert isinstance(norm, nn.BatchNorm1d)
    fast = winograd and suits(conv)
    layer.conv = WinogradConv(conv) if fast else FrameConv(conv.weight, conv.bias, conv.dilation[0])
    layer.bn = FrameNorm(norm)


def _choose_onednn(conv: nn.Conv1d | nn.Conv2d) -> None:
    """Say that a kernel of one frame is dilated, which changes nothing but that PyTorch takes oneDNN for it.

    With one thread it takes a matrix product of MKL's instead, half as fast on AMD's processors.
    """
    if conv.groups == 1 and set(conv.kernel_size) == {1} and set(conv.stride) == {1} and not any(conv.padding):
        conv.dilation = (2,) * len(conv.dilation)


def _to_half(network: Network, half: torch.dtype) -> None:
    """Cast what comes before the pooling and the pooling's own layers; what follows stays in float32.

    Batch norms keep float32 weights: in bfloat16 they alone made the embeddings' error 1.6 times as large.
    """
    for name, part in network.named_children():
        if name in network.exact:
            part.register_forward_hook(lambda module, inputs, output: output.to(half))
            continue
        norms = {module: deepcopy(module.state_dict()) for module in part.modules() if isinstance(module, NORMS)}
        part.to(half)
        for norm, weights in norms.items():
            norm.float().load_state_dict(weights)
        if isinstance(part, Pooling):
            for conv in (module for module in part.modules() if isinstance(module, nn.Conv1d)):  # some get float32
                conv.register_forward_pre_hook(lambda module, inputs: (inputs[0].to(module.weight.dtype),))
            part.register_forward_hook(lambda module, inputs, output: output.float())
            return
