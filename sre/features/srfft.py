"""Kaldi's split-radix real FFT (matrix/srfft.cc), batched over frames, with its rounding.

Why not torch.fft: a loud fricative spans 90 dB within one frame, so its lowest mel bins sit at the rounding noise of a
float32 FFT. Any other FFT differs from Kaldi's features by up to 3e-3 there; the same operations in the same order, on
the same rounded tables, by 3e-4. The algorithm is H. Malvar's (Signal Processing with Lapped Transforms, 1992): a block
of n becomes one of n/2 (sums) and two of n/4 (differences, turned by exp(-2 pi i k/n) and by its cube).
"""

import math

import torch
from torch import Tensor


def _rounded_turn(angle: Tensor) -> tuple[Tensor, Tensor]:
    """Return cos and sin of an angle that was first rounded to float32, each rounded to float32."""
    angle = angle.float().double()
    return angle.cos().float(), angle.sin().float()


class SplitRadixRealFFT:
    """Power spectra of real frames of at most P samples; P is a power of two, at least 16.

    Shapes: B frames (in columns, so that rows are contiguous), b blocks of n points at one level.
    """

    def __init__(self, padded: int, device: torch.device) -> None:
        self.half = padded // 2  # the size of the complex FFT
        self.sqrt_half = float(torch.tensor(0.5).sqrt())
        self.tables: dict[int, tuple[Tensor, Tensor, Tensor]] = {}
        n = self.half
        while n >= 8:
            k = torch.arange(n // 4, dtype=torch.float64)
            cos, sin = _rounded_turn(torch.stack([k, 3 * k]) * 2 * math.pi / n)
            cos, minus_sum, remainder = (t[:, None, :, None].to(device) for t in (cos, -(sin + cos), sin - cos))
            self.tables[n] = cos, minus_sum, remainder  # (2, 1, n/4, 1)
            n //= 2
        # exp(-2 pi i k/P), k = 1 … P/4, by repeated float32 products: the error grows with k as Kaldi's does
        step = _rounded_turn(torch.tensor(-2 * math.pi / padded))
        turn, turns = (torch.tensor(1.0), torch.tensor(0.0)), []
        for _ in range(padded // 4):
            turn = (turn[0] * step[0] - turn[1] * step[1], turn[0] * step[1] + turn[1] * step[0])
            turns.append(torch.stack(turn))
        self.turns = torch.stack(turns, dim=1)[:, :, None].to(device)  # (2, P/4, 1)
        self.natural = self._natural_order().to(device)

    def power(self, frames: Tensor) -> Tensor:
        """Return |X_k|^2 for k = 0 … P/2 - 1 (no Nyquist) of windowed frames, (W, B) float32, W <= P -> (P/2, B)."""
        N, quarter = self.half, self.half // 2
        x = torch.nn.functional.pad(frames, (0, 0, 0, 2 * N - len(frames)))
        z = self._complex(torch.stack([x[0::2], x[1::2]]))  # (2, P, B) -> (2, N, B): real, imaginary
        low, high = z[:, 1 : quarter + 1], z[:, quarter:].flip(1)  # k and N - k
        c_re, c_im = 0.5 * (low[0] + high[0]), 0.5 * (low[1] - high[1])
        d_re, d_im = 0.5 * (low[1] + high[1]), -0.5 * (low[0] - high[0])
        re, im = self.turns
        t_re, t_im = d_re * re - d_im * im, d_re * im + d_im * re
        power = torch.empty_like(z[0])
        power[0] = (z[0, 0] + z[1, 0]).square()
        power[quarter:] = ((c_re - t_re).square() + (t_im - c_im).square()).flip(0)
        power[1 : quarter + 1] = (c_re + t_re).square() + (c_im + t_im).square()
        return power

    def _complex(self, x: Tensor) -> Tensor:  # (2, N, B) -> (2, N, B), natural order
        waiting: dict[int, list[Tensor]] = {self.half: [x[:, None]]}
        n, leaves = self.half, []
        while n > 1:
            block = torch.cat(waiting.pop(n), dim=1)  # (2, b, n, B)
            half = n // 2
            sums, difference = block[:, :, :half] + block[:, :, half:], block[:, :, :half] - block[:, :, half:]
            if n == 2:
                leaves += [torch.cat([sums, difference], dim=2)]
            else:
                waiting.setdefault(half, []).append(sums)
                waiting.setdefault(half // 2, []).append(self._quarters(difference, n).flatten(1, 2))
            n = half
        leaves = [leaf.flatten(1, 2) for leaf in leaves + waiting.get(1, [])]
        return torch.cat(leaves, dim=1)[:, self.natural]

    def _quarters(self, difference: Tensor, n: int) -> Tensor:  # (2, b, n/2, B) -> (2, 2, b, n/4, B)
        (r0, i0), (r1, i1) = difference[:, :, : n // 4], difference[:, :, n // 4 :]
        re, im = torch.stack([r0 + i1, r0 - i1]), torch.stack([i0 - r1, i0 + r1])  # (2 quarters, b, n/4, B)
        if n == 4:
            return torch.stack([re, im])
        cos, minus_sum, remainder = self.tables[n]
        common = cos * (re + im)
        out = torch.stack([remainder * im + common, minus_sum * re + common])
        out[0, :, :, 0], out[1, :, :, 0] = re[:, :, 0], im[:, :, 0]
        eighth, (a, b), (c, d) = n // 8, re[:, :, n // 8], im[:, :, n // 8]
        out[0, :, :, eighth] = self.sqrt_half * torch.stack([a + c, d - b])
        out[1, :, :, eighth] = torch.stack([self.sqrt_half * (c - a), -self.sqrt_half * (b + d)])
        return out

    def _natural_order(self) -> Tensor:
        """The place of each output k among the leaves: block (start, n) is in place, and the end is bit-reversed."""
        waiting, n, leaves = {self.half: [0]}, self.half, []
        while n > 1:
            starts = waiting.pop(n)
            if n == 2:
                leaves += [start + offset for start in starts for offset in (0, 1)]
            else:
                waiting.setdefault(n // 2, []).extend(starts)
                quarter = [s + n // 2 for s in starts] + [s + 3 * n // 4 for s in starts]
                waiting.setdefault(n // 4, []).extend(quarter)
            n //= 2
        position = torch.tensor(leaves + waiting.get(1, [])).argsort()
        bits = self.half.bit_length() - 1
        reverse = [int(f"{k:0{bits}b}"[::-1], 2) for k in range(self.half)]
        return position[torch.tensor(reverse)]
