"""Pieces of an utterance that are embedded one by one: windows or crops, and the mean of their embeddings.

Shapes: T frames, F features, N pieces, D embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sre.config.extraction import LEAST, MOST, check_pieces

MIN_FRAMES = LEAST  # shorter pieces at an end are left out; shorter utterances are padded with their end frames (Kaldi)
PIECE_FRAMES = MOST  # longer utterances are cut here and averaged by frames, as Kaldi's nnet3-xvector-compute


@dataclass(frozen=True)
class Pieces:
    """Which pieces of an utterance are embedded, and what is made of their embeddings.

    Attributes
    ----------
    window, shift : frames of a window, and from one start to the next (None: a window); without window and crops,
        utterances are whole up to PIECE_FRAMES, and windows of those longer
    crops, crop_frames : so many equally spaced crops of so many frames (ClovaAI's evaluation, there on samples); a
        shorter utterance is repeated
    weight : of an embedding in the mean: "frames" of its piece, or "equal"
    unit_length : each embedding is divided by its length before the mean
    keep : no mean is taken, all embeddings are kept

    Raises SreError where these contradict each other.
    """

    window: int | None = None
    shift: int | None = None
    crops: int | None = None
    crop_frames: int | None = None
    weight: str = "frames"
    unit_length: bool = False
    keep: bool = False

    def __post_init__(self) -> None:
        check_pieces(vars(self))

    @property
    def asked(self) -> bool:
        """Whether utterances are cut that would be whole by default."""
        return bool(self.window or self.crops)

    def spans(self, frames: int) -> list[tuple[int, int]]:
        """Return (start, length) in frames of each piece of an utterance of so many frames, MIN_FRAMES at least.

        Windows follow each other; the last may be shorter, down to MIN_FRAMES, and what is left then is not embedded.
        Crops start at the whole parts of np.linspace(0, frames - crop_frames, crops).
        """
        if self.crops and self.crop_frames:
            last = max(frames - self.crop_frames, 0)
            return [(int(start), self.crop_frames) for start in np.linspace(0, last, self.crops)]
        window = self.window or PIECE_FRAMES
        if frames <= window:
            return [(0, frames)]
        shift = self.shift or window
        full = [(start, window) for start in range(0, frames - window + 1, shift)]
        start, end = full[-1][0] + shift, full[-1][0] + window
        rest = end < frames and frames - start >= MIN_FRAMES
        return [*full, (start, frames - start)] if rest else full

    def fitted(self, feats: np.ndarray) -> np.ndarray:
        """Return features that are long enough for `spans`, (T, F) -> (T', F): repeated for a crop, else padded."""
        if self.crop_frames and len(feats) < self.crop_frames:
            return np.resize(feats, (self.crop_frames, feats.shape[1]))
        return feats if len(feats) >= MIN_FRAMES else pad(feats)

    def join(self, vectors: Sequence[np.ndarray], frames: Sequence[int]) -> np.ndarray:
        """Return what is kept of embeddings N x (D,) of pieces of so many frames: float32, (D,) or with keep (N, D)."""
        x = np.stack(vectors).astype(np.float64)
        if self.unit_length:
            x /= np.maximum(np.linalg.norm(x, axis=1, keepdims=True), np.finfo(np.float64).tiny)
        if self.keep:
            return x.astype(np.float32)
        weights = np.asarray(frames if self.weight == "frames" else np.ones(len(x)), np.float64)
        return ((weights[:, None] * x).sum(axis=0) / weights.sum()).astype(np.float32)


def pad(feats: np.ndarray) -> np.ndarray:
    """Repeat the first and last frames until there are MIN_FRAMES."""
    missing = MIN_FRAMES - len(feats)
    return np.pad(feats, ((missing // 2, missing - missing // 2), (0, 0)), mode="edge")
