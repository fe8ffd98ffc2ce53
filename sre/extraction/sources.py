"""The features that extraction takes: archives on disk, or made of the audio of a data directory."""

from collections.abc import Callable, Collection
from functools import cached_property
from pathlib import Path

import numpy as np

from sre import SreError
from sre.datadir.datadir import read_data_dir
from sre.datadir.missing import check_promised
from sre.datadir.rejected import Rejected, write_rejected
from sre.extraction.embedder import Embedder, Store
from sre.features.audio_index import FOLDER
from sre.features.audio_store import AudioStore
from sre.features.store import FeatureStore, find_feats
from sre.features.types import EMBEDDINGS, FEATURE_TYPES, vad_listens
from sre.features.vad import by_energy, decider
from sre.features.vector_store import VectorStore
from sre.io.audio import AudioError, AudioRules
from sre.io.name_tables import absent
from sre.io.shards import shard_of
from sre.io.tables import read_utt2spk


class VoicedAudio(AudioStore):
    """An AudioStore that drops unvoiced frames, where the config has a VAD: num_frames are those before."""

    def finished(self, utt: str, raw: np.ndarray) -> np.ndarray:
        """Return (T, F) features as the network sees them. Raises AudioError where no frame is voiced."""
        feats, vad = super().finished(utt, raw), self.config.get("vad")
        if not vad:
            return feats
        voiced = self._decide(self.samples(utt, 0, self.num_samples[utt])) if self._decide else by_energy(raw, vad)
        if not voiced.any():
            raise AudioError("no voiced frame")
        return feats[voiced]

    @cached_property
    def _decide(self) -> Callable[[np.ndarray], np.ndarray] | None:
        """What decides by audio; None where the features' energy does."""
        return decider(self.config["vad"], self.config) if vad_listens(self.config) else None


def store_of(
    embedder: Embedder, data: Path, feats: Path | None, audio_rules: AudioRules | None, from_audio: bool
) -> Store:
    """Return features, or embeddings, at `feats`, else those in the data directory, else what is made of its audio.

    audio_rules : None where the bundle's features are of an unknown rate
    from_audio : features on disk are not looked for
    Raises SreError where there are none, and where they cannot be made here.
    """
    config, name = embedder.feature_config, embedder.config["features"]
    if config.get("type") == EMBEDDINGS:
        if feats is None:
            raise SreError(f"{embedder.path}: it takes embeddings of '{config['of']}'; give their scp by --feats")
        return VectorStore(feats, config["of"])
    can_be_made = config.get("type") in FEATURE_TYPES and audio_rules is not None
    if from_audio and not can_be_made:
        raise SreError(
            f"{embedder.path}: it takes features of type {config.get('type')}, which are not made here; give --feats"
        )
    if feats or not (from_audio or (can_be_made and not has_feats(data, name) and (data / "wav.scp").is_file())):
        return FeatureStore(feats or find_feats(data, name))
    assert audio_rules is not None
    return VoicedAudio(read_data_dir(data, need_speakers=False), config, audio_rules, embedder.device, True)


def has_feats(data: Path, name: str | None) -> bool:
    """Return whether find_feats finds some."""
    return any(path.is_file() for path in (data / "feats.scp", data / "feats" / str(name) / "feats.scp"))


def usable(store: Store, data: Path, shard: tuple[int, int] | None = None) -> tuple[list[str], Rejected]:
    """Return the utterances of a data directory that a store has, sorted, and rows of those that their header rejects.

    shard : (K, N), of both only the K-th of N parts
    Raises SreError as `check_promised`, where too many are missing for no reason.
    """
    speakers, rejected = data / "utt2spk", Rejected()
    utts: Collection[str] = read_utt2spk(speakers) if speakers.is_file() else store.places
    if isinstance(store, AudioStore) and store.rejected:
        rejected = store.rejected
        if speakers.is_file():
            rejected = [row for row in rejected if row[0] in utts]
        utts = absent(utts, {utt for utt, _, _ in rejected})
    folder = store.folder / FOLDER if isinstance(store, AudioStore) else store.scp.parent
    check_promised(store.scp, speakers, utts, store.places, data, folder)
    there = sorted(utt for utt in utts if utt in store.places)
    return shard_of(there, shard), shard_of(sorted(rejected), shard)


def judge_rejected(path: Path, rows: Rejected, total: int, max_rejected: float) -> None:
    """Write the rows of utterances without usable audio; without any there is no table. Raises as `write_rejected`."""
    path.unlink(missing_ok=True)
    if rows:
        write_rejected(path, rows, total, "utterances", max_rejected)
