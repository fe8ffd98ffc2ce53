"""The file final.pt, a trained model: its one writer and reader. Also saves and loads checkpoints."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import torch

from sre import SreError
from sre.io.atomic import atomic_output
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


def load(path: str | Path) -> dict:
    """Read tensors and plain types only. Raises SreError naming the file where it is missing, damaged or no dict."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise SreError(f"{path}: no such file; train the model first") from None
    except OSError as error:
        raise SreError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None
    except Exception as error:  # torch raises pickle, zip and runtime errors alike
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
    """

    config: dict
    feature_config: dict
    num_features: int
    network: dict[str, torch.Tensor]
    speakers: list[str] | None = None

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
        save(path, content | {"network": self.network})


def load_bundle(path: str | Path) -> Bundle:
    """Read a final.pt. Raises SreError naming the file and what is not of a bundle's form."""
    content = load(path)
    if content.get("format") != FORMAT:
        raise SreError(f"{path}: not a model bundle of this project; give the final.pt of a training")
    config, feature_config = (_json_of(content, name, path) for name in ("config", "feature_config"))
    if not isinstance(config.get("architecture"), str) or not isinstance(config.get("options"), dict):
        raise SreError(f"{path}: its config names no architecture with options; {CURE}")
    if not isinstance(config.setdefault("features", None), str | None):
        raise SreError(f"{path}: its config names no features; {CURE}")
    num_features, network = content.get("num_features"), content.get("network")
    if type(num_features) is not int or num_features < 1:
        raise SreError(f"{path}: its num_features {num_features!r} is no number of columns; {CURE}")
    if not isinstance(network, dict) or not network:
        raise SreError(f"{path}: no weights in it; {CURE}")
    for name, value in network.items():
        if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.is_meta or value.is_complex():
            raise SreError(f"{path}: its weight '{name}' is no tensor of numbers; {CURE}")
        if not torch.isfinite(value).all():
            raise SreError(f"{path}: its weight '{name}' has NaN or infinite values; {CURE}")
    return Bundle(config, feature_config, num_features, network, content.get("speakers"))


def _json_of(content: dict, name: str, path: str | Path) -> dict:
    try:
        found = json.loads(content[name])
    except (KeyError, TypeError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise SreError(f"{path}: its {name} is missing or no JSON object; {CURE}")
    return found
