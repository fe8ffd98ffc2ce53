"""What `sre import` is given: weights in one file or in a .nemo, and the config that stands beside them.

Weights are read as tensors alone: nothing that a pickle names is called, and nothing of a .nemo is written to disk.
"""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from torch import Tensor

from sre import SreError
from sre.io.atomic import sha256_file
from sre.io.tagged_yaml import parse_tagged, read_tagged
from sre.io.text import read_json

CONFIGS = ("hyperparams.yaml", "config.yaml", "configuration.json")  # of SpeechBrain; WeSpeaker, 3D-Speaker; ModelScope
WEIGHTS = ("embedding_model.ckpt", "avg_model.pt")  # of a folder, before all others
# where ClovaAI's checkpoints, RawNet3's published file, and Wang's have the weights
NESTED = ("model_state_dict", "model", "encoder_state_dict")
SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".model")
NEMO_CONFIG, NEMO_WEIGHTS = "model_config.yaml", "model_weights.ckpt"
MOST_BYTES = {NEMO_CONFIG: 1 << 24, NEMO_WEIGHTS: 1 << 33}  # 16 MiB, 8 GiB
PACKED: dict[bytes, Any] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}  # first bytes -> how
MOST_RATIO, SLACK = 100, 1 << 20  # of what is in a compressed .nemo; bytes, that a tar is filled up with
MOST_MEMBERS = 10_000  # of a .nemo; speech recognition's have vocabularies beside the two


@dataclass(frozen=True)
class Source:
    """What was found.

    where : how errors name the weights
    state : tensors by the toolkit's names
    config : what stands beside them, {} where nothing does
    config_name : its file
    files : SHA-256 of each file that was read, by its name
    """

    where: str
    state: dict[str, Tensor]
    config: dict = field(default_factory=dict)
    config_name: str = ""
    files: dict[str, str] = field(default_factory=dict)


def read_source(path: Path) -> Source:
    """Read a checkpoint, the folder that it is in, or a .nemo.

    Raises SreError where there are no weights or several, and where a file is damaged or holds more than tensors.
    """
    weights = weights_of(path) if path.is_dir() else path
    files = {}
    if weights.suffix == ".nemo":
        files[weights.name] = sha256_file(weights)
        contents = read_nemo(weights)
        config = parse_tagged(contents[NEMO_CONFIG].decode("utf-8", "replace"), f"{weights}: {NEMO_CONFIG}")
        state = read_state(weights, io.BytesIO(contents[NEMO_WEIGHTS]))
        return Source(str(weights), state, config, NEMO_CONFIG, files)
    state = read_state(weights)
    beside = config_of(weights)
    files = {file.name: sha256_file(file) for file in (weights, beside) if file}
    if beside is None:
        return Source(str(weights), state, files=files)
    config = read_json(beside, "get it again") if beside.suffix == ".json" else read_tagged(beside)
    if not isinstance(config, dict):
        raise SreError(f"{beside}: no JSON object; get it again")
    return Source(str(weights), state, config, beside.name, files)


def weights_of(folder: Path) -> Path:
    """Return the file with a folder's weights. Raises SreError where there is none, or more than one."""
    named = [folder / name for name in WEIGHTS if (folder / name).is_file()]
    found = named or sorted(file for file in folder.iterdir() if file.suffix in (*SUFFIXES, ".nemo"))
    if len(found) != 1:
        names = ", ".join(file.name for file in found[:5]) or f"none of {', '.join(SUFFIXES)} and .nemo"
        raise SreError(f"{folder}: one file of weights is needed, and there is {names}; give the file")
    return found[0]


def config_of(weights: Path) -> Path | None:
    """Return the config beside weights; of a checkpoint in models/CKPT… the one of its experiment."""
    folders = [weights.parent]
    if weights.parent.name.startswith("CKPT"):
        folders.append(weights.absolute().parents[2])
    return next((folder / name for folder in folders for name in CONFIGS if (folder / name).is_file()), None)


