"""Embeddings of whole utterances, whatever their length, independent of what else is in the batch."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sre import SreError
from sre.features.store import FeatureStore
from sre.features.types import FEATURE_TYPES, vad_listens
from sre.io.text import canonical
from sre.machine.device import choose_device, memory_format
from sre.models import ARCHITECTURES, build
from sre.models import bundle as bundles
from sre.models.base import Network

PIECE_FRAMES = 10_000  # longer utterances are cut here and averaged by frames, as Kaldi's nnet3-xvector-compute
MIN_FRAMES = 25  # shorter pieces at an end are left out; shorter utterances are padded with their end frames (Kaldi)
BATCH_FRAMES = {"cpu": 2_000, "cuda": 100_000}


class Embedder:
    """A trained bundle (final.pt) on a device, in evaluation mode."""

    def __init__(self, bundle_path: str | Path, device: str | torch.device = "auto") -> None:
        bundle = bundles.load_bundle(bundle_path)
        self.path = Path(bundle_path)
        self.device = choose_device(device) if isinstance(device, str) else device
        self.config, self.feature_config = bundle.config, bundle.feature_config
        self.num_features = bundle.num_features
        self.network = network_of(bundle, self.path)
        self.network.eval().to(self.device).to(memory_format=memory_format(self.network))

    def check(self, store: FeatureStore) -> None:
        """Raise SreError where features were made with another config than the network was trained on."""
        if store.config != self.feature_config:
            raise SreError(
                f"{store.scp}: its features' config differs from the one {self.path} was trained on"
                f" ({_differing(store.config, self.feature_config)}); {_cure(self.feature_config, self.path)}"
            )

    @torch.inference_mode()
    def embed(self, batch: Tensor) -> Tensor:
        """Return the embeddings of features of equal length, (B, T, F) -> (B, D) float32."""
        return self.network.embed(batch.to(self.device)).float().cpu()

    def utterance(self, feats: np.ndarray) -> np.ndarray:
        """Return the embedding of an utterance, (T, F) -> (D,) float32.

        It is the mean of those of pieces of at most PIECE_FRAMES, weighted by their frames, so that memory is bounded.
        """
        if len(feats) < MIN_FRAMES:
            feats = pad(feats)
        total, weight = torch.zeros(self.network.embedding_dim, dtype=torch.float64), 0
        for start in range(0, len(feats), PIECE_FRAMES):
            piece = feats[start : start + PIECE_FRAMES]
            if len(piece) >= MIN_FRAMES:
                total += len(piece) * self.embed(torch.from_numpy(piece)[None])[0].double()
                weight += len(piece)
        return (total / weight).float().numpy()


def _differing(made: Mapping, wanted: Mapping) -> str:
    """Return where two configs differ: 'num_mel_bins 40 here, 80 there'."""
    keys = [key for key in {**wanted, **made} if made.get(key, "nothing") != wanted.get(key, "nothing")]
    told = [f"{key} {made.get(key, 'nothing')} here, {wanted.get(key, 'nothing')} there" for key in keys]
    return "; ".join(told[:3]) + f" and {len(told) - 3} more" * (len(told) > 3)


def _cure(wanted: Mapping, bundle: Path) -> str:
    """Return a command that can be pasted, where a step makes such features."""
    if wanted.get("type") not in FEATURE_TYPES:
        return f"it takes a feats.scp from elsewhere, as it was trained on, by --feats ({canonical(wanted)})"
    vad = (
        ", then steps.compute_vad" + " (with --data DATA_DIR)" * vad_listens(wanted) + "," if wanted.get("vad") else ""
    )
    command = f"python -m steps.make_features {wanted['type']} DATA_DIR OUT_DIR --config {shlex.quote(str(bundle))}"
    return f"make them by {command}{vad} and give --feats"


def network_of(bundle: bundles.Bundle, path: Path) -> Network:
    """Return the network with its weights. Raises SreError where they are not the architecture's."""
    name = bundle.config["architecture"]
    if name not in ARCHITECTURES:
        nearest = get_close_matches(name, ARCHITECTURES, 1, 0)[0]
        raise SreError(f"{path}: its architecture '{name}' is unknown here, the nearest is {nearest}; update sre")
    try:
        network = build(name, bundle.num_features, bundle.config["options"])
        network.load_state_dict(bundle.network)
    except Exception as error:  # constructors and PyTorch raise many kinds for options and weights of another form
        reason = " ".join(str(error).split())[:200]
        raise SreError(f"{path}: its options or weights are not those of {name} ({reason}); {bundles.CURE}") from None
    return network


def pad(feats: np.ndarray) -> np.ndarray:
    """Repeat the first and last frames until there are MIN_FRAMES."""
    missing = MIN_FRAMES - len(feats)
    return np.pad(feats, ((missing // 2, missing - missing // 2), (0, 0)), mode="edge")


def extract(embedder: Embedder, store: FeatureStore, utts: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (utterance, (D,) float32), shortest first; utterances of exactly equal length share a batch.

    Raises SreError naming the utterance whose features are missing or of another dimension, or which has no finite
    embedding.
    """
    if missing := [utt for utt in utts if utt not in store.places]:
        store.raw(missing[0])  # raises, with the remedy
    by_length = sorted(utts, key=lambda utt: (store.num_frames[utt], utt))
    for frames, group in groupby(by_length, key=store.num_frames.__getitem__):
        same = list(group)
        at_once = max(1, BATCH_FRAMES[embedder.device.type] // max(frames, 1))
        for start in range(0, len(same), at_once):
            chosen = same[start : start + at_once]
            matrices = [_checked(embedder, store, utt) for utt in chosen]
            if MIN_FRAMES <= frames <= PIECE_FRAMES:
                vectors = list(embedder.embed(torch.from_numpy(np.stack(matrices))).numpy())
            else:
                vectors = [embedder.utterance(feats) for feats in matrices]
            for utt, vector in zip(chosen, vectors, strict=True):
                if not np.isfinite(vector).all():
                    raise SreError(
                        f"{embedder.path}: the embedding of '{utt}' is not finite; look at the training curve"
                    )
                yield utt, vector


def _checked(embedder: Embedder, store: FeatureStore, utt: str) -> np.ndarray:
    """Load (T, F) features. Raises SreError where F is not the network's."""
    feats = store.load(utt)
    if feats.shape[1] != embedder.num_features:
        raise SreError(
            f"{store.scp}: '{utt}' has features of {feats.shape[1]} columns, {embedder.path} takes"
            f" {embedder.num_features}; give the features that it was trained on"
        )
    return feats
