"""The three utterances on which an exported file is compared with its bundle: of a data directory, or generated.

Shapes: N samples, T frames, F features, D embedding.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from sre import SreError
from sre.datadir.datadir import read_data_dir, write_data_dir
from sre.extraction.embedder import MIN_FRAMES, PIECE_FRAMES, Embedder
from sre.extraction.sources import has_feats, store_of
from sre.features.audio_index import rules_like_index
from sre.features.store import find_feats
from sre.features.types import EMBEDDINGS, FEATURE_TYPES
from sre.features.waves import Waves
from sre.io.audio import MIX, AudioError, AudioRules

FULL_SCALE = 32768  # of int16; sound goes into a file as floats in [-1, 1]
GENERATED_S = (2.0, 3.5, 6.0)
FORMANTS = ((500, 0.3, 80), (1500, 0.2, 120), (2500, 0.1, 200))  # Hz, how far it moves as a share, Hz of half its width


@dataclass(frozen=True)
class Sample:
    """An utterance: what the graph takes of it, (1, T, F) or (1, N), and the bundle's embedding (D,)."""

    utt: str
    frames: int
    input: np.ndarray
    reference: np.ndarray


def read_samples(embedder: Embedder, data: Path | None, source: str) -> list[Sample]:
    """Return the shortest, the median and the longest utterance of a data dir that the bundle takes in one piece.

    data : with features, or with wav.scp; None: speech-like sound is generated
    source : "fbank": features on disk are taken, else they are made of the audio; "wav": all is of the audio
    Raises SreError where there are fewer than three, for features of another config than the bundle's, and without
    `data` for features that are not made here.
    """
    config = embedder.feature_config
    if config.get("type") == EMBEDDINGS:
        raise SreError(f"{embedder.path}: it takes embeddings, and no sound or features; use the bundle itself")
    if data is not None:
        return _of_data(embedder, data, source)
    if config.get("type") not in FEATURE_TYPES or "sample_rate" not in config:
        raise SreError(
            f"{embedder.path}: it takes features of type {config.get('type')}, which are not made here; give --data DIR"
            " with such features"
        )
    with TemporaryDirectory() as folder:
        return _of_data(embedder, generated(Path(folder), config["sample_rate"]), source)


def _of_data(embedder: Embedder, data: Path, source: str) -> list[Sample]:
    rate = embedder.feature_config.get("sample_rate")
    rules = None if rate is None else rules_like_index(data, AudioRules(rate, resample=True, channel=MIX))
    has_sound, name = (data / "wav.scp").is_file(), embedder.config["features"]
    if source == "wav" and not has_sound:
        raise SreError(f"{data}: no wav.scp in it; give a data directory with sound, or export with --from fbank")
    if not (has_sound or has_feats(data, name)):
        find_feats(data, name, "make them, or give a data directory with sound")  # raises
    store = store_of(embedder, data, None, rules, source == "wav")
    embedder.check(store)
    lengths = sorted((store.num_frames[utt], utt) for utt in store.places)
    lengths = [pair for pair in lengths if MIN_FRAMES <= pair[0] <= PIECE_FRAMES]
    if len(lengths) < 3:
        raise SreError(
            f"{data}: {len(lengths)} utterances of {MIN_FRAMES} to {PIECE_FRAMES} frames; three are compared, give more"
        )
    utts = [utt for _, utt in (lengths[0], lengths[len(lengths) // 2], lengths[-1])]
    assert source == "fbank" or rules is not None  # EmbeddingGraph refuses sound of an unknown rate
    inputs = _waves(data, utts, rules) if source == "wav" and rules else map(store.raw, utts)
    samples = []
    for utt, x in zip(utts, inputs, strict=True):
        feats = store.load(utt)
        samples.append(Sample(utt, len(feats), np.ascontiguousarray(x, np.float32)[None], embedder.utterance(feats)))
    return samples


def _waves(data: Path, utts: Sequence[str], rules: AudioRules) -> Iterator[np.ndarray]:
    """Yield the (N,) samples of each utterance, in [-1, 1]."""
    waves = Waves(read_data_dir(data, need_speakers=False), rules)
    for utt in utts:
        read = dict(waves.read([utt]))
        for _, path, reason in waves.rejected:
            raise AudioError(f"{data}: '{utt}' ({path}): {reason}; give another directory")
        yield read[utt] / np.float32(FULL_SCALE)


def generated(folder: Path, rate: int) -> Path:
    """Write a data directory of three utterances of speech-like sound at `rate` Hz, always the same; return it."""
    wav = {}
    for number, seconds in enumerate(GENERATED_S, 1):
        utt = f"generated_{number}"
        wav[utt] = str(folder / f"{utt}.wav")
        soundfile.write(wav[utt], speech_like(rate, seconds, number), rate, subtype="PCM_16")
    write_data_dir(folder, wav=wav, utt2spk={utt: utt for utt in wav})
    return folder


def speech_like(rate: int, seconds: float, seed: int) -> np.ndarray:
    """Return (N,) samples in [-1, 1]: harmonics of a moving pitch under moving formants, in syllables, and noise."""
    draw = np.random.default_rng(seed)
    t = np.arange(int(rate * seconds)) / rate
    pitch = draw.uniform(90, 220) * (1 + 0.15 * np.sin(2 * np.pi * (0.6 * t + draw.random())))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    resonances = [
        (centre * (1 + moves * np.sin(2 * np.pi * (draw.uniform(1, 3) * t + draw.random()))), width)
        for centre, moves, width in FORMANTS
    ]
    voice = np.zeros_like(t)
    for harmonic in range(1, int(rate / 2 / pitch.max())):
        gain = sum(1 / (1 + ((harmonic * pitch - centre) / width) ** 2) for centre, width in resonances)
        voice += gain * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * (3.5 * t + draw.random())) + 0.3, 0, 1)
    sound = voice * syllables / np.abs(voice).max() + draw.normal(0, 0.01, len(t))
    return 0.3 * sound.clip(-1, 1)
