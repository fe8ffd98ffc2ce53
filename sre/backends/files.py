"""A back-end is one self-contained npz: its chain and arrays, its kind and facts as JSON; no pickle.

Its options stand among the facts.
"""

import json
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sre import FileError, SreError
from sre.backends.backend import Backend
from sre.backends.chain import Chain
from sre.backends.cosine import Cosine
from sre.backends.kinds import KINDS
from sre.backends.plda import Plda
from sre.io.atomic import atomic_output
from sre.io.kaldi_plda import read_kaldi_plda


def save(path: str | Path, backend: Backend) -> None:
    """Write a back-end's file."""
    header, arrays = contents_of(backend)
    with atomic_output(path, "wb") as file:
        np.savez(file, header=np.array(json.dumps(header, sort_keys=True)), **arrays)


def contents_of(backend: Backend) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a file has of a back-end, from which `backend_of` makes it again: kind, facts and chain; arrays."""
    header = {"kind": backend.kind, "facts": backend.facts | asdict(backend.options), "chain": backend.chain.steps}
    chain = {f"chain_{number}": array for number, array in enumerate(backend.chain.arrays)}
    return header, chain | backend.parts


def save_failure(path: str | Path, reason: str) -> None:
    """Write why a back-end could not be fitted, for the report's row."""
    with atomic_output(path, "wb") as file:
        np.savez(file, header=np.array(json.dumps({"kind": "failed", "reason": reason})))


def load(path: str | Path) -> Backend:
    """Load what `save` wrote, or Kaldi's plda, of embeddings that went through Kaldi's chain already.

    The word `cosine` is the raw cosine. Raises SreError with the reason of a failed fit.
    """
    if str(path) == "cosine":
        return Cosine()
    if _is_kaldi(Path(path)):
        parts = dict(zip(Plda.SHAPES, read_kaldi_plda(path), strict=True))
        return Plda(Chain(), parts, facts={"chain": []})
    try:
        if Path(path).is_file() and not zipfile.is_zipfile(path):
            raise ValueError("an npz is needed, or Kaldi's plda, whole")
        with np.load(path, allow_pickle=False) as file:
            header = json.loads(str(file["header"]))
            parts = {name: file[name] for name in file.files if name != "header"}
        if header["kind"] != "failed":
            return backend_of(header, parts)
        reason = str(header["reason"])
    except FileNotFoundError:
        raise FileError(f"{path}: no such back-end; train it first, or write cosine") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None
    except Exception as error:  # numpy and zipfile raise many kinds for a damaged file
        why = error if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise FileError(f"{path}: not a back-end file ({why}); train it again") from None
    raise SreError(reason)


def backend_of(header: dict, parts: dict[str, np.ndarray]) -> Backend:
    """Return the back-end of a file's header and arrays. Raises ValueError that says what is not of its kind's form."""
    kind, facts, steps = header["kind"], header["facts"], header["chain"]
    if kind not in KINDS:
        raise ValueError(f"of the unknown kind {kind!r}, known are {', '.join(KINDS)}")
    if not isinstance(facts, dict) or not isinstance(steps, list):
        raise ValueError("its facts or its chain are of another form")
    for name, array in parts.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise ValueError(f"{name} is not of finite floating numbers")
    needed = {f"chain_{number}" for number in range(len(steps))} | KINDS[kind].SHAPES.keys()
    if lacking := sorted(needed - parts.keys()):
        raise ValueError(f"{', '.join(lacking)} missing")
    chain = Chain(steps, [parts.pop(f"chain_{number}") for number in range(len(steps))])
    dimension = chain.check()
    backend = KINDS[kind](chain, parts, KINDS[kind].OPTIONS.read(facts), facts)
    backend.check(dimension)
    return backend


def _is_kaldi(path: Path) -> bool:
    if not path.is_file():
        return False
    with open(path, "rb") as file:
        return file.read(16).removeprefix(b"\0B").lstrip().startswith(b"<Plda>")
