"""What a training reads: chunks of features on disk, cropped and augmented on the fly. `audio_source.py` reads audio.

Legend: B chunks of a batch, T frames, F features; an Item is one of batches.py.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sre import SreError
from sre.features.store import FeatureStore
from sre.features.vector_store import VectorStore
from sre.io.name_tables import numbers_of
from sre.io.names import Names
from sre.machine.log import Progress
from sre.training.augment import Augmentation
from sre.training.batches import Item

CACHE_BYTES = 4 << 30  # features, or audio, up to this size are read once and kept in memory


class Sample(NamedTuple):
    """What a source makes of an Item.

    place, copy : index of the utterance, and its augmented copy
    chunk : float32, (T, F) of features, (S,) of a waveform
    draws : float64, of the masks
    left_out : distortions that were drawn and could not be applied
    """

    place: int
    copy: int
    chunk: Tensor
    draws: Tensor
    left_out: int = 0


class Source(Dataset[Sample]):
    """The training utterances, by Item.

    utts : (place in `stores`, utterance) of each index
    num_features : F
    in_memory : everything is, so that reading processes would not help
    is_kept : everything is in memory, and yet they would help
    kind : features, audio or embeddings
    sessions : (N,) int, the session of each utterance; None: no sampler asks for it
    """

    utts: Sequence[tuple[int, str]]
    augmentation: Augmentation
    num_features: int
    in_memory: bool
    is_kept: bool = False
    kind: str = "features"
    sessions: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.utts)

    @abstractmethod
    def __getitem__(self, item: Item) -> Sample: ...

    def load_all(self) -> None:
        """Read what is kept in memory, which is read when it is first asked for otherwise."""

    def prepared(self, chunks: Tensor, draws: Tensor) -> Tensor:
        """Return (B, T, F) as the network takes them, of stacked chunks and draws, on the chunks' device."""
        return self.augmentation.masks(chunks, draws)

    @abstractmethod
    def middle(self, index: int, frames: int) -> Tensor:
        """Return the middle (frames, F) of an utterance, for validation, normalised as chunks in training are."""


def lengths_of(utts: Sequence[tuple[int, str]], tables: Sequence[Mapping[str, int]]) -> np.ndarray:
    """Return (N,) int64, what the tables of the stores say of N utterances, (number of the store, utterance)."""
    numbers, names = np.fromiter((number for number, _ in utts), np.int64, len(utts)), Names.of(utt for _, utt in utts)
    lengths = np.zeros(len(utts), np.int64)
    for number, table in enumerate(tables):
        rows = np.flatnonzero(numbers == number)
        lengths[rows] = numbers_of(names.take(rows), table)
    return lengths


def crop(feats: np.ndarray, frames: int, start_fraction: float) -> np.ndarray:
    """Return a window (frames, F) of (T, F) at `start_fraction`, in [0, 1), of what fits; a short one is repeated."""
    if len(feats) < frames:
        feats = np.tile(feats, (-(-frames // len(feats)), 1))
    start = int(start_fraction * (len(feats) - frames + 1))
    return feats[start : start + frames]


class Features(Source):
    """Chunks of features on disk; all are kept in memory if they take at most `room` bytes.

    Of others only the frames of a chunk are read, where no others have a part in it.
    """

    def __init__(
        self,
        stores: Sequence[FeatureStore | VectorStore],
        utts: Sequence[tuple[int, str]],
        augmentation: Augmentation,
        room: int = CACHE_BYTES,
    ) -> None:
        self.stores, self.utts, self.augmentation = stores, utts, augmentation
        self.num_features = stores[utts[0][0]].load(utts[0][1]).shape[1]
        total = lengths_of(utts, [store.num_frames for store in stores]).sum() * self.num_features * 4
        self.in_memory = bool(total <= room)
        self.kind = "features" if isinstance(stores[0], FeatureStore) else "embeddings"
        self.cache: dict[int, np.ndarray] = {}
        self.by_rows = not self.in_memory and all(
            isinstance(store, FeatureStore) and store.has_pieces(augmentation.zero_mean) for store in stores
        )

    def load(self, index: int) -> np.ndarray:
        """Read the (T, F) features of an utterance. Raises SreError if F is not that of the first."""
        if index in self.cache:
            return self.cache[index]
        store, utt = self.utts[index]
        feats = self.stores[store].load(utt)
        self._check(index, feats)
        if self.in_memory:
            self.cache[index] = feats
        return feats

    def load_all(self) -> None:
        if not self.in_memory:
            return
        progress = Progress("load", len(self), "utt")
        for index in range(len(self)):
            self.load(index)
            progress.add(1)
        progress.close()

    def _check(self, index: int, feats: np.ndarray) -> None:
        store, utt = self.utts[index]
        if feats.shape[1] != self.num_features:
            raise SreError(
                f"{self.stores[store].scp}: '{utt}' has {feats.shape[1]} columns, '{self.utts[0][1]}' has"
                f" {self.num_features}; features of one dimension are needed"
            )

    def _crop(self, index: int, frames: int, start_fraction: float) -> np.ndarray:
        """Return what `crop` does of an utterance."""
        number, utt = self.utts[index]
        store = self.stores[number]
        there = store.num_frames[utt]
        if not self.by_rows or not isinstance(store, FeatureStore) or not there:
            return crop(self.load(index), frames, start_fraction)
        feats = store.rows(utt, int(start_fraction * (max(there - frames, 0) + 1)), min(there, frames))
        self._check(index, feats)
        return crop(feats, frames, start_fraction)

    def __getitem__(self, item: Item) -> Sample:
        index, frames, draws = item
        augmentation, draws = self.augmentation, draws[1:]
        copy = augmentation.copy_of(draws)
        chunk = self._crop(index, augmentation.frames_needed(frames, copy), item[2][0])
        chunk = augmentation(chunk, frames, draws)
        return Sample(index, copy, torch.from_numpy(chunk), torch.from_numpy(augmentation.mask_draws(draws)))

    def middle(self, index: int, frames: int) -> Tensor:
        return torch.from_numpy(self.augmentation.normalised(self._crop(index, frames, 0.5)))


def middle_chunks(source: Source, frames: int) -> Tensor:
    """Return (N, frames, F): the middle of every utterance, for validation."""
    return torch.stack([source.middle(index, frames) for index in range(len(source))])
