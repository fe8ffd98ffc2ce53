"""Pickles of plain data, read without running anything that is in them.

A pickle names functions, which `pickle.load` calls with what the file says. Here the few that numpy's arrays are
pickled with stand for recipes of ours, which make an array of bytes, and every other name is refused.
"""

import io
import math
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from sre import SreError
from sre.io.ids import shown
from sre.io.text import read_bytes

DEEPEST = 50  # of what is in each other
NUMBERS = "biufc"  # kinds of arrays
CURE = "write its arrays with numpy.save, or give another file"


class _Type:
    """A number's type; only its name and byte order are taken."""

    def __init__(self, code: str = "", *_: object) -> None:
        self.code, self.order = code if isinstance(code, str) else "", "="

    def __setstate__(self, state: tuple) -> None:
        if state[1] in ("<", ">", "|", "="):
            self.order = state[1]

    def made(self) -> np.dtype:
        """Return the type. Raises ValueError where it is not that of a number."""
        try:
            dtype = np.dtype(self.code)
            dtype = np.dtype(f"{self.order}{dtype.str[1:]}") if self.order in "<>" else dtype
        except TypeError:
            raise ValueError(f"a type '{self.code[:20]}'") from None
        if dtype.kind not in NUMBERS or dtype.shape:
            raise ValueError(f"an array of '{self.code[:20]}', which are no numbers")
        return dtype


class _Array:
    """An array that has been named, and waits for its bytes."""

    value: np.ndarray | None = None

    def __init__(self, *_: object) -> None: ...

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, fortran, data = state
        self.value = _array(data, kind, shape, "F" if fortran else "C")


class _Recipe:
    """What a pickle may call; it has no state that a pickle could set."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *arguments: object) -> Any:
        return self._make(*arguments)

    def __setstate__(self, state: object) -> None:
        raise ValueError("a state for a function")


def _array(data: object, kind: object, shape: object, order: str) -> np.ndarray:
    """Return the array of some bytes. Raises ValueError where they are not as many as its shape wants."""
    data = data.encode("latin1") if isinstance(data, str) else data  # of Python 2
    if not isinstance(kind, _Type) or not isinstance(data, bytes | bytearray):
        raise ValueError("an array without bytes")
    sizes = shape if isinstance(shape, tuple) else (shape,)
    if not all(type(size) is int and 0 <= size < 1 << 40 for size in sizes) or len(sizes) > 8:
        raise ValueError("an array of no shape")
    if math.prod(sizes) * (dtype := kind.made()).itemsize != len(data):
        raise ValueError("an array cut short")
    return np.frombuffer(data, dtype).reshape(sizes, order="F" if order == "F" else "C").astype(dtype.str[1:])


def _number(kind: object, data: object) -> Any:
    return _array(data, kind, (), "C")[()]


def _encoded(text: object, coding: object) -> bytes:
    if not isinstance(text, str) or coding not in ("latin1", "latin-1"):
        raise ValueError("bytes in a strange coding")
    return text.encode("latin1")


KNOWN = {("numpy", "ndarray"): _Recipe(_Array), ("numpy", "dtype"): _Recipe(_Type)}
for _module in ("numpy.core", "numpy._core"):
    KNOWN[f"{_module}.multiarray", "_reconstruct"] = _Recipe(_Array)
    KNOWN[f"{_module}.multiarray", "scalar"] = _Recipe(_number)
    KNOWN[f"{_module}.numeric", "_frombuffer"] = _Recipe(_array)
KNOWN["_codecs", "encode"] = _Recipe(_encoded)
KNOWN["builtins", "bytes"] = KNOWN["__builtin__", "bytes"] = _Recipe(lambda: b"")  # in old protocols


class _Plain(pickle.Unpickler):
    """Finds nothing but what is KNOWN."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in KNOWN:
            raise _Refused(f"{module}.{name}")
        return KNOWN[module, name]


class _Refused(Exception):
    """The name of what a pickle wants to have called."""


def read_plain(path: str | Path) -> Any:
    """Read a pickle that holds dict, list, tuple, text, bytes, numbers, None, and numpy arrays of numbers.

    Nothing else is built, and nothing that the file names is called. Raises SreError where there is anything else in
    it, with its name, and where it is damaged or no pickle.
    """
    data = read_bytes(path)
    try:
        return _plain(_Plain(io.BytesIO(data), encoding="latin1").load(), {}, 0)
    except _Refused as error:
        raise SreError(
            f"{path}: not read, since it is a pickle that would run '{shown(str(error))[:80]}', no plain data; {CURE}"
        ) from None
    except MemoryError:
        raise SreError(f"{path}: a pickle that asks for more memory than there is; {CURE}") from None
    except Exception as error:  # what unpickling raises of damaged files is of any kind
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise SreError(f"{path}: no pickle of plain data, or damaged ({reason}); {CURE}") from None


def _plain(value: Any, seen: dict[int, Any], depth: int) -> Any:
    """Return a value with arrays for what stands for them. Raises ValueError for what is not plain, or too deep."""
    if depth > DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, _Array):
        if value.value is None:
            raise ValueError("an array without bytes")
        return value.value
    if isinstance(value, dict | list | tuple):
        if id(value) not in seen:
            seen[id(value)] = _parts(value, seen, depth + 1)
        return seen[id(value)]
    if value is None or isinstance(value, str | bytes | int | float | complex | np.number | np.bool_ | np.ndarray):
        return value
    raise ValueError(f"{type(value).__name__} in it")


def _parts(value: Any, seen: dict[int, Any], depth: int) -> Any:
    if isinstance(value, dict):
        return {_plain(key, seen, depth): _plain(part, seen, depth) for key, part in value.items()}
    return type(value)(_plain(part, seen, depth) for part in value)
