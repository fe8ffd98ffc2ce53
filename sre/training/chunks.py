"""Training chunks, cropped on the fly. What a step sees is a function of (seed, step), so there is nothing to save."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sre import SreError
from sre.features.store import FeatureStore
from sre.training.augment import Augmentation

CACHE_BYTES = 4 << 30  # features up to this size are read once and kept in memory


def crop(feats: np.ndarray, frames: int, start_fraction: float) -> np.ndarray:
    """(T, F) -> (frames, F): a window at `start_fraction` in [0, 1) of what is possible; short ones are repeated."""
    if len(feats) < frames:
        feats = np.tile(feats, (-(-frames // len(feats)), 1))
    start = int(start_fraction * (len(feats) - frames + 1))
    return feats[start : start + frames]


Item = tuple[int, int, np.ndarray]  # utterance index, frames, uniform draws: the start, then the augmentation's


class Features(Dataset):
    """Item -> utterance index, augmented copy and its (frames, F) float32 chunk; keeps all in memory where they fit."""

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
        if self.cache is None or index not in self.cache:
            store, utt = self.utts[index]
            feats = self.stores[store].load(utt)
            if feats.shape[1] != self.num_features:
                raise SreError(
                    f"{self.stores[store].scp}: '{utt}' has {feats.shape[1]} columns, '{self.utts[0][1]}' has"
                    f" {self.num_features}; features of one dimension are needed"
                )
            if self.cache is None:
                return feats
            self.cache[index] = feats
        return self.cache[index]

    def __getitem__(self, item: Item) -> tuple[int, int, Tensor]:
        index, frames, draws = item
        copy = self.augmentation.copy_of(draws[1:])
        chunk = crop(self.load(index), self.augmentation.frames_needed(frames, copy), draws[0])
        return index, copy, torch.from_numpy(self.augmentation(chunk, frames, draws[1:]))


@dataclass
class Batches:
    """The batches from one step to the end, in seeded order: every utterance at most once an epoch, in a new order.

    The last utterances of an epoch that do not fill a batch are left out.

    Iterates over lists of Items, for a DataLoader; `num_draws` is how many the augmentation takes.
    """

    num_utts: int
    batch_size: int
    epochs: int
    chunk_frames: tuple[int, int]
    seed: int
    num_draws: int = 1
    first_step: int = 0

    @property
    def steps_per_epoch(self) -> int:
        return max(1, self.num_utts // self.batch_size)

    def __len__(self) -> int:
        return self.epochs * self.steps_per_epoch - self.first_step

    def __iter__(self) -> Iterator[list[Item]]:
        low, high = self.chunk_frames
        for step in range(self.first_step, self.epochs * self.steps_per_epoch):
            epoch, position = divmod(step, self.steps_per_epoch)
            if position == 0 or step == self.first_step:
                order = np.random.default_rng([self.seed, 1, epoch]).permutation(self.num_utts)
            draw = np.random.default_rng([self.seed, 2, step])
            frames = int(draw.integers(low, high + 1))
            chosen = order[position * self.batch_size : (position + 1) * self.batch_size]
            draws = draw.random((len(chosen), 1 + self.num_draws))
            yield [(int(index), frames, row) for index, row in zip(chosen, draws, strict=True)]


def _collate(items: list[tuple[int, int, Tensor]]) -> tuple[Tensor, Tensor, Tensor]:
    indices, copies, chunks = zip(*items, strict=True)
    return torch.tensor(indices), torch.tensor(copies), torch.stack(chunks)


def read(loader: DataLoader) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Yield its batches; what goes wrong in a reading process is one sentence here, as it was there."""
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
    """Batches of (B,) utterance indices, (B,) augmented copies, (B, T, F) chunks. Cached features need no workers."""
    workers = 0 if features.cache is not None else num_workers
    pinned = torch.cuda.is_available()
    own = torch.Generator()  # without it the loader draws from the global one, and a resumed training has other draws
    return DataLoader(
        features, batch_sampler=batches, num_workers=workers, collate_fn=_collate, pin_memory=pinned, generator=own
    )
