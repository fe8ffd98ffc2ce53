"""What reading does to features, of a batch of equal lengths on any device: the torch forms of cmn.py and deltas.py.

They also trace, for `sre export`. Shapes: B utterances, T frames, F columns.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from sre.features.cmn import KALDI_FLOORS, deviation
from sre.features.deltas import WINDOW, filters


def normalise_batch(x: Tensor, config: Mapping[str, Any]) -> Tensor:
    """Normalise (B, T, F) features as `sre.features.cmn: normalise` does (T, F), without host synchronisation."""
    cmn, window, form = config.get("cmn", "none"), config.get("cmn_window", 300), config.get("cmn_variance", "none")
    if cmn == "none":
        return x
    if cmn == "utterance":
        return renormalise_batch(x, {"cmn_variance": form})
    wide = x.double()
    if form == "none":
        return x - _sliding_means(wide, window)[0].to(x.dtype)
    wide = wide - wide.mean(dim=1, keepdim=True)  # no change of the result: sums of small numbers cancel less
    mean, count = _sliding_means(wide, window)
    variance = (_sliding_means(wide.square(), window)[0] - mean.square()).clip(min=0)
    return ((wide - mean) / deviation(variance, count, form, KALDI_FLOORS[cmn])).to(x.dtype)


def renormalise_batch(x: Tensor, config: Mapping[str, Any]) -> Tensor:
    """Normalise (B, T, F) chunks by themselves, as `sre.features.cmn: renormalise` does (T, F)."""
    form, order = config.get("cmn_variance", "none"), config.get("delta_order", 0)
    columns = x.shape[2] // (1 + order)
    wide = x if form == "none" else x.double()  # as the deviation of a constant column is next to nothing
    mean = wide[..., :columns].mean(dim=1, keepdim=True)
    centred = wide - (nn.functional.pad(mean, (0, columns * order)) if order else mean)
    if form == "none":
        return centred
    count = torch.ones_like(wide[:1, :, :1]).sum(dim=1, keepdim=True)
    variance = centred[..., :columns].square().mean(dim=1, keepdim=True)
    scale = deviation(variance, count, form, KALDI_FLOORS["utterance"])
    return (centred / scale.repeat(1, 1, 1 + order)).to(x.dtype)


def add_deltas_batch(x: Tensor, config: Mapping[str, Any]) -> Tensor:
    """Append deltas as `sre.features.deltas: add_deltas` does, (B, T, F) -> (B, T, F (1 + order))."""
    order, window = config.get("delta_order", 0), config.get("delta_window", WINDOW)
    if not order:
        return x
    orders, frames = [x], x.shape[1]
    for taps in filters(order, window)[1:]:
        reach = len(taps) // 2
        padded = torch.cat([x[:, :1].expand(-1, reach, -1), x, x[:, -1:].expand(-1, reach, -1)], dim=1)
        delta = torch.zeros_like(x)
        for place, tap in enumerate(taps.tolist()):  # numbers and no tensor, which would have to go to the device
            delta = delta + tap * padded[:, place : place + frames]
        orders.append(delta)
    return torch.cat(orders, dim=2)


def _sliding_means(x: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Return the means over each frame's window, (B, T, F), and the window's frames, (T, 1)."""
    frames = torch.arange(x.shape[1], device=x.device)
    count = frames[-1:] + 1
    length = count.clamp(max=window)
    begin = (frames - window // 2).clamp(min=0).minimum(count - length)
    total = nn.functional.pad(x.cumsum(dim=1), (0, 0, 1, 0))  # (B, T + 1, F)
    return (total[:, begin + length] - total[:, begin]) / length, length.expand(x.shape[1])[:, None]
