"""Pooling over time: frame-level maps (B, C, T) -> one vector an utterance (B, out_dim).

`POOLINGS` has them by the names that configs use. A pooling of one network only stands beside that network.
Shapes: B batch, C channels, T frames, H heads, K bottleneck.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from sre import SreError

VARIANCE_OFFSET = 1e-7  # WeSpeaker's, under the square root of TSDP, TSTP and ASTP's context
VARIANCE_FLOOR = 1e-7  # WeSpeaker's, of ASTP, MHASTP and MQMHASTP


class Pooling(nn.Module):
    """The contract of every pooling: a map (B, C, T) and a mask -> (B, out_dim), float32 at least.

    A class of `POOLINGS` is built from in_dim (C); further arguments have defaults. TAP, TSDP, TSTP and ASP also take
    maps (B, C, F, T), with in_dim C F. The mask (B, T) is true where a frame counts, at least one an utterance; without
    it all frames count. In evaluation mode a masked batch gives what each utterance gives by itself. In training the
    batch norms inside some poolings see the padding too.
    """

    def __init__(self, out_dim: int) -> None:
        super().__init__()
        self.out_dim = out_dim

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        raise NotImplementedError


def at_least_float32(x: Tensor) -> Tensor:
    """Return half precision as float32, anything else as it is."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def mean_and_std(x: Tensor, mask: Tensor | None = None, offset: float = VARIANCE_OFFSET) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation over time: (B, …, T) -> (B, C), (B, C), C the product of ….

    The variance is unbiased, plus the offset.
    """
    x = at_least_float32(x)
    if mask is None:
        mean = x.mean(dim=-1)
        # torch.var_mean took 9 % of an x-vector's training step on a CPU; this takes 2 %
        variance = (x - mean.unsqueeze(-1)).square().sum(dim=-1) / max(x.shape[-1] - 1, 1)
    else:
        x = x.flatten(1, -2)  # (B, …, T) -> (B, C, T)
        absent, count = ~mask.unsqueeze(1), mask.sum(dim=1, keepdim=True)  # (B, 1, T), (B, 1)
        mean = x.masked_fill(absent, 0).sum(dim=-1) / count
        deviation = (x - mean.unsqueeze(-1)).masked_fill(absent, 0)
        variance = deviation.square().sum(dim=-1) / (count - 1).clamp(min=1)
    return mean.flatten(1), (variance + offset).sqrt().flatten(1)


def attention(scores: Tensor, mask: Tensor | None = None) -> Tensor:
    """Return the softmax over time of (B, C or 1, T) scores: weights of the same shape, 0 where the mask is false."""
    scores = at_least_float32(scores)
    if mask is not None:
        scores = scores.masked_fill(~mask.unsqueeze(1), -torch.inf)
    return scores.softmax(dim=-1)


def weighted_mean_and_std(x: Tensor, weights: Tensor, floor: float = VARIANCE_FLOOR) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of (B, C, T) under weights (B, C or 1, T) that sum to 1.

    The variance is at least the floor.
    """
    x = at_least_float32(x)
    mean = (weights * x).sum(dim=-1)
    variance = (weights * (x - mean.unsqueeze(-1)).square()).sum(dim=-1)
    return mean, variance.clamp(min=floor).sqrt()


def bottleneck(in_dim: int, hidden_dim: int, out_dim: int) -> nn.Sequential:
    """Return affine, ReLU, batch norm, affine on each frame: (B, C, T) -> (B, C', T)."""
    first, second = nn.Conv1d(in_dim, hidden_dim, 1), nn.Conv1d(hidden_dim, out_dim, 1)
    return nn.Sequential(first, nn.ReLU(), nn.BatchNorm1d(hidden_dim), second)


