"""`sre import`: a WeSpeaker checkpoint as a bundle of ours, which a recipe's `bundles:` takes.

sre import avg_model.pt exp/peers/resnet34/final.pt --as resnet34 --features voxceleb:fbank80
sre import avg_model.pt exp/peers/b2/final.pt --as redimnet --options '{"size": "b2"}' --features fbank72.yaml

WeSpeaker's features are 80 mel bins (72 for ReDimNet, 60 for its B0) with a Hamming window, no dither in the test, the
utterance's mean subtracted: recipe voxceleb's fbank80, or a file with `num_mel_bins: 72` and `window_type: hamming`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import sre
from sre import SreError

if TYPE_CHECKING:  # torch takes seconds to load, and `sre data` does without
    from torch import Tensor

RECIPES = Path(sre.__file__).resolve().parents[1] / "recipes"
FAMILIES = {  # architecture: the file of sre/models with its peer_key
    "campplus": "campplus",
    "ecapa": "ecapa",
    "eres2net34": "eres2net",
    "gemini_dfresnet114": "gemini",
    "redimnet": "redimnet",
    "redimnet2": "redimnet2",
    "repvgg_a0": "repvgg",
    "res2net34": "res2net",
    "simam_resnet34": "simam",
    **{f"resnet{depth}": "resnet" for depth in (18, 34, 50, 101, 152, 221, 293)},
}
PEER_OPTIONS = {"xvector": {"embedding": "second"}, "redimnet2": {"wespeaker": True}}  # what WeSpeaker's class does
CLASSIFIER = "projection."  # of the training speakers


def read_state(path: Path) -> dict[str, Tensor]:
    """A plain state dict, tensors only. Raises SreError for anything else."""
    import torch

    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise SreError(f"{path}: no such file; check the path") from None
    except Exception as error:  # torch raises pickle, zip and runtime errors alike
        raise SreError(f"{path}: not a checkpoint of tensors ({type(error).__name__}); download it again") from None
    if not isinstance(state, Mapping) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise SreError(f"{path}: not a plain state dict; give WeSpeaker's avg_model.pt, or save the network's alone")
    return dict(state)


def rename(state: Mapping[str, Tensor], key_map: Callable[[str], str]) -> tuple[dict[str, Tensor], int]:
    """The tensors by our names, and how many of the classifier were left out."""
    kept = {key_map(key): value for key, value in state.items() if not key.startswith(CLASSIFIER)}
    return kept, sum(key.startswith(CLASSIFIER) for key in state)


def check_state(path: Path, state: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str) -> None:
    """Raises SreError that names the first missing or unexpected key or unequal shape, and counts them."""
    missing = [key for key in expected if key not in state]
    unexpected = [key for key in state if key not in expected]
    unequal = [key for key in expected if key in state and state[key].shape != expected[key].shape]
    for kind, keys in (("missing", missing), ("unexpected", unexpected), ("of another shape", unequal)):
        if keys:
            first = f"'{keys[0]}'"
            if keys is unequal:
                first += f" {list(state[keys[0]].shape)} for {list(expected[keys[0]].shape)}"
            raise SreError(
                f"{path}: not {what}: {len(missing)} keys missing, {len(unexpected)} unexpected, {len(unequal)} of"
                f" another shape, the first {kind} {first}; correct --as, --options or --features"
            )


def peer_key_of(architecture: str) -> Callable[[str], str]:
    """Our state-dict key of a key of WeSpeaker's."""
    if architecture == "xvector":
        return _xvector_key
    return import_module(f"sre.models.{FAMILIES[architecture]}").peer_key


def _xvector_key(key: str) -> str:
    """Of WeSpeaker's XVEC."""
    for number in range(1, 6):
        key = key.replace(f"frame_{number}.", f"frames.{number - 1}.")
    for theirs, ours in (("conv_1d.", "conv."), ("seg_bn_1.", "segment1_bn."), ("seg_1.", "segment1.")):
        key = key.replace(theirs, ours)
    return key.replace("seg_2.", "segment2.")
