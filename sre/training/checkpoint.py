"""Checkpoints: whole or absent, found by step, read with weights_only."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import torch

from sre import SreError
from sre.io.atomic import atomic_output
from sre.log import say, warn


def save(path: Path, state: dict) -> None:
    with atomic_output(path, "wb") as file:
        torch.save(state, file)


def load(path: str | Path) -> dict:
    """Tensors and plain types only. Raises SreError naming the file where it is missing or damaged."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise SreError(f"{path}: no such file; train the model first") from None
    except Exception as error:  # torch raises pickle, zip and runtime errors alike
        raise SreError(
            f"{path}: not a readable checkpoint ({type(error).__name__}); delete it and train again"
        ) from None


def find(folder: Path) -> list[Path]:
    """Checkpoint files, oldest first."""
    return sorted(path for path in folder.glob("step_*.pt") if re.fullmatch(r"step_\d{9}\.pt", path.name))


def newest(folder: Path) -> dict | None:
    """The newest checkpoint that can be read; a damaged one is named and passed over."""
    for path in reversed(find(folder)):
        try:
            state = load(path)
        except SreError as error:
            warn(f"{error} (the one before it is used)")
            continue
        say(f"resuming from {path}")
        return state
    return None


def average(paths: Sequence[Path]) -> dict[str, torch.Tensor]:
    """Mean over checkpoints of each floating tensor of the network; others are the last one's."""
    total: dict[str, torch.Tensor] = {}
    for path in paths:
        for name, value in load(path)["network"].items():
            if value.is_floating_point():
                total[name] = total.get(name, 0) + value.double()
            else:
                total[name] = value
    return {name: (t / len(paths)).float() if t.is_floating_point() else t for name, t in total.items()}


def write_history(path: Path, rows: Sequence[dict]) -> None:
    with atomic_output(path) as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
