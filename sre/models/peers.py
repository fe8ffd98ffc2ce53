"""WeSpeaker's checkpoints under the names of our weights (`sre import`)."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path

import torch
from torch import Tensor

from sre import SreError
from sre.models import ARCHITECTURES

CLASSIFIER = "projection."  # of the training speakers
FRONTEND = ("frontend.", "spec.")  # what makes features of samples, in a checkpoint that has it


def read_state(path: Path) -> dict[str, Tensor]:
    """Read a plain state dict, tensors only. Raises SreError for anything else."""
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
    """Return the tensors by our names, and how many of the classifier were left out."""
    kept = {key_map(key): value for key, value in state.items() if not key.startswith(CLASSIFIER)}
    return kept, sum(key.startswith(CLASSIFIER) for key in state)


def split_frontend(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the network's tensors, and those of a front-end that stands in the checkpoint."""
    frontend = {key: value for key, value in state.items() if key.startswith(FRONTEND)}
    return {key: value for key, value in state.items() if key not in frontend}, frontend


def check_frontend(path: Path, frontend: Mapping[str, Tensor], ours: Mapping[str, Tensor], kind: str) -> None:
    """Compare a checkpoint's front-end with that of features of a `kind`: constants, by the ends of their keys.

    Raises SreError where one is none of ours, or differs from it by more than float32 explains.
    """
    for key, theirs in frontend.items():
        same = next((value for end, value in ours.items() if key.endswith(f".{end}")), None)
        if same is None:
            raise SreError(
                f"{path}: '{key}' is of a front-end that cannot be made here; give a network that was trained on {kind}"
            )
        if theirs.shape != same.shape or not torch.allclose(theirs.float(), same.float(), rtol=0, atol=1e-5):
            raise SreError(
                f"{path}: '{key}' {list(theirs.shape)} differs from that of the features {kind} {list(same.shape)};"
                " correct --features, whose options are to be those of the training"
            )


def check_state(path: Path, state: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str) -> None:
    """Compare a checkpoint with what the network needs.

    Raises SreError that names the first missing or unexpected key or unequal shape, and counts them.
    """
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
    """Return what makes our state-dict key of WeSpeaker's. Raises SreError where the network is none of WeSpeaker's."""
    known = {name: kind.peer_key for name, kind in ARCHITECTURES.items() if kind.peer_options is not None}
    if architecture not in known:
        near = get_close_matches(architecture, known, 1, 0.0)[0]
        raise SreError(
            f"'{architecture}' is no network whose WeSpeaker weights can be read, the nearest is '{near}'; give one of"
            f" {', '.join(sorted(known))}"
        )
    return known[architecture]
