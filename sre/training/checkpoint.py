"""Checkpoints: whole or absent, found by step, read with weights_only."""

import re
from collections.abc import Sequence
from pathlib import Path

import torch

from sre import SreError
from sre.machine.log import say, warn
from sre.models.bundle import load
from sre.models.bundle import save as save  # of the state that load_state reads

STATE = {"step": int, "network": dict, "head": dict, "optimizer": dict, "rng": torch.Tensor}  # of a training, at a step
STATE |= {"history": list, "sums": dict}


def load_state(path: Path) -> dict:
    """Read a training's checkpoint, as the Trainer saves it. Raises SreError naming what it lacks."""
    state = load(path)
    if lacking := [name for name, kind in STATE.items() if not isinstance(state.get(name), kind)]:
        raise SreError(f"{path}: a checkpoint without {', '.join(lacking)}; delete it and train again")
    return state


def find(folder: Path) -> list[Path]:
    """Return the checkpoint files of a folder, oldest first."""
    return sorted(path for path in folder.glob("step_*.pt") if re.fullmatch(r"step_\d{9}\.pt", path.name))


def newest(folder: Path) -> dict | None:
    """Read the newest checkpoint that can be read, None if there is none; a damaged one is named and passed over."""
    for path in reversed(find(folder)):
        try:
            state = load_state(path)
        except SreError as error:
            warn(f"{error} (the one before it is used)")
            continue
        say(f"resuming from {path}")
        return state
    return None


def average(paths: Sequence[Path], parts: Sequence[str] = ("network",)) -> list[dict[str, torch.Tensor]]:
    """Return the mean over checkpoints of each floating tensor, by the parts of their state; others are the last's."""
    totals: list[dict[str, torch.Tensor]] = [{} for _ in parts]
    for path in paths:
        state = load_state(path)
        for part, total in zip(parts, totals, strict=True):
            for name, value in state[part].items():
                total[name] = total.get(name, 0) + value.double() if value.is_floating_point() else value
    return [
        {name: (t / len(paths)).float() if t.is_floating_point() else t for name, t in total.items()}
        for total in totals
    ]
