"""Conversion between sample rates by torchaudio, which is loaded where a recording has another rate."""

from torch import Tensor


def resample(wave: Tensor, own: int, rate: int) -> Tensor:
    """Return (M,) samples at `rate` (Hz) of (N,) at the rate `own`, by a windowed sinc."""
    from torchaudio.functional import resample as converted

    return converted(wave, own, rate)
