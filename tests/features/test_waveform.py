"""The type waveform: the samples themselves, whole and in batches, of audio and of archives; what is refused of it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sre import SreError
from sre.cli.configs import schema
from sre.config.resolve import resolve_features, resolve_model_config, resolve_vad
from sre.datadir.datadir import DataDir, read_data_dir
from sre.features.audio_store import AudioStore
from sre.features.extractor import extractor_of
from sre.features.make_shards import make_all_shards
from sre.features.store import FeatureStore
from sre.features.types import options_of
from sre.features.vad import decider
from sre.io.audio import AudioRules
from sre.training.audio_source import Audio
from sre.training.augment import Augmentation

CONFIG = resolve_features(schema(), {"type": "waveform"}, 16000, "waveform")


@pytest.fixture
def data(tmp_path: Path, sound_dir: Callable) -> DataDir:
    return read_data_dir(sound_dir(tmp_path / "data", speakers=1, seconds=1.2035))


def blocks_of(path: Path) -> np.ndarray:
    """What soundfile reads, as blocks of 10 ms; the rest is left out."""
    wave = soundfile.read(path, dtype="float32")[0]
    return wave[: len(wave) // 160 * 160].reshape(-1, 160)


def test_it_is_what_soundfile_reads_from_audio_and_from_archives(tmp_path: Path, data: DataDir) -> None:
    make_all_shards(data, CONFIG, AudioRules(), tmp_path / "feats", 1, 0.0)
    archives, audio = FeatureStore(tmp_path / "feats/feats.scp"), AudioStore(data, CONFIG, AudioRules())
    assert archives.config == audio.config == CONFIG and "cmn" not in CONFIG
    assert archives.num_frames == dict(audio.num_frames)
    for utt in data.utts:
        expected = blocks_of(data.path / "wav" / f"{utt}.wav")
        assert np.array_equal(archives.load(utt), expected) and np.array_equal(audio.load(utt), expected)


def test_a_chunk_to_train_on_is_a_piece_of_the_samples(data: DataDir) -> None:
    """At any sample, with no mean taken off; a short utterance is repeated, as ClovaAI does."""
    store = AudioStore(data, CONFIG, AudioRules())
    utts = [(0, utt) for utt in data.utts]
    source = Audio([store], utts, Augmentation())
    for index, (_, utt) in enumerate(utts):
        whole = soundfile.read(data.path / "wav" / f"{utt}.wav", dtype="float32")[0]
        start = int(0.37 * (len(whole) - 50 * 160 + 1))
        for frames, expected in ((50, whole[start:][: 50 * 160]), (200, np.resize(whole, 200 * 160))):
            sample = source[index, frames, np.array([0.37, 0.0])]
            chunk = source.prepared(sample.chunk[None], sample.draws[None])[0]
            assert np.array_equal(chunk.numpy().ravel(), expected)


def test_a_rest_that_fills_no_block_is_dropped() -> None:
    options = options_of(CONFIG)
    assert (options.dimension, options.num_frames(159), options.num_frames(479), options.num_samples(2)) == (
        160,
        0,
        2,
        320,
    )
    wave = np.arange(479, dtype=np.float32)
    (feats,) = extractor_of(options)([wave])
    assert torch.equal(feats.flatten(), torch.arange(320) / 32768)
    assert torch.equal(extractor_of(options).batch(torch.from_numpy(wave)[None])[0], feats)


def test_the_vad_hears_each_block() -> None:
    draw = np.random.default_rng(0)
    wave = np.concatenate([3000 * draw.standard_normal(16_000), draw.standard_normal(8_000)]).astype(np.float32)
    voiced = decider(resolve_vad(schema(), {}, "v"), CONFIG)(wave)
    assert len(voiced) == 150 and voiced[:100].all() and not voiced[103:].any()


@pytest.mark.parametrize(
    "option, value", [("frame_length", 25), ("num_mel_bins", 80), ("cmn", "utterance"), ("delta_order", 2)]
)
def test_options_of_windows_and_columns_are_refused(option: str, value: object) -> None:
    with pytest.raises(SreError, match=f"^f: {option} is of type fbank and mfcc .* not of waveform; take it out$"):
        resolve_features(schema(), {"type": "waveform", option: value}, 16000, "f")


def test_a_sample_rate_without_whole_blocks() -> None:
    with pytest.raises(SreError, match="10 ms at 22050 Hz are no whole number of samples; set audio.sample_rate"):
        options_of(resolve_features(schema(), {"type": "waveform"}, 22050, "f"))


@pytest.mark.parametrize(
    "given, sentence",
    [
        ({"features": "fbank"}, "rawnet3 reads features of type waveform, and not fbank; name such features"),
        ({"augment": {"freq_masks": 1}}, "augment.freq_masks masks columns, which of a waveform are samples; take it"),
        ({"augment": {"speeds": [0.9]}, "source": "features"}, "augment.speeds works on fbank, tf_mel"),
        ({"source": "embeddings", "embeddings_of": "x", "features": None}, "rawnet3 reads .* waveform, and not embedd"),
    ],
)
def test_models_that_do_not_go_with_it(given: dict, sentence: str) -> None:
    features = {"waveform": CONFIG, "fbank": resolve_features(schema(), {}, 16000, "fbank")}
    model = {"architecture": "rawnet3", "features": "waveform", "source": "audio", **given}
    with pytest.raises(SreError, match=sentence):
        resolve_model_config(schema(), model, "m", features, 1)
