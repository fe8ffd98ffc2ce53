"""Training chunks, cropped and augmented on the fly, and the loader that makes batches of them."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sre import SreError
from sre.features.store import FeatureStore
from sre.training.augment import Augmentation
from sre.training.batches import Batches, Item

CACHE_BYTES = 4 << 30  # features up to this size are read once and kept in memory


def crop(feats: np.ndarray, frames: int, start_fraction: float) -> np.ndarray:
    """Return a window (frames, F) of (T, F) at `start_fraction`, in [0, 1), of what fits; a short one is repeated."""
    if len(feats) < frames:
        feats = np.tile(feats, (-(-frames // len(feats)), 1))
    start = int(start_fraction * (len(feats) - frames + 1))
    return feats[start : start + frames]


class Features(Dataset):
    """The features of all training utterances, by Item (of batches.py): utterance index, augmented copy, float32 chunk.

    utts : (place in `stores`, utterance) of each index; all are kept in memory if they take at most CACHE_BYTES
    """

    def __init__(
        self, stores: Sequence[FeatureStore], utts: Sequence[tuple[int, str]], augmentation: Augmentation
    ) -> None:
        self.stores, self.utts, self.augmentation = stores, utts, augmentation
        self.num_features = stores[utts[0][0]].load(utts[0][1]).shape[1]
        total = sum(stores[store].num_frames[utt] for store, utt in utts) * self.num_features * 4
        self.cache: dict[int, np.ndarray] | None = {} if total <= CACHE_BYTES else None

    def __len__(self) -> int:
        return len(self.utts)

    def load(self, index: int) -> np.ndarray:
        """Read the (T, F) features of an utterance. Raises SreError if F is not that of the first."""
        if self.cache is not None and index in self.cache:
            return self.cache[index]
        store, utt = self.utts[index]
        feats = self.stores[store].load(utt)
        if feats.shape[1] != self.num_features:
            raise SreError(
                f"{self.stores[store].scp}: '{utt}' has {feats.shape[1]} columns, '{self.utts[0][1]}' has"
                f" {self.num_features}; features of one dimension are needed"
            )
        if self.cache is not None:
            self.cache[index] = feats
        return feats

    def __getitem__(self, item: Item) -> tuple[int, int, Tensor]:
        index, frames, draws = item
        copy = self.augmentation.copy_of(draws[1:])
        chunk = crop(self.load(index), self.augmentation.frames_needed(frames, copy), draws[0])
        return index, copy, torch.from_numpy(self.augmentation(chunk, frames, draws[1:]))


def _collate(items: list[tuple[int, int, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    indices, copies, chunks = zip(*items, strict=True)
    return torch.tensor(indices), torch.tensor(copies), torch.stack(chunks)


def read(loader: DataLoader) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield the batches of a loader. Raises SreError, in one sentence, for what goes wrong in a reading process."""
    try:
        yield from loader
    except SreError as error:  # PyTorch puts the traceback before it
        raise SreError(str(error).rpartition("SreError: ")[2].strip()) from None
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise SreError(
            f"a process that reads features was killed ({str(error).splitlines()[0]}), often for lack of memory;"
            " make room, then the same command goes on from the last checkpoint"
        ) from None


def make_loader(features: Features, batches: Batches, num_workers: int) -> DataLoader:
    """Return a loader of (B,) utterance indices, (B,) augmented copies and (B, T, F) chunks."""
    workers = 0 if features.cache is not None else num_workers  # what is in memory needs none
    pinned = torch.cuda.is_available()
    own = torch.Generator()  # without it the loader draws from the global one, and a resumed training has other draws
    return DataLoader(
        features, batch_sampler=batches, num_workers=workers, collate_fn=_collate, pin_memory=pinned, generator=own
    )
