"""The file final.pt, a trained model: its one writer and reader. Also saves and loads checkpoints."""

import errno
import io
import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import torch

from sre import SreError
from sre.io.atomic import atomic_output, sha256_text
from sre.io.forms import NONE, NUMBER, check_form
from sre.io.text import canonical

FORMAT = "sre model 1"
CURE = "it is damaged or of another program: train the model again, or get the bundle again"


def save(path: Path, state: dict) -> None:
    """Write a dict of tensors and plain types whole. Raises SreError where there is no room.

    PyTorch, writing itself, would end with a C++ error there.
    """
    content = io.BytesIO()
    torch.save(state, content)
    with atomic_output(path, "wb") as file:
        file.write(content.getbuffer())


def load(path: str | Path, mapped: bool = False) -> dict:
    """Read tensors and plain types only. Raises SreError naming the file where it is missing, damaged or no dict.

    mapped : leave the tensors in the file until their values are asked for

    The sum of each part is checked, about a second for 1.6 GB: torch.load itself would take a value of which a bit has
    changed on the disk.
    """
    try:
        with zipfile.ZipFile(path) as parts:
            if bad := parts.testzip():
                raise zipfile.BadZipFile(bad)
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except FileNotFoundError:
        raise SreError(f"{path}: no such file; train the model first") from None
    except Exception as error:  # torch raises pickle, zip and runtime errors alike, and EINVAL of a file cut short
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise SreError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None
        raise SreError(
            f"{path}: not a readable checkpoint ({type(error).__name__}); delete it and train again"
        ) from None
    if not isinstance(state, dict):
        raise SreError(f"{path}: {type(state).__name__} where a checkpoint is needed; delete it and train again")
    return state


@dataclass
class Bundle:
    """A trained model, as final.pt has it.

    config : the model's, resolved; of imported weights "architecture", "options", "features" and "imported"
    feature_config : of the features that the network takes, resolved
    num_features : F, their dimension
    network : the network's weights by state-dict key
    speakers : the training speakers in the order of the loss's classes; None: not known, as of imported weights
    head : the loss's weights by state-dict key; None: not there, as in older bundles and imported ones
    copies : the speed of each block of classes, a class for each speaker; 1.0 is the first
    init : what its training started from, the nearest first: name (of the model, or a path), sha256 of the file, and
        config_sha256 of its config
    heard : all speakers, sorted, that it or one of `init` was trained on; None: not known
    """

    config: dict
    feature_config: dict
    num_features: int
    network: dict[str, torch.Tensor]
    speakers: list[str] | None = None
    head: dict[str, torch.Tensor] | None = None
    copies: list[float] = field(default_factory=lambda: [1.0])
    init: list[dict[str, str]] = field(default_factory=list)
    heard: list[str] | None = None

    def __post_init__(self) -> None:
        if not self.init and self.speakers is not None:
            self.heard = sorted(self.speakers)

    @property
    def config_sha256(self) -> str:
        """The SHA-256 of the config, as it was written."""
        return sha256_text(canonical({key: value for key, value in self.config.items() if key != "features" or value}))

    def save(self, path: Path) -> None:
        """Write final.pt. Raises SreError where there is no room."""
        content: dict = {
            "format": FORMAT,
            "config": canonical(self.config),
            "feature_config": canonical(self.feature_config),
            "num_features": self.num_features,
        }
        if self.speakers is not None:
            content["speakers"] = self.speakers
        if self.init:
            content |= {"init": self.init, "heard": self.heard}
        if self.head is not None:
            content |= {"copies": self.copies, "head": self.head}
        save(path, content | {"network": self.network})


ONE_INIT = {"name": str, "sha256": str, "config_sha256": str}
PLAIN = {  # what is neither tensors nor a config
    "num_features": int,
    "speakers?": (NONE, [str]),
    "copies?": [NUMBER],
    "init?": [ONE_INIT],
    "heard?": (NONE, [str]),
    "*": object,
}


def load_bundle(path: str | Path, with_head: bool = False) -> Bundle:
    """Read a final.pt, without the loss's weights if they are not asked for, which may be most of it.

    Raises SreError naming the file and what is not of a bundle's form.
    """
    content = load(path, mapped=True)
    if content.get("format") != FORMAT:
        raise SreError(f"{path}: not a model bundle of this project; give the final.pt of a training")
    config, feature_config = (_json_of(content, name, path) for name in ("config", "feature_config"))
    if not isinstance(config.get("architecture"), str) or not isinstance(config.get("options"), dict):
        raise SreError(f"{path}: its config names no architecture with options; {CURE}")
    if not isinstance(config.setdefault("features", None), str | None):
        raise SreError(f"{path}: its config names no features; {CURE}")
    num_features = content.get("num_features")
    if type(num_features) is not int or num_features < 1:
        raise SreError(f"{path}: its num_features {num_features!r} is no number of columns; {CURE}")
    check_form(path, content, PLAIN, CURE)
    network = _weights(content.get("network"), "weight", path)
    if not network:
        raise SreError(f"{path}: no weights in it; {CURE}")
    head = content.get("head") if with_head else None
    return Bundle(
        config,
        feature_config,
        num_features,
        network,
        content.get("speakers"),
        None if head is None else _weights(head, "weight of the loss", path),
        content.get("copies", [1.0]),
        content.get("init", []),
        content.get("heard"),
    )


def _weights(found: object, kind: str, path: str | Path) -> dict[str, torch.Tensor]:
    """Return tensors by name. Raises SreError where they are none, or where one has values that are no numbers."""
    if not isinstance(found, dict):
        raise SreError(f"{path}: no {kind} in it; {CURE}")
    for name, value in found.items():
        if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.is_meta or value.is_complex():
            raise SreError(f"{path}: its {kind} '{name}' is no tensor of numbers; {CURE}")
        if not torch.isfinite(value).all():
            raise SreError(f"{path}: its {kind} '{name}' has NaN or infinite values; {CURE}")
    return found


def _json_of(content: dict, name: str, path: str | Path) -> dict:
    try:
        found = json.loads(content[name])
    except (KeyError, TypeError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise SreError(f"{path}: its {name} is missing or no JSON object; {CURE}")
    return found
