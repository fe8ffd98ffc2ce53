"""Embeddings of whole utterances, whatever their length, independent of what else is embedded."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from sre import SreError
from sre.datadir.rejected import Rejected
from sre.extraction.network import BATCH_FRAMES, WHOLE, Embedder, batch_of
from sre.extraction.pieces import MIN_FRAMES, PIECE_FRAMES, Pieces
from sre.features.audio_store import AudioStore
from sre.features.store import FeatureStore
from sre.features.vector_store import VectorStore

__all__ = ["MIN_FRAMES", "PIECE_FRAMES", "Embedder", "embed_all", "extract"]

UTTS_AT_ONCE = {"cpu": 1, "cuda": 32}  # whose features a card makes at once
AHEAD = 64  # utterances that are loaded before they are embedded
TOGETHER = {"cpu": False, "cuda": True}  # utterances share a batch: a card is fast so, and the last digits differ
UNDER_WAY = {"cpu": 0, "cuda": 2}  # batches that are begun before the first of them is waited for
MOST_WAITING = 10  # batches' frames that may wait for others of their length
Item = TypeVar("Item")
Done = TypeVar("Done")
Store = FeatureStore | AudioStore | VectorStore


def ahead(work: Callable[[Item], Done], items: Iterable[Item], depth: int) -> Iterator[Done]:
    """Yield work(item) of each item in order; a thread works at most `depth` items ahead of what was taken."""
    with ThreadPoolExecutor(1) as pool:
        begun: deque[Future[Done]] = deque()
        try:
            for item in items:
                begun.append(pool.submit(work, item))
                if len(begun) > depth:
                    yield begun.popleft().result()
            while begun:
                yield begun.popleft().result()
        finally:
            for future in begun:
                future.cancel()


def extract(
    embedder: Embedder, store: Store, utts: Sequence[str], pieces: Pieces = WHOLE, rejected: Rejected | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (utterance, (D,) float32), about the shortest first; (N, D) where `pieces` keeps all of N pieces.

    rejected : takes a row (utterance, path, reason) of each whose audio cannot be used; None: it is an error

    Pieces of exactly equal length share a batch: on a CPU those of one utterance, whose embedding has the same bytes
    whatever `utts` are; on a GPU also those of several, and the last digits depend on them. Raises SreError naming the
    utterance whose features are missing or of another dimension, or which has no finite embedding.
    """
    if missing := [utt for utt in utts if utt not in store.places]:
        store.raw(missing[0])  # raises, with the remedy
    by_length = sorted(utts, key=lambda utt: (store.num_frames[utt], utt))
    batches = _Batches(embedder, pieces)
    at_once = UTTS_AT_ONCE[embedder.device.type]
    groups = _groups(by_length, store.num_frames, at_once, BATCH_FRAMES[embedder.device.type])
    stream = torch.cuda.Stream(embedder.device) if embedder.device.type == "cuda" else None

    def loaded(utts: Sequence[str]) -> list[tuple[str, np.ndarray]]:
        with torch.cuda.stream(stream):  # features are made beside the network, and not behind all that it has to do
            return _checked(embedder, store, utts, rejected)

    for group in ahead(loaded, groups, AHEAD // at_once):
        for utt, feats in group:
            yield from batches.add(utt, feats)
    yield from batches.finish()


def embed_all(
    embedder: Embedder, feats: Sequence[tuple[str, np.ndarray]], pieces: Pieces = WHOLE
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (name, (D,) float32) of named (T, F) features, in any order, as `extract` embeds them.

    Raises SreError naming one that has no finite embedding.
    """
    batches = _Batches(embedder, pieces)
    for name, matrix in feats:
        yield from batches.add(name, matrix)
    yield from batches.finish()


def _groups(utts: Sequence[str], num_frames: Mapping[str, int], most: int, frames: int) -> Iterator[list[str]]:
    """Yield utterances in groups of at most `most`, and of at most so many frames where they are several."""
    group: list[str] = []
    total = 0
    for utt in utts:
        if group and (len(group) == most or total + num_frames[utt] > frames):
            yield group
            group, total = [], 0
        group.append(utt)
        total += num_frames[utt]
    if group:
        yield group


class _Batches:
    """Pieces that wait for others of their length, and the embeddings of utterances that wait for further pieces."""

    def __init__(self, embedder: Embedder, pieces: Pieces) -> None:
        self.of_vectors = embedder.of_vectors
        self.embedder, self.pieces = embedder, WHOLE if self.of_vectors else pieces
        self.batch_frames, self.under_way = (most[embedder.device.type] for most in (BATCH_FRAMES, UNDER_WAY))
        self.together = TOGETHER[embedder.device.type]
        self.begun: deque[tuple[list[tuple[str, int, np.ndarray]], Callable[[], Tensor]]] = deque()
        self.waiting: dict[int, list[tuple[str, int, np.ndarray]]] = {}  # by length: utterance, number, (T, F)
        self.found: dict[str, dict[int, np.ndarray]] = {}  # by number
        self.frames: dict[str, list[int]] = {}

    def add(self, utt: str, feats: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Take an utterance's features, and yield what has its embedding now."""
        usual = self.pieces.asked or self.of_vectors or MIN_FRAMES <= len(feats) <= PIECE_FRAMES
        if not (self.together and usual):
            yield utt, self._finite(utt, self.embedder.utterance(feats, self.pieces))
            return
        feats = feats if self.of_vectors else self.pieces.fitted(feats)
        spans = self.pieces.spans(len(feats))
        self.found[utt], self.frames[utt] = {}, [frames for _, frames in spans]
        for number, (start, frames) in enumerate(spans):
            bucket = self.waiting.setdefault(frames, [])
            piece = feats[start : start + frames]
            if frames < len(feats):
                piece = piece.copy()  # a view would keep all of the utterance
            bucket.append((utt, number, piece))
            if (len(bucket) + 1) * frames > self.batch_frames:
                yield from self._embed(frames)
        if sum(frames * len(bucket) for frames, bucket in self.waiting.items()) > MOST_WAITING * self.batch_frames:
            for frames in sorted(self.waiting.keys() - self.frames.get(utt, [])):
                yield from self._embed(frames)

    def finish(self) -> Iterator[tuple[str, np.ndarray]]:
        """Yield what is left."""
        for frames in sorted(self.waiting):
            yield from self._embed(frames)
        while self.begun:
            yield from self._first_done()

    def _embed(self, frames: int) -> Iterator[tuple[str, np.ndarray]]:
        """Begin with all that wait with this length, and yield what is known when no more may be under way."""
        bucket = self.waiting.pop(frames)
        batch = batch_of([piece for _, _, piece in bucket], pinned=self.embedder.device.type == "cuda")
        self.begun.append((bucket, self.embedder.begin(batch)))
        while len(self.begun) > self.under_way:
            yield from self._first_done()

    def _first_done(self) -> Iterator[tuple[str, np.ndarray]]:
        """Take the embeddings that were begun first, and yield the utterances that were waiting for nothing else."""
        bucket, waited = self.begun.popleft()
        for (utt, number, _), vector in zip(bucket, waited().numpy(), strict=True):
            self.found[utt][number] = vector
        for utt in dict.fromkeys(utt for utt, _, _ in bucket):
            if len(self.found[utt]) == len(self.frames[utt]):
                found, frames_of = self.found.pop(utt), self.frames.pop(utt)
                ordered = [found[number] for number in range(len(found))]
                yield utt, self._finite(utt, self.pieces.join(ordered, frames_of))

    def _finite(self, utt: str, vectors: np.ndarray) -> np.ndarray:
        if not np.isfinite(vectors).all():
            raise SreError(f"{self.embedder.path}: the embedding of '{utt}' is not finite; look at the training curve")
        return vectors


def _checked(
    embedder: Embedder, store: Store, utts: Sequence[str], rejected: Rejected | None
) -> list[tuple[str, np.ndarray]]:
    """Load (T, F) features of each utterance. Raises SreError where F is not the network's."""
    if isinstance(store, AudioStore):
        loaded = store.load_many(utts, rejected)
    else:
        loaded = [(utt, store.load(utt)) for utt in utts]
    for utt, feats in loaded:
        if feats.shape[1] != embedder.num_features:
            raise SreError(
                f"{store.scp}: '{utt}' has features of {feats.shape[1]} columns, {embedder.path} takes"
                f" {embedder.num_features}; give the features that it was trained on"
            )
    return loaded
