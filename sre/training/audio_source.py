"""Training chunks straight from audio: piece of a recording -> speed -> distortions, then features of a whole batch.

Legend: B chunks of a batch, S samples of a chunk at the features' rate, T frames, F features.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from sre import SreError
from sre.augment.distorter import Distorter
from sre.augment.speed import change_speed, samples_needed
from sre.features.audio_store import AudioStore
from sre.features.batches import add_deltas_batch, normalise_batch
from sre.features.extractor import Extractor, extractor_of
from sre.features.types import dimension_of
from sre.io.promise import AudioError
from sre.machine.cores import available_cores
from sre.machine.log import Progress
from sre.training.augment import Augmentation
from sre.training.batches import Item
from sre.training.sources import CACHE_BYTES, Sample, Source, lengths_of

SEEDS = 2**53  # of a distortion's generator: all that a uniform draw can tell apart


class Audio(Source):
    """Chunks of audio; what is small enough is decoded once, and kept as 16 bits in memory that all processes share.

    device : where features are made
    """

    in_memory = False  # decoded, but processes beside the training change speeds and distort
    kind = "audio"

    def __init__(
        self,
        stores: Sequence[AudioStore],
        utts: Sequence[tuple[int, str]],
        augmentation: Augmentation,
        distorter: Distorter | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.stores, self.utts, self.augmentation, self.device = stores, utts, augmentation, torch.device(device)
        self.distorter, self.options, self.config = distorter, stores[0].options, stores[0].config
        self.num_features = dimension_of(self.config)
        self.kept: Kept | None = None

    def keep(self, room: int = CACHE_BYTES) -> None:
        """Decode all utterances at once, if they take at most so many bytes as 16 bits."""
        lengths = lengths_of(self.utts, [store.num_samples for store in self.stores]).tolist()
        if 2 * sum(lengths) <= room:
            self.kept, self.is_kept = Kept(self.stores, self.utts, lengths), True

    @cached_property
    def extractor(self) -> Extractor:
        return extractor_of(self.options, self.device)

    def __getitem__(self, item: Item) -> Sample:
        index, frames, draws = item
        augmentation, first, draws = self.augmentation, draws[0], draws[1:]
        number = augmentation.copy_of(draws)
        wave = self._crop(index, self.options.num_samples(frames), first, augmentation.speed_of(number))
        left_out = 0
        if self.distorter is not None:
            before = self.distorter.left_out.total()
            try:
                wave = self.distorter(wave, np.random.default_rng(int(draws[-1] * SEEDS)))
            except AudioError as error:
                raise SreError(str(error)) from None
            left_out = self.distorter.left_out.total() - before
        masks = torch.from_numpy(augmentation.mask_draws(draws))
        return Sample(index, number, torch.from_numpy(np.ascontiguousarray(wave)), masks, left_out)

    def _crop(self, index: int, samples: int, first: float, speed: float) -> np.ndarray:
        """Return (samples,) of an utterance at a speed, from the place `first`, in [0, 1), of what fits.

        A short utterance is repeated, after its speed was changed.
        """
        store, utt = self.utts[index]
        there, needed = self.stores[store].num_samples[utt], samples_needed(samples, speed)
        start, count = int(first * (max(there - needed, 0) + 1)), min(needed, there)
        wave = self._samples(index, start, count)
        if speed != 1:
            wave = change_speed(wave, speed)[:samples]
        return np.resize(wave, samples) if len(wave) < samples else wave

    def _samples(self, index: int, start: int, count: int) -> np.ndarray:
        if self.kept is not None and (wave := self.kept.samples(index, start, count)) is not None:
            return wave
        store, utt = self.utts[index]
        return self.stores[store].samples(utt, start, count)

    @torch.no_grad()
    def prepared(self, chunks: Tensor, draws: Tensor) -> Tensor:
        """Return (B, T, F) of waveforms (B, S): features, normalised by the chunk as their config says, masked."""
        feats = normalise_batch(self.extractor.batch(chunks), self.config)
        return super().prepared(add_deltas_batch(feats, self.config), draws)

    def middle(self, index: int, frames: int) -> Tensor:
        wave = torch.from_numpy(self._crop(index, self.options.num_samples(frames), 0.5, 1.0))
        return self.prepared(wave[None].to(self.device), torch.empty(1, 0))[0].cpu()


class Kept:
    """The samples of utterances as 16 bits, one after the other in one array.

    Processes that are forked later share it, and it holds no object of Python's whose count of references they would
    change. Utterances that 16 bits do not hold exactly (of 24 bits, or resampled) are left out.
    """

    def __init__(self, stores: Sequence[AudioStore], utts: Sequence[tuple[int, str]], lengths: Sequence[int]) -> None:
        """Decode, with a thread a core. Raises SreError naming a recording that cannot be decoded."""
        self.begin = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        self.wave = np.zeros(self.begin[-1], np.int16)
        self.exact = np.zeros(len(utts), bool)
        progress = Progress("decode", len(utts), "utt")
        parts = [range(first, len(utts), available_cores()) for first in range(available_cores())]
        with ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(lambda part: self._fill(stores, utts, part, progress), parts))
        progress.close(f"({self.wave.nbytes / 1e9:.2f} GB)")

    def _fill(
        self, stores: Sequence[AudioStore], utts: Sequence[tuple[int, str]], part: range, progress: Progress
    ) -> None:
        for index in part:
            number, utt = utts[index]
            begin, end = self.begin[index : index + 2]
            wave = stores[number].samples(utt, 0, int(end - begin))
            kept = wave.astype(np.int16)
            if np.array_equal(kept, wave):
                self.wave[begin:end], self.exact[index] = kept, True
            progress.add(1)

    def samples(self, index: int, start: int, count: int) -> np.ndarray | None:
        """Return (count,) float32 of an utterance from sample `start` on, or None where it was left out."""
        if not self.exact[index]:
            return None
        begin = int(self.begin[index]) + start
        return self.wave[begin : begin + count].astype(np.float32)
