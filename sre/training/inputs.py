"""What a training is given on disk: stores of features or of audio, and what its waveforms are distorted with."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from sre import SreError
from sre.augment.distorter import Distorter
from sre.augment.manifest import Manifest
from sre.augment.options import steps_of
from sre.features.audio_store import AudioStore
from sre.features.frontends.options import TfMelOptions
from sre.features.make_shards import read_checked
from sre.features.store import FeatureStore, find_feats
from sre.features.types import EMBEDDINGS, FEATURE_TYPES, FROM_ELSEWHERE, FbankOptions, options_of
from sre.features.vector_store import VectorStore
from sre.io.audio import AudioRules
from sre.models.base import Network
from sre.training.audio_source import Audio
from sre.training.augment import Augmentation
from sre.training.options import TrainingConfig
from sre.training.sources import CACHE_BYTES, Features, Source

Store = FeatureStore | AudioStore | VectorStore  # a training has one kind


def feature_stores(folders: Sequence[Path], scps: Sequence[Path] | None, features: str) -> list[FeatureStore]:
    """Return the features of data dirs: those of `scps`, one for all or one for each, else those of a name.

    Raises SreError for another number of scps, and where there are no features.
    """
    scps = list(scps or [find_feats(folder, features) for folder in folders])
    if len(scps) == 1:
        scps *= len(folders)  # one feats.scp of several data dirs
    if len(scps) != len(folders):
        raise SreError(f"{len(scps)} --feats for {len(folders)} --data; give one for all, or one for each in order")
    return [FeatureStore(scp) for scp in scps]


def vector_stores(folders: Sequence[Path], scps: Sequence[Path] | None, of: str) -> list[VectorStore]:
    """Return the embeddings of data dirs, of the network `of`. Raises SreError where there are not as many scps."""
    if not scps or len(scps) not in (1, len(folders)):
        raise SreError(
            f"a network on embeddings: {len(scps or ())} --feats for {len(folders)} --data; give the embeddings of"
            " each, or one scp of all"
        )
    return [VectorStore(scp, of) for scp in list(scps) * (len(folders) // len(scps))]


def audio_stores(folders: Sequence[Path], config: dict, rules: AudioRules) -> list[AudioStore]:
    """Return the audio of data dirs, of which the features of a model's resolved config are made."""
    return [AudioStore(read_checked(folder), config["feature_config"], rules) for folder in folders]


def distorter_of(config: dict, noises: Path | None, rooms: Path | None) -> Distorter | None:
    """Return what distorts the waveforms of a model's resolved config; None where it asks for nothing.

    Raises SreError where it needs noises or rooms that are not given, or a category or codec that is not there.
    """
    steps = steps_of(config["augment"].get("distort", []))
    if not steps:
        return None
    added, convolved = (Manifest(folder) if folder else None for folder in (noises, rooms))
    return Distorter(steps, added, convolved, config["feature_config"]["sample_rate"])


def check_features(asked: TrainingConfig, stores: Sequence[Store]) -> None:
    """Raise SreError where the stores are not all of one config, or not of that of the model."""
    for store in stores:
        if store.config != stores[0].config:
            raise SreError(
                f"{store.scp}: its features were made with another config than {stores[0].scp}; make them alike"
            )
        if store.config["type"] not in (FROM_ELSEWHERE, EMBEDDINGS) and store.config != asked.feature_config:
            raise SreError(
                f"{store.scp}: its features were made with another config than '{asked.features}'; make them again"
            )


def source_of(
    asked: TrainingConfig,
    stores: Sequence[Store],
    utts: Sequence[tuple[int, str]],
    training: bool,
    device: torch.device,
    distorter: Distorter | None,
    room: int = CACHE_BYTES,
) -> Source:
    """Return the source of utterances, (number of the store, utterance), to train on, or to validate as they are.

    room : bytes up to which all of them are kept in memory
    """
    augment = {**asked.augment, **_mel_range(asked.feature_config)} if training else {}
    if audio := [store for store in stores if isinstance(store, AudioStore)]:
        waves = Audio(audio, utts, Augmentation(**augment), distorter if training else None, device)
        if training:
            waves.keep(room)
        return waves
    features = [store for store in stores if not isinstance(store, AudioStore)]
    config = features[0].config
    utterance_mean_is_zero = config.get("cmn") == "utterance" and features[0].vad is None  # VAD follows CMN
    zero_mean = asked.training.chunk_cmn and utterance_mean_is_zero
    return Features(features, utts, Augmentation(**augment, zero_mean=zero_mean, feature_config=config), room)


def check_lengths(network: Network, num_features: int, asked: TrainingConfig) -> None:
    """Raise SreError if chunks of training or validation are too short for the network's convolutions."""
    lengths = {"training.chunk_frames": asked.training.chunk_frames[0], "validation.frames": asked.validation.frames}
    network.eval()
    for name, frames in lengths.items():
        try:
            with torch.inference_mode():
                network(torch.zeros(1, frames, num_features))
        except RuntimeError as error:
            raise SreError(f"{asked.architecture} takes no chunks of {frames} frames ({error}); raise {name}") from None


def _mel_range(feature_config: dict) -> dict[str, Any]:
    """Return `low_freq` and `high_freq` (Hz) of features with mel bins, else nothing."""
    options = options_of(feature_config) if feature_config["type"] in FEATURE_TYPES else None
    if not isinstance(options, FbankOptions | TfMelOptions):
        return {}
    return {"low_freq": options.low_freq, "high_freq": options.highest}
