"""What `sre import` is given: weights in one file or in a .nemo, and the config that stands beside them.

Weights are read as tensors alone: nothing that a pickle names is called, and nothing of a .nemo is written to disk.
"""

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import torch
from torch import Tensor

from sre import SreError
from sre.io.atomic import sha256_file
from sre.io.tagged_yaml import parse_tagged, read_tagged
from sre.io.text import read_json

CONFIGS = ("hyperparams.yaml", "config.yaml", "configuration.json")  # of SpeechBrain; WeSpeaker, 3D-Speaker; ModelScope
WEIGHTS = ("embedding_model.ckpt", "avg_model.pt")  # of a folder, before all others
SUFFIXES = (".pt", ".pth", ".ckpt", ".bin", ".model")
NEMO_CONFIG, NEMO_WEIGHTS = "model_config.yaml", "model_weights.ckpt"
MOST_BYTES = {NEMO_CONFIG: 1 << 24, NEMO_WEIGHTS: 1 << 33}  # 16 MiB, 8 GiB
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
    """Read a plain state dict, tensors only. Raises SreError for anything else.

    content : the bytes, where they are a part of the file
    """
    try:
        state = torch.load(content or path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise SreError(f"{path}: no such file; check the path") from None
    except Exception as error:  # torch raises pickle, zip and runtime errors alike
        raise SreError(f"{path}: not a checkpoint of tensors ({type(error).__name__}); download it again") from None
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise SreError(f"{path}: not a plain state dict; give WeSpeaker's avg_model.pt, or save the network's alone")
    if odd := [key for key, value in state.items() if value.layout != torch.strided or value.is_quantized]:
        raise SreError(f"{path}: '{odd[0]}' is sparse or quantized; give the network's own weights, dense ones")
    return dict(state)


def read_nemo(path: Path) -> dict[str, bytes]:
    """Return the config and the weights of a .nemo, a tar of them, in memory.

    Raises SreError where it is no tar, or damaged, where one of the two is missing, there twice, too large or no plain
    file, and where a name points out of the archive.
    """
    contents: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
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
