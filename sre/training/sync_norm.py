"""Batch norms whose statistics are those of the chunks of all ranks (training.sync_batch_norm)."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from sre.models.base import Network
from sre.training.ranks import ALONE, Ranks


class SyncOnCPU(_BatchNorm):
    """What torch's SyncBatchNorm is, which refuses a CPU: (B, C, …) of each rank -> the same.

    The variance is the mean of the squares of what is centred already, in float32: two exchanges, where one of both
    moments would lose digits.
    """

    ranks: Ranks = ALONE

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return super().forward(x)
        others = [dim for dim in range(x.dim()) if dim != 1]
        wide, shape = x.float(), [-1 if dim == 1 else 1 for dim in range(x.dim())]  # (B, C, …)
        n = self.ranks.summed(torch.tensor(x.numel() // x.shape[1]))
        mean = self.ranks.summed(wide.sum(others)) / n  # (C,)
        centred = wide - mean.view(shape)
        variance = self.ranks.summed(centred.square().sum(others)) / n
        self._track(mean.detach(), variance.detach() * n / (n - 1))
        y = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(x.dtype)

    def _check_input_dim(self, x: Tensor) -> None:
        """Take any, as torch's."""

    def _track(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards those of a batch."""
        assert self.num_batches_tracked is not None and self.running_mean is not None and self.running_var is not None
        assert self.momentum is not None  # no network of ours has running means of all batches
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def synchronise(network: Network, ranks: Ranks) -> None:
    """Let the batch norms of a network take their statistics of all ranks. Their names and weights stay."""
    kind = nn.SyncBatchNorm if ranks.device.type == "cuda" else SyncOnCPU
    for part in network.modules():
        if isinstance(part, _BatchNorm) and ranks.size > 1:
            part.__class__ = kind  # what else refers to the part, refers to it still
            vars(part).update(process_group=None, ranks=ranks)
