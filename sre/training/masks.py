"""SpecAugment: masks over time and frequency (D. Park et al., Interspeech 2019), of a batch on its device.

Legend: B chunks, T frames, F features, K masks of a chunk: those over time first, then those over frequency.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

MEAN = "mean"


@dataclass(frozen=True)
class Masks:
    """What is masked in a chunk.

    Attributes
    ----------
    time, freq : the number of masks over frames, and over features
    time_widths, freq_widths : the least and the greatest width, of which each is drawn with the same probability
    probability : of each mask, drawn for each by itself
    fill : what stands in a mask; "mean": the mean of all values of the chunk before its masks
    """

    time: int = 0
    freq: int = 0
    time_widths: tuple[int, int] = (0, 20)
    freq_widths: tuple[int, int] = (0, 8)
    probability: float = 1.0
    fill: float | str = 0.0

    @property
    def num_draws(self) -> int:
        """The number of draws, uniform in [0, 1), for one chunk: width and place of each mask, and whether it is."""
        return (2 + (self.probability < 1)) * (self.time + self.freq)

    def __call__(self, chunks: Tensor, draws: Tensor) -> Tensor:
        """Mask chunks on their device, without host synchronisation: (B, T, F), (B, num_draws) float64 -> (B, T, F)."""
        count = self.time + self.freq
        if not count:
            return chunks
        draws = draws.to(chunks.device, non_blocking=True)
        widths = [self.time_widths] * self.time + [self.freq_widths] * self.freq
        masked = torch.zeros_like(chunks, dtype=torch.bool)
        for number, (least, greatest) in enumerate(widths):
            axis = 1 if number < self.time else 2
            length = chunks.shape[axis]
            greatest, least = min(greatest, length), min(least, length)
            size = least + (draws[:, 2 * number] * (greatest - least + 1)).long()
            start = (draws[:, 2 * number + 1] * (length - size + 1)).long()
            at = torch.arange(length, device=chunks.device)
            inside = (at >= start[:, None]) & (at < (start + size)[:, None])  # (B, length)
            if self.probability < 1:
                inside &= draws[:, 2 * count + number, None] < self.probability
            masked |= inside[:, :, None] if axis == 1 else inside[:, None, :]
        if self.fill == MEAN:
            return torch.where(masked, chunks.mean(dim=(1, 2), keepdim=True), chunks)
        return chunks.masked_fill(masked, float(self.fill))