class TAP(Pooling):
    """Temporal average pooling: (B, C, T) -> (B, C)."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return mean_and_std(x, mask)[0]


class TSDP(Pooling):
    """Temporal standard deviation pooling: (B, C, T) -> (B, C)."""

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return mean_and_std(x, mask)[1]


class TSTP(Pooling):
    """Temporal statistics pooling, mean and standard deviation (Snyder et al. 2018): (B, C, T) -> (B, 2C).

    offset : of the variance, under the root
    """

    def __init__(self, in_dim: int, offset: float = VARIANCE_OFFSET) -> None:
        super().__init__(2 * in_dim)
        self.offset = offset

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return torch.cat(mean_and_std(x, mask, self.offset), dim=1)


class ASTP(Pooling):
    """Channel- and context-dependent attentive statistics (Desplanques et al. 2020, eq. 1-3): (B, C, T) -> (B, 2C).

    With global_context each frame's attention also sees the mean and standard deviation of the whole utterance.
    """

    def __init__(self, in_dim: int, bottleneck_dim: int = 128, global_context: bool = False) -> None:
        super().__init__(2 * in_dim)
        self.linear1 = nn.Conv1d(in_dim * (3 if global_context else 1), bottleneck_dim, 1)
        self.linear2 = nn.Conv1d(bottleneck_dim, in_dim, 1)
        self.in_dim, self.global_context = in_dim, global_context

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        hidden = self._with_context(x, mask) if self.global_context else self.linear1(x)  # -> (B, K, T)
        weights = attention(self.linear2(hidden.tanh()), mask)  # -> (B, C, T)
        return torch.cat(weighted_mean_and_std(x, weights), dim=1)

    def _with_context(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return linear1 of [x; mean; std]. The context is the same in each frame, so its part is computed once."""
        context = torch.cat(mean_and_std(x, mask), dim=1).unsqueeze(-1).to(x.dtype)  # (B, 2C, 1)
        weight = self.linear1.weight  # (K, 3C, 1)
        return functional.conv1d(x, weight[:, : self.in_dim]) + functional.conv1d(
            context, weight[:, self.in_dim :], self.linear1.bias
        )


class SAP(Pooling):
    """Self-attentive pooling (Cai et al. 2018; ClovaAI's): a weighted mean, one weight a frame. (B, C, T) -> (B, C)."""

    def __init__(self, in_dim: int) -> None:
        super().__init__(in_dim)
        self.linear1 = nn.Conv1d(in_dim, in_dim, 1)
        self.linear2 = nn.Conv1d(in_dim, 1, 1, bias=False)
        nn.init.xavier_normal_(self.linear2.weight)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        weights = attention(self.linear2(self.linear1(x).tanh()), mask)  # -> (B, 1, T)
        return (weights * at_least_float32(x)).sum(dim=-1)


class ASP(Pooling):
    """Attentive statistics pooling (Okabe et al. 2018): ReLU and batch norm in the attention. (B, C, T) -> (B, 2C).

    Parameters
    ----------
    in_dim, bottleneck_dim : C and the width of the attention's hidden layer
    channelwise : a weight for each channel and frame (ClovaAI's ResNetSE34V2) instead of one a frame (Okabe)
    """

    def __init__(self, in_dim: int, bottleneck_dim: int = 128, channelwise: bool = True) -> None:
        super().__init__(2 * in_dim)
        self.attention = bottleneck(in_dim, bottleneck_dim, in_dim if channelwise else 1)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        x = x.flatten(1, -2)  # (B, …, T) -> (B, C, T)
        weights = attention(self.attention(x), mask)  # -> (B, C or 1, T)
        return torch.cat(weighted_mean_and_std(x, weights, floor=1e-5), dim=1)  # the floor is ClovaAI's


