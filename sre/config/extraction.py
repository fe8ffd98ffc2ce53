"""The section `extraction` of a recipe: the pieces that are embedded, and how their embeddings are joined."""

from collections.abc import Mapping, Sequence
from typing import Any

from sre import SreError

LEAST, MOST = 25, 10_000  # frames of a piece, as Kaldi's nnet3-xvector-compute has them
DEFAULTS = {
    "window": None,
    "shift": None,
    "crops": None,
    "crop_frames": None,
    "weight": "frames",
    "unit_length": False,
    "precision": "fp32",
}


def check_pieces(asked: Mapping[str, Any], where: str = "extraction") -> None:
    """Raise SreError where keys contradict each other, or a piece has not LEAST to MOST frames."""
    window, shift, crops, length = (asked.get(key) for key in ("window", "shift", "crops", "crop_frames"))
    if window and crops:
        raise SreError(f"{where}: window and crops are two ways to cut an utterance; give one of them")
    if shift and not window:
        raise SreError(f"{where}: shift {shift} is that of windows; give window too")
    if bool(crops) != bool(length):
        raise SreError(f"{where}: crops and crop_frames belong together; give both")
    for key, frames in (("window", window), ("crop_frames", length)):
        if frames and not LEAST <= frames <= MOST:
            raise SreError(f"{where}: {key} {frames} is not {LEAST} to {MOST} frames; give such a number")
    if shift and shift > window:
        raise SreError(f"{where}: shift {shift} leaves frames out between windows of {window}; give {window} at most")


def as_options(asked: Mapping[str, Any]) -> list[str]:
    """Return the words of steps.extract_embeddings that ask for it; what has its default gives none."""
    words: list[str] = []
    for key, default in DEFAULTS.items():
        value = asked.get(key, default)
        if value != default:
            option = "--" + key.replace("_", "-")
            words += [option] if value is True else [option, str(value)]
    return words


def from_options(words: Sequence[str]) -> dict[str, Any]:
    """Return the keys and values that words of a command ask for, which `as_options` gave."""
    found: dict[str, Any] = {}
    for key, default in DEFAULTS.items():
        option = "--" + key.replace("_", "-")
        if option in words:
            text = True if default is False else words[words.index(option) + 1]
            found[key] = int(text) if default is None else text
    return found