def read_state(path: Path, content: io.BytesIO | None = None) -> dict[str, Tensor]:
    """Read a plain state dict, tensors only, or the one of an encoder. Raises SreError for anything else.

    content : the bytes, where they are a part of the file
    """
    try:
        _check_stored(content or path)
        state = torch.load(content or path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise SreError(f"{path}: no such file; check the path") from None
    except _Compressed:
        raise SreError(f"{path}: its parts are compressed, which PyTorch writes none; get it again") from None
    except Exception as error:  # torch raises pickle, zip and runtime errors alike
        raise SreError(f"{path}: not a checkpoint of tensors ({type(error).__name__}); download it again") from None
    if isinstance(state, Mapping):
        state = next((state[key] for key in NESTED if isinstance(state.get(key), Mapping)), state)
    if not isinstance(state, Mapping) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor) for key, value in state.items()
    ):
        raise SreError(f"{path}: not a plain state dict; give WeSpeaker's avg_model.pt, or save the network's alone")
    if odd := [key for key, value in state.items() if not _is_dense(value)]:
        raise SreError(
            f"{path}: '{odd[0]}' is sparse, quantized, complex or without values; give the network's own weights"
        )
    return dict(state)


class _Compressed(Exception):
    """A zip archive that unpacks to more than it is."""


def _check_stored(content: Path | io.BytesIO) -> None:
    """Raise _Compressed for a zip archive with compressed parts: a small one of zeros would fill the memory.

    Raises BadZipFile for a part of another sum than was stored, which torch.load would take; 0 is no sum.
    """
    if zipfile.is_zipfile(content):
        with zipfile.ZipFile(content) as archive:
            parts = archive.infolist()
            if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
                raise _Compressed
            for part in parts:
                with archive.open(part) as stored:
                    while part.CRC and stored.read(1 << 20):
                        pass
    if isinstance(content, io.BytesIO):
        content.seek(0)


def _is_dense(value: Tensor) -> bool:
    return not (value.layout != torch.strided or value.is_quantized or value.is_complex() or value.is_meta)


class _Unpacked:
    """A file that may be compressed, read as what is in it, never beyond `most` bytes: a bomb of zeros ends there.

    tarfile reads headers of any size whole, before anybody sees how large they are.
    """

    def __init__(self, path: Path) -> None:
        with open(path, "rb") as file:
            first = file.read(6)
        opened = next((how for magic, how in PACKED.items() if first.startswith(magic)), open)
        self.most = inf if opened is open else MOST_RATIO * path.stat().st_size + SLACK
        self.path, self.file = path, opened(path, "rb")

    def read(self, size: int) -> bytes:
        self._check(self.file.tell() + size)
        return self.file.read(size)

    def seek(self, place: int) -> int:
        self._check(place)
        return self.file.seek(place)

    def tell(self) -> int:
        return self.file.tell()

    def _check(self, place: int) -> None:
        if place > self.most:
            raise SreError(
                f"{self.path}: it unpacks to over {MOST_RATIO} times its size, as no model does; get it again"
            )


def read_nemo(path: Path) -> dict[str, bytes]:
    """Return the config and the weights of a .nemo, a tar of them, in memory.

    Raises SreError where it is no tar, or damaged, where one of the two is missing, there twice, too large or no plain
    file, and where a name points out of the archive.
    """
    contents: dict[str, bytes] = {}
    try:
        unpacked = _Unpacked(path)
        with unpacked.file, tarfile.open(fileobj=unpacked, mode="r:") as archive:  # type: ignore[call-overload]  # all that tarfile asks for
            for number, member in enumerate(archive):
                name = PurePosixPath(member.name)
                if name.is_absolute() or ".." in name.parts:
                    raise SreError(f"{path}: its part '{member.name[:80]}' points out of the archive; get it again")
                if number >= MOST_MEMBERS:
                    raise SreError(f"{path}: more than {MOST_MEMBERS} parts, which no .nemo has; get it again")
                if name.name not in MOST_BYTES:
                    continue
                if name.name in contents or not member.isfile() or member.size > MOST_BYTES[name.name]:
                    raise SreError(
                        f"{path}: its {name.name} is there twice, no plain file or larger than"
                        f" {MOST_BYTES[name.name] >> 20} MiB; get it again"
                    )
                part = archive.extractfile(member)
                assert part is not None  # it is a plain file
                contents[name.name] = part.read(member.size)
                if len(contents[name.name]) != member.size:
                    raise SreError(f"{path}: its {name.name} is cut short; get it again")
    except SreError:
        raise
    except Exception as error:  # tarfile, zlib and lzma raise errors of many kinds
        raise SreError(f"{path}: not a .nemo, or damaged ({type(error).__name__}); get it again") from None
    if missing := [name for name in MOST_BYTES if name not in contents]:
        raise SreError(f"{path}: no {missing[0]} in it; give a .nemo of NeMo's save_to")
    return contents
