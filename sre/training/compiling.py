"""A compiled form of a network for training (training.compile), by torch.compile."""

import os
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor

from sre import SreError
from sre.models.base import Network

REMEDY = "install one, or set training.compile: false"


def compiled(
    network: Network, device: torch.device, frames: tuple[int, int], deterministic: bool = True
) -> Callable[[Tensor], Tensor]:
    """Return what computes the network's output and gradient by compiled code, made at the first call.

    The network and its state stay as they are; the code is for its training mode.
    frames : least and greatest length of a chunk. If they differ, the code is made once, for any length, on a GPU. On a
        CPU torch's code of convolutions is for one length.
    deterministic : on a GPU the code is chosen by rules; False: also by how long each form takes there, so that two
        compilations may sum in another order

    Raises SreError where there is no compiler for the device, or lengths differ on a CPU.
    """
    _check_compiler(device)
    if device.type == "cpu" and frames[0] < frames[1]:
        raise SreError(
            f"training.compile makes code for one length of chunks on a CPU, and training.chunk_frames is"
            f" {list(frames)}; give it one length, or set training.compile: false"
        )
    varies = frames[0] < frames[1]
    rules: dict[str, Any] | None = {"deterministic": True} if deterministic and device.type == "cuda" else None
    code = torch.compile(network, dynamic=None if varies else False, options=rules)

    def forward(chunks: Tensor) -> Tensor:
        if varies:
            torch._dynamo.mark_dynamic(chunks, 1)
        try:
            return code(chunks)
        except torch.fx.experimental.symbolic_shapes.ConstraintViolationError:
            raise SreError(
                f"training.compile: {type(network).__name__} computes chunks of each length by code of its own; give"
                " training.chunk_frames one length, or set training.compile: false"
            ) from None

    return forward


def _check_compiler(device: torch.device) -> None:
    if device.type == "cpu":
        wanted = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")  # as torch looks for it
        if not shutil.which(wanted):
            raise SreError(f"training.compile needs a C++ compiler on a CPU, and there is no {wanted}; {REMEDY}")
    elif not find_spec("triton") or not (shutil.which("gcc") or shutil.which("cc")):
        raise SreError(f"training.compile needs Triton and a C compiler on a GPU; {REMEDY}")
