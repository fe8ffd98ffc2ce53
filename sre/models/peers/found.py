"""A network that was recognised in another toolkit's file, and how its tensors become ours."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from sre import SreError
from sre.models import build
from sre.models.peers.source import Source


@dataclass(frozen=True)
class Found:
    """What a file was recognised as.

    toolkit, network : as people call them
    said_by : what says so
    architecture, options : of ours; options without those that have their defaults
    features : the feature config, not resolved
    key_of : makes our state-dict key of theirs
    left_out : how keys begin that are of no use here, as of the classifier
    frontend : how keys begin that are of the front-end
    sample_rate : Hz
    parts : makes the tensors of which key_of names each of theirs, where one of theirs is several of ours
    untold : options that no file tells, which the user may
    note : what a user has to know that no file tells
    """

    toolkit: str
    network: str
    said_by: str
    architecture: str
    options: dict
    features: dict
    key_of: Callable[[str], str]
    left_out: tuple[str, ...] = ()
    frontend: tuple[str, ...] = ()
    sample_rate: int = 16000
    parts: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = dict
    untold: tuple[str, ...] = ()
    note: str = ""


def size(source: Source, network: str, key: str, axis: int = 0) -> int:
    """Return a tensor's size along an axis. Raises SreError where there is no such tensor."""
    value = source.state.get(key)
    if value is None or value.ndim <= axis:
        raise SreError(f"{source.where}: no {network}, which has a tensor '{key}'; get the file again")
    return value.shape[axis]


def known(where: str, given: Mapping, usual: Mapping) -> None:
    """Raise SreError where a setting of a network or front-end is another than the one that is made here."""
    for key, value in given.items():
        if key in usual and value != usual[key]:
            raise SreError(f"{where}: {key} is {value!r}, and only {usual[key]!r} can be made here; give another model")


def whole(where: str, value: object) -> int:
    """Return a config's whole number. Raises SreError where it is none."""
    if type(value) is not int or value < 1:
        raise SreError(f"{where} is {str(value)[:40]!r}, and a whole number is needed; write it there")
    return value


def split(state: Mapping[str, Tensor], found: Found) -> tuple[dict[str, Tensor], dict[str, Tensor], int]:
    """Return the network's tensors, those of the front-end, and how many were left out."""
    state = found.parts(state)
    kept = (
        {key: value for key, value in state.items() if not key.startswith(found.left_out)} if found.left_out else state
    )
    frontend = {key: value for key, value in kept.items() if found.frontend and key.startswith(found.frontend)}
    own = {key: value for key, value in kept.items() if key not in frontend}
    return own, frontend, len(state) - len(kept)


def expected(architecture: str, bins: int, options: dict) -> dict[str, Tensor]:
    """Return the tensors that a network has, without values: sizes that a config only says take no memory."""
    with torch.device("meta"):
        return build(architecture, bins, options).state_dict()


def renamed(state: Mapping[str, Tensor], found: Found, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors by our names, a linear layer and a convolution of one frame as whichever of them ours is."""
    made = {}
    for key, value in state.items():
        ours = found.key_of(key)
        shape = expected[ours].shape if ours in expected else value.shape
        alike = [n for n in shape if n != 1] == [n for n in value.shape if n != 1]
        made[ours] = value.reshape(shape) if alike else value
    return made


def check_frontend(
    where: str, frontend: Mapping[str, Tensor], ours: Mapping[str, Tensor], kind: str, cure: str
) -> None:
    """Compare a checkpoint's front-end with that of features of a `kind`: constants, by the ends of their keys.

    cure : what to do about a difference
    Raises SreError where one is none of ours, or differs from it by more than float32 explains.
    """
    for key, theirs in frontend.items():
        same = next((value for end, value in ours.items() if key.endswith(f".{end}")), None)
        if same is None:
            raise SreError(
                f"{where}: '{key}' is of a front-end that cannot be made here; give a network that was trained on"
                f" {kind}"
            )
        if theirs.shape != same.shape or not torch.allclose(theirs.float(), same.float(), rtol=0, atol=1e-5):
            raise SreError(
                f"{where}: '{key}' {list(theirs.shape)} differs from that of the features {kind} {list(same.shape)};"
                f" {cure}"
            )


def check_state(where: str, state: Mapping[str, Tensor], expected: Mapping[str, Tensor], what: str, cure: str) -> None:
    """Compare a checkpoint with what the network, called `what`, needs.

    cure : what to do about a difference
    Raises SreError that names the first missing or unexpected key or unequal shape, and counts them; and one that names
    the first tensor with NaN or infinite values.
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
                f"{where}: not {what}: {len(missing)} keys missing, {len(unexpected)} unexpected, {len(unequal)} of"
                f" another shape, the first {kind} {first}; {cure}"
            )
    bad = [key for key, value in state.items() if not torch.isfinite(value).all()]
    if bad:
        raise SreError(f"{where}: '{bad[0]}' has NaN or infinite values, {len(bad)} tensors in all; get it again")


def parameters(network: nn.Module) -> int:
    """Return how many parameters a network has."""
    return sum(parameter.numel() for parameter in network.parameters())
