"""Layers over time for inference on a CPU, with maps and weights in the order that oneDNN multiplies them in.

Of a usual nn.Conv1d the weights and both maps are put into that order, and back, each time. Here maps stay channels
last in memory, which PyTorch has for images alone: one frame is one row of an image that is one row high. Which order
of weights is best depends on the batch's shape. It is made when a shape comes twice in a row, which is usual, as
utterances are embedded by length; and kept until another shape does. Until then oneDNN puts the weights into it each
time. The bytes are the same.
Shapes: B batch, C channels, T frames.
"""

import torch
from torch import Tensor, nn


def can_order(dtype: torch.dtype) -> bool:
    """Return whether this CPU and this PyTorch have such products of a type."""
    known = torch.backends.mkldnn.is_available()
    if dtype == torch.bfloat16:
        return known and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return known and dtype == torch.float32


class FrameConv(nn.Module):
    """A convolution without padding, groups and strides: (B, C, T) -> (B, C', T - dilation (K - 1)).

    weight, bias : (C', C, K) and (C') or none, of a type for which `can_order`
    """

    weight: Tensor
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None, dilation: int = 1) -> None:
        super().__init__()
        self.dilation = (1, dilation)
        image = weight.detach().unsqueeze(2)  # (C', C, 1, K)
        self.register_buffer("weight", image.to(memory_format=torch.channels_last, copy=True))
        self.register_buffer("bias", None if bias is None else bias.detach())
        self.last: torch.Size | None = None  # a batch's shape
        self.kept: tuple[torch.Size, Tensor] | None = None  # a batch's shape, and the weights in the order for it

    def forward(self, x: Tensor) -> Tensor:
        x = x.unsqueeze(2)  # (B, C, 1, T)
        apply, weight = torch.ops.mkldnn._convolution_pointwise, self._weight(x.shape)
        return apply(x, weight, self.bias, (0, 0), (1, 1), self.dilation, 1, "none", [], "").squeeze(2)

    def _weight(self, shape: torch.Size) -> Tensor:
        """Return the weights, in the order for a batch's shape if it has come before."""
        kept = self.kept  # looked up once: another thread may change it
        if kept is not None and kept[0] == shape:
            return kept[1]
        before, self.last = self.last, shape
        if before != shape:
            return self.weight
        order = torch.ops.aten.mkldnn_reorder_conv2d_weight
        ordered = order(self.weight.contiguous().to_mkldnn(), (0, 0), (1, 1), self.dilation, 1, shape)
        self.kept = shape, ordered
        return ordered


class FrameNorm(nn.BatchNorm2d):
    """An nn.BatchNorm1d of maps that are channels last in memory: (B, C, T) -> (B, C, T)."""

    def __init__(self, norm: nn.BatchNorm1d) -> None:
        super().__init__(norm.num_features, norm.eps, affine=norm.affine)
        self.load_state_dict(norm.state_dict())
        self.eval()

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.unsqueeze(2)).squeeze(2)
