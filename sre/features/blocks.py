"""Power spectra of windows in blocks that stay near a CPU's cache, by numpy operations on arrays that are made once.

The operations on each number are those of `SplitRadixRealFFT` in their order, so the bytes are the same. What differs
is where the numbers lie: a window is a column, all blocks of n points of a level lie position by position, and so one
operation works on long runs of them all. Nothing is allocated when a block is computed: fresh memory costs more.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import as_strided
from torch import Tensor

from sre.features.srfft import SplitRadixRealFFT
from sre.features.types import FrameOptions
from sre.machine.buffers import unbuffered

Array = np.ndarray
Step = tuple[Callable[..., Any], Array, Array | float | np.float32, Array]  # function, its two inputs, its output

_KEPT = threading.local()  # a block is written to, so each thread has its own


def block_of(options: FrameOptions, window: Tensor, fft: SplitRadixRealFFT, columns: int) -> "Block":
    """Return this thread's block with these options and so many columns.

    window : (W,), the shape of the options' window
    """
    blocks = _KEPT.__dict__.setdefault("blocks", {})
    key = (options, columns)
    if key not in blocks:
        kind = Block if options.exact else FourierBlock
        blocks[key] = kind(options, window.numpy(), fft, columns)
    return blocks[key]


def _arena(size: int) -> Array:
    """Return memory of this thread, which all its blocks share."""
    kept = _KEPT.__dict__
    if kept.setdefault("arena", _aligned(size)).size < size:
        kept["arena"] = _aligned(size)
    return kept["arena"]


class Block:
    """Power spectra of at most C windows.

    Shapes: W samples of a window, P padded ones, N = P/2 points of the complex FFT, C columns, b blocks of n points.
    """

    def __init__(self, options: FrameOptions, window: Array, fft: SplitRadixRealFFT, columns: int) -> None:
        self.options, self.fft, self.columns = options, fft, columns
        N, C = fft.half, columns
        arena = _arena(9 * N * C)
        # a level of n points is read from one of these and goes to the next two; what comes before and after takes them
        self.levels = [arena[i * N * C : (i + 2) * N * C] for i in (0, 2, 4)]
        self.spare = [arena[i * N * C : (i + 1) * N * C] for i in (6, 7, 8)]
        self.power: Array = self.spare[0].reshape(N, C)
        self.mean = np.zeros(C, np.float32)
        half = -(-options.window // 2)
        self.windows: Array = self.levels[0][: 2 * half * C].reshape(2, half, C)  # even samples, odd samples
        self.steps: list[Step] = []
        self._emphasis(window)
        self._power(*self._transform())

    def compute(self, pieces: Sequence[Tensor]) -> Tensor:
        """Return power spectra (N, C) of windows, (T, W) float32 each piece, T at most C in all: the first T columns.

        The next call overwrites them. The other columns are of no meaning.
        """
        with unbuffered():
            self._fill(pieces)
            for function, a, b, out in self.steps:
                function(a, b, out)
        return torch.from_numpy(self.power)

    def _fill(self, pieces: Sequence[Tensor]) -> None:
        """Put windows into the columns, without their means where the options say so."""
        first = 0
        for piece in pieces:
            last, mean = first + len(piece), self.mean[first : first + len(piece)]
            if self.options.remove_dc_offset:
                torch.mean(piece, dim=1, out=torch.from_numpy(mean))
            self._put(piece.numpy(), mean, first, last)
            first = last
        if first < self.columns:
            self._clear(first)

    def _put(self, piece: Array, mean: Array, first: int, last: int) -> None:
        np.subtract(piece.T[0::2], mean, self.windows[0, :, first:last])
        np.subtract(piece.T[1::2], mean, self.windows[1, : self.options.window // 2, first:last])

    def _clear(self, first: int) -> None:
        """Clear the columns from `first` on: what stands there from before could grow from call to call."""
        self.windows[:, :, first:] = 0

    def _emphasis(self, window: Array) -> None:
        """Add the steps from windows to the first level: pre-emphasis, the window, even and odd samples, padding.

        The spectrum's last stage halves; so does the window here, for factors of two change no rounding.
        """
        x, c, W = self.windows, self.options.preemphasis_coefficient, self.options.window
        even, odd = x[0], x[1, : W // 2]
        past = self.levels[2][: x.size].reshape(x.shape)
        z = self._level(self.fft.half, 1)[:, :, 0]
        halves = np.zeros((2, x.shape[1], 1), np.float32)
        halves[0], halves[1, : W // 2] = 0.5 * window[0::2, None], 0.5 * window[1::2, None]
        zero = np.zeros(1, np.float32)
        self.steps += [
            (_copy, zero, 0.0, x[1, W // 2 :]),  # of a window of odd length
            (np.multiply, x, c, past),
            (np.subtract, odd, past[0, : len(odd)], odd),
            (np.subtract, even[1:], past[1, : len(even) - 1], even[1:]),
            (np.multiply, even[0], 1 - c, even[0]),
            (np.multiply, x, halves, z[:, : len(even)]),
            (_copy, zero, 0.0, z[:, len(even) :]),
        ]

    def _level(self, n: int, b: int) -> Array:
        """Return the place of the real and imaginary parts of the blocks of n points: (2, n, b, C)."""
        level = (self.fft.half // n).bit_length()
        return self.levels[level % 3][: 2 * n * b * self.columns].reshape(2, n, b, self.columns)

    def _transform(self) -> tuple[Array, Array]:
        """Add the steps of the complex FFT. Return (2, N, C), and the row there of each point in natural order.

        Blocks of n: first the quarters of those of 4n, then the sums of those of 2n.
        """
        C, n = self.columns, self.fft.half
        starts = {n: [0], n // 2: []}  # of each block of n points, where it would be in a transform in place
        while n > 2:
            half, b, b_half = n // 2, len(starts[n]), len(starts[n // 2]) + len(starts[n])
            x = self._level(n, b)
            difference = self.spare[0][: n * b * C].reshape(2, half, b, C)
            self.steps.append((np.add, x[:, :half], x[:, half:], self._level(half, b_half)[:, :, b_half - b :]))
            self.steps.append((np.subtract, x[:, :half], x[:, half:], difference))
            b_quarter = 2 * b + b_half * (
                2 if half == 2 else 1
            )  # of 1 point there are both the sums and the differences
            out = self._level(half // 2, b_quarter)[:, :, : 2 * b]
            self._quarters(n, difference, out.reshape(2, half // 2, 2, b, C).transpose(0, 2, 1, 3, 4))
            starts[half // 2] = [start + at for at in (half, half + half // 2) for start in starts[n]]
            starts[half] += starts[n]
            n = half
        x, done = self._level(2, len(starts[2])), self._level(1, self.fft.half)
        middle = len(starts[1]) + len(starts[2])
        self.steps.append((np.add, x[:, :1], x[:, 1:], done[:, :, len(starts[1]) : middle]))
        self.steps.append((np.subtract, x[:, :1], x[:, 1:], done[:, :, middle:]))
        place = np.argsort(starts[1] + starts[2] + [start + 1 for start in starts[2]])
        bits = self.fft.half.bit_length() - 1
        return done[:, 0], place[[int(f"{k:0{bits}b}"[::-1], 2) for k in range(self.fft.half)]]

    def _quarters(self, n: int, difference: Array, out: Array) -> None:
        """Add the steps from the differences of blocks of n points to two blocks of n/4 of each.

        difference : (2, n/2, b, C); out : (2, quarter, n/4, b, C)
        """
        q = n // 4
        d0, d1 = difference[:, :q], difference[::-1, q:]  # the second with its imaginary part first
        turned = out if q == 1 else self.spare[1][: out.size].reshape(out.shape)
        self.steps += [(np.add, d0, d1, _crossed(turned)), (np.subtract, d0, d1, _crossed(turned[:, ::-1]))]
        if q == 1:
            return
        (re, im), (total, product, common) = (
            turned,
            (part[: out.size // 2].reshape(out.shape[1:]) for part in (self.spare[0], *np.split(self.spare[2], 2))),
        )
        cos, minus_sum, remainder = (table.numpy()[:, 0, :, :, None] for table in self.fft.tables[n])  # (2, n/4, 1, 1)
        self.steps += [
            (np.add, re, im, total),
            (np.multiply, total, cos, common),
            (np.multiply, im, remainder, product),
            (np.add, product, common, out[0]),
            (np.multiply, re, minus_sum, product),
            (np.add, product, common, out[1]),
        ]
        # the turns by 0 and by an eighth of a circle are others in Kaldi
        eighth, s = q // 2, np.float32(self.fft.sqrt_half)
        at, across = out[:, :, eighth], product[:, eighth]
        self.steps += [
            (_copy, turned[:, :, 0], 0.0, out[:, :, 0]),
            (np.multiply, total[:, eighth], np.array([s, -s])[:, None, None], _crossed(at)),
            (np.subtract, im[:, eighth], re[:, eighth], across),
            (np.multiply, across, s, _crossed(at[::-1])),
        ]

    def _power(self, z: Array, natural: Array) -> None:
        """Add the steps from the complex FFT of windows that were halved to |X_k|^2, k = 0 … P/2 - 1."""
        C, q = self.columns, self.fft.half // 2
        levels = (self.levels[i] for i in range(3) if not np.shares_memory(self.levels[i], z))
        low, high, c_d, turned = (part.reshape(2, q, C) for level in levels for part in np.split(level, 2))
        both, power = z.reshape(2, 2, q, C), self.power
        re, im = self.fft.turns.numpy()
        zero = natural[0]
        self.steps += [
            (np.add, z[0, zero], z[1, zero], power[0]),
            (np.multiply, power[0], 2.0, power[0]),
            (np.multiply, power[0], power[0], power[0]),
            (_take, z, natural[1 : q + 1], low),  # k
            (_take, z, natural[: q - 1 : -1], high),  # N - k
            (np.add, low, high, c_d),  # c_re, d_re
            (np.subtract, low, high, low),  # -d_im, c_im
            (np.multiply, c_d[1], np.stack([re, im]), turned),
            (np.multiply, low[0], np.stack([im, -re]), high),
            (np.add, turned, high, turned),  # t_re, t_im
            (_copy, low[1], 0.0, c_d[1]),  # c_re, c_im
            (np.add, c_d, turned, both[0]),
            (np.subtract, c_d, turned, both[1]),
            (np.multiply, both, both, both),
            (np.add, both[1, 0], both[1, 1], power[q:][::-1]),
            (np.add, both[0, 0], both[0, 1], power[1 : q + 1]),
        ]


class FourierBlock(Block):
    """The same with another FFT and without Kaldi's rounding: `exact: false`. Windows are rows of C."""

    def __init__(self, options: FrameOptions, window: Array, fft: SplitRadixRealFFT, columns: int) -> None:
        self.options, self.columns = options, columns
        N, C, W, c = fft.half, columns, options.window, options.preemphasis_coefficient
        sizes = (W, W, 2 * N, 2 * N + 2, 2 * N + 2, N)
        parts = np.split(_arena(sum(sizes) * C), np.cumsum(sizes) * C)
        x, past, padded, spectrum, squares, power = (part.reshape(C, -1) for part in parts[:-1])
        self.windows, self.mean, self.power = x, np.zeros(C, np.float32), power.T
        zero, pairs = np.zeros(1, np.float32), squares.reshape(C, N + 1, 2)[:, :N]
        self.steps = [
            (_copy, zero, 0.0, padded[:, W:]),  # blocks share memory
            (np.multiply, x, c, past),
            (np.subtract, x[:, 1:], past[:, :-1], x[:, 1:]),
            (np.multiply, x[:, 0], 1 - c, x[:, 0]),
            (np.multiply, x, window, padded[:, :W]),
            (_transform, padded, 0.0, spectrum.view(np.complex64)),
            (np.multiply, spectrum, spectrum, squares),
            (np.add, pairs[..., 0], pairs[..., 1], power),
        ]

    def _put(self, piece: Array, mean: Array, first: int, last: int) -> None:
        np.subtract(piece, mean[:, None], self.windows[first:last])

    def _clear(self, first: int) -> None:
        self.windows[first:] = 0


def _transform(x: Array, _: object, out: Array) -> None:
    torch.fft.rfft(torch.from_numpy(x), out=torch.from_numpy(out))


def _aligned(size: int) -> Array:
    """Return float32 zeros from a multiple of 64 bytes on: registers then lie in one cache line each."""
    whole = np.zeros(size + 16, np.float32)
    first = -whole.ctypes.data % 64 // 4
    return whole[first : first + size]


def _take(x: Array, rows: Array, out: Array) -> None:
    np.take(x, rows, axis=1, out=out, mode="clip")  # any other mode goes through a copy


def _copy(x: Array, _: object, out: Array) -> None:
    np.copyto(out, x)


def _crossed(x: Array) -> Array:
    """Return x[0, 0] and x[1, 1] of an x of shape (2, 2, …) as one view."""
    return as_strided(x, (2, *x.shape[2:]), (x.strides[0] + x.strides[1], *x.strides[2:]))
