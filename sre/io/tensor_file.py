"""Files of named arrays in the form of safetensors: no code runs when one is read, and nothing is taken on trust.

A file is 8 bytes with the length of a header, the header as JSON, and the values of the arrays one after another.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from sre import SreError
from sre.io.atomic import atomic_output
from sre.io.forms import check_form
from sre.io.text import NO_FILE, canonical

LARGEST_HEADER = 100_000_000  # bytes, safetensors' own limit
DEEPEST = 50  # of what is in each other in a JSON text
ALIGNED = 8  # bytes
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1", "U8": "|u1"}
NAMES = {np.dtype(form): name for name, form in TYPES.items()}
CURE = "it is damaged or of another program: get the file again"
OTHERS = {  # first bytes -> what such a file is
    b"PK\3\4": "a zip archive, as PyTorch's checkpoints and numpy's npz are",
    b"\x80": "a pickle, which could run any code and is not read",
    b"\x93NUMPY": "an array of numpy",
    b"\x89HDF": "an HDF5 file",
    b"RIFF": "a sound file",
    b"{": "a JSON text",
}


def write_tensors(path: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write named arrays and texts whole; the same content gives the same bytes. Raises SreError for another type."""
    header: dict[str, Any] = {"__metadata__": dict(metadata)}
    at = 0
    for name in sorted(arrays):
        array = arrays[name]
        if array.dtype not in NAMES:
            raise SreError(f"{path}: '{name}' is of {array.dtype}, which is not written; give it as float32 or float64")
        header[name] = {
            "dtype": NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [at, at + array.nbytes],
        }
        at += array.nbytes
    text = canonical(header).encode()
    text += b" " * (-len(text) % ALIGNED)
    if len(text) > LARGEST_HEADER:
        raise SreError(
            f"{path}: its header would have {len(text)} bytes, and {LARGEST_HEADER} are allowed; leave names out"
        )
    with atomic_output(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for name in sorted(arrays):
            file.write(np.ascontiguousarray(arrays[name]).tobytes())


class TensorFile:
    """An opened file: its arrays are read when they are asked for.

    metadata : name -> text
    shapes : name -> shape of each array

    Raises SreError naming the file where it is none, or contradicts itself.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        header = self._header()
        self.metadata: dict[str, str] = header.pop("__metadata__", {})
        check_form(path, self.metadata, {"*": str}, CURE)
        check_form(path, header, {"*": {"dtype": str, "shape": [int], "data_offsets": [int, int]}}, CURE)
        for name, told in header.items():
            if told["dtype"] not in TYPES:
                raise SreError(f"{path}: '{name[:60]}' is of type {told['dtype'][:20]!r}, which is not read; {CURE}")
        self.types = {name: str(told["dtype"]) for name, told in header.items()}
        self.shapes = {name: tuple(told["shape"]) for name, told in header.items()}
        try:
            with safe_open(path, framework="np") as file:
                names = set(file.keys())
        except (SafetensorError, OSError, ValueError) as error:
            raise SreError(f"{path}: its header contradicts the file ({error}); {CURE}") from None
        if names != header.keys():
            raise SreError(f"{path}: its header names other arrays than it has; {CURE}")

    def _header(self) -> dict[str, Any]:
        """Return the header's JSON, after what the first bytes tell."""
        try:
            with open(self.path, "rb") as file:
                head, size = file.read(9), self.path.stat().st_size
                length = int.from_bytes(head[:8], "little")
                if not (head[8:] == b"{" and 2 <= length <= min(LARGEST_HEADER, size - 8)):
                    what = next((what for magic, what in OTHERS.items() if head.startswith(magic)), f"{size} bytes")
                    raise SreError(f"{self.path}: {what}, and no file of safetensors; give a model.sre or final.pt")
                text = head[8:] + file.read(length - 1)
        except (FileNotFoundError, NotADirectoryError):
            raise SreError(f"{self.path}: {NO_FILE}") from None
        except IsADirectoryError:
            raise SreError(f"{self.path}: is a folder; give the file in it") from None
        except (OSError, ValueError) as error:
            raise SreError(f"{self.path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
        return json_object_of(self.path, text, "header")

    def arrays(self, prefix: str) -> dict[str, np.ndarray]:
        """Return the arrays whose names begin with a prefix, by the rest of their names.

        Raises SreError for values that are not finite.
        """
        names = sorted(name for name in self.shapes if name.startswith(prefix))
        found: dict[str, np.ndarray] = {}
        with safe_open(self.path, framework="np") as file:
            for name in names:
                try:
                    array = np.array(file.get_tensor(name))
                except ValueError as error:  # of no values, with an axis that numpy does not count to
                    raise SreError(f"{self.path}: its '{name}' is of no shape that can be ({error}); {CURE}") from None
                if array.dtype.kind == "f" and not np.isfinite(array).all():
                    raise SreError(f"{self.path}: its '{name}' has NaN or infinite values; {CURE}")
                found[name.removeprefix(prefix)] = array
        return found


def json_object_of(path: str | Path, text: str | bytes, what: str) -> dict[str, Any]:
    """Return the object of a JSON text of a file; raises SreError naming the file and which text of it is none."""
    try:
        content = json.loads(
            text, parse_constant=_no_constant, parse_int=_whole, parse_float=_finite, object_pairs_hook=_once
        )
        json.dumps(content, ensure_ascii=False).encode()  # half a character of UTF-16 is no text
        _check_depth(content)
    except (ValueError, RecursionError) as error:  # UnicodeError is a ValueError
        reason = "it is nested too deep" if isinstance(error, RecursionError) else str(error)[:100]
        raise SreError(f"{path}: its {what} is no JSON ({reason}); {CURE}") from None
    if not isinstance(content, dict):
        raise SreError(f"{path}: its {what} is no JSON object; {CURE}")
    return content


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _whole(text: str) -> int:
    if not -(2**63) <= (value := int(text)) < 2**63:
        raise ValueError("a whole number that is too large")
    return value


def _finite(text: str) -> float:
    if not isfinite(value := float(text)):
        raise ValueError(f"{text[:40]} is too large a number")
    return value


def _check_depth(content: object) -> None:
    """Raise RecursionError where values are more than DEEPEST in each other."""
    level = [content]
    for _ in range(DEEPEST):
        inside = [part for part in level if isinstance(part, dict | list)]
        level = [one for part in inside for one in (part.values() if isinstance(part, dict) else part)]
    if level:
        raise RecursionError


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("a name stands twice")
    return content


def digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    """Return the SHA-256 of arrays: of their names, types, shapes and values, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {NAMES.get(array.dtype, array.dtype)} {list(array.shape)}\n".encode())
        digest.update(np.ascontiguousarray(array).data if array.size else b"")
    return digest.hexdigest()