class MHASTP(Pooling):
    """Multi-head attentive statistics (India et al. 2019; WeSpeaker's form): (B, C, T) -> (B, 2C).

    Each head attends to its own C/H channels. The output is [mean, std] of the first head, then of the second, …

    Parameters
    ----------
    in_dim, heads : C and H, which divides C
    layers : of each head's attention, with tanh between them; 1 is India's scalar product with a query
    channelwise : a weight for each channel and frame instead of one a head and frame
    bottleneck_dim : width of the attention's hidden layers

    Raises SreError when H does not divide C.
    """

    def __init__(
        self, in_dim: int, heads: int = 2, layers: int = 2, channelwise: bool = False, bottleneck_dim: int = 64
    ) -> None:
        super().__init__(2 * in_dim)
        if in_dim % heads:
            raise SreError(f"{heads} attention heads do not divide {in_dim} channels: choose a divisor of {in_dim}")
        widths = [in_dim, *[heads * bottleneck_dim] * (layers - 1), in_dim if channelwise else heads]
        self.layers = nn.ModuleList(nn.Conv1d(a, b, 1, groups=heads) for a, b in zip(widths, widths[1:], strict=False))
        self.heads, self.channels_a_weight = heads, in_dim // widths[-1]

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        scores = self.layers[0](x)
        for layer in self.layers[1:]:
            scores = layer(scores.tanh())
        weights = attention(scores, mask)  # (B, C or H, T)
        weights = weights.repeat_interleave(self.channels_a_weight, dim=1)  # -> (B, C, T)
        mean, std = weighted_mean_and_std(x, weights)
        shape = (x.shape[0], self.heads, -1)
        return torch.cat([mean.reshape(shape), std.reshape(shape)], dim=-1).flatten(1)  # (B, H, 2C/H) -> (B, 2C)


class MQMHASTP(Pooling):
    """Multi-query multi-head attentive statistics (Zhao et al. 2022; WeSpeaker's form): (B, C, T) -> (B, 2C queries).

    Each query is an MHASTP over the same map; their outputs are joined. Raises SreError when heads do not divide C.
    """

    def __init__(
        self,
        in_dim: int,
        queries: int = 2,
        heads: int = 8,
        layers: int = 2,
        channelwise: bool = True,
        bottleneck_dim: int = 64,
    ) -> None:
        super().__init__(2 * in_dim * queries)
        self.queries = nn.ModuleList(MHASTP(in_dim, heads, layers, channelwise, bottleneck_dim) for _ in range(queries))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return torch.cat([query(x, mask) for query in self.queries], dim=1)


class XiVector(Pooling):
    """Posterior mean of a Gaussian with uncertain frames (Lee et al. 2021; WeSpeaker's XI): (B, C, T) -> (B, C).

    Frame t says x_t with precision L_t (diagonal, estimated from x_t); the prior says mean 0 with precision 1, both
    learned: phi = (sum_t L_t x_t + L_p mu_p) / (sum_t L_t + L_p). L = softplus(.)^2 >= 1e-20.
    """

    def __init__(self, in_dim: int, bottleneck_dim: int = 256) -> None:
        super().__init__(in_dim)
        self.precision = bottleneck(in_dim, bottleneck_dim, in_dim)
        self.prior_mean = nn.Parameter(torch.zeros(in_dim))
        self.prior_log_precision = nn.Parameter(torch.zeros(in_dim))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        log_precision = 2 * functional.softplus(at_least_float32(self.precision(x))).clamp(min=1e-10).log()
        if mask is not None:
            log_precision = log_precision.masked_fill(~mask.unsqueeze(1), -torch.inf)
        prior = self.prior_log_precision.expand(x.shape[0], -1).unsqueeze(-1)  # -> (B, C, 1)
        weights = torch.cat([log_precision, prior.to(log_precision.dtype)], dim=-1).softmax(dim=-1)  # (B, C, T + 1)
        return (weights[..., :-1] * at_least_float32(x)).sum(dim=-1) + weights[..., -1] * self.prior_mean


POOLINGS: dict[str, Callable[[int], Pooling]] = {  # by the names that model configs use
    "tap": TAP,
    "tsdp": TSDP,
    "tstp": TSTP,
    "astp": ASTP,
    "astp_global": partial(ASTP, global_context=True),
    "sap": SAP,
    "asp": ASP,
    "mhastp": MHASTP,
    "mqmhastp": MQMHASTP,
    "xi": XiVector,
}
