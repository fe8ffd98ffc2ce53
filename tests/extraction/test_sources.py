"""Embeddings straight from audio: the same bytes as through features on disk, with CMN and VAD."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from sre import SreError
from sre.cli.configs import schema
from sre.config.resolve import resolve_features
from sre.datadir.datadir import read_data_dir, write_data_dir
from sre.datadir.rejected import Rejected, read_rejected_rows
from sre.extraction import embedder
from sre.extraction.embedder import Embedder, extract
from sre.extraction.sources import VoicedAudio
from sre.features.audio_store import AudioStore
from sre.io.audio import AudioRules
from sre.io.scp import read_scp
from sre.io.text import canonical
from sre.models import build
from sre.models.bundle import Bundle
from steps import compute_vad, extract_embeddings, index_audio, join_embeddings, make_features

CONFIGS = {
    "fbank": {"num_mel_bins": 40},
    "mfcc": {"type": "mfcc", "num_mel_bins": 30, "num_ceps": 24, "cmn": "sliding", "vad": {}},
    "fbank of voiced frames": {"num_mel_bins": 40, "cmn": "sliding", "vad": {}},
}
OPTIONS = {"channels": 32, "pooled_channels": 48, "embedding_dim": 16}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six recordings, two of them of two segments, with pauses."""
    folder, draw = tmp_path_factory.mktemp("audio"), np.random.default_rng(0)
    wav, segments = {}, {}
    for number in range(6):
        time = np.arange(int((2 + 0.3 * number) * 16000)) / 16000
        wave = draw.normal(0, 0.1, len(time)) * (np.sin(2 * np.pi * time) > -0.3) + draw.normal(0, 1e-3, len(time))
        suffix = "flac" if number % 2 else "wav"
        soundfile.write(folder / f"r{number}.{suffix}", wave, 16000)
        wav[f"r{number}"] = str(folder / f"r{number}.{suffix}")
        parts = [(0.0, 1.1), (1.1, 2.0)] if number < 2 else [(0.0, 2.0 + 0.3 * number)]
        segments |= {f"r{number}-{k}": (f"r{number}", *part) for k, part in enumerate(parts)}
    write_data_dir(folder / "d", wav=wav, segments=segments, utt2spk={utt: utt[:2] for utt in segments})
    return folder / "d"


def bundle(path: Path, config: dict, dimension: int) -> Path:
    torch.manual_seed(0)
    network = build("xvector", dimension, OPTIONS).train()
    for _ in range(3):
        network(torch.randn(8, 40, dimension))
    model = {"architecture": "xvector", "options": OPTIONS, "features": "some"}
    Bundle(model, config, dimension, network.state_dict()).save(path)
    return path


def call(main, *words: object) -> None:  # type: ignore[no-untyped-def]
    main(list(map(str, words)))


@pytest.mark.parametrize("kind", CONFIGS)
def test_the_same_bytes_as_through_features_on_disk(data: Path, tmp_path: Path, kind: str) -> None:
    config = resolve_features(schema(), CONFIGS[kind], 16000, "features")
    model = bundle(tmp_path / "final.pt", config, config["num_ceps"] if config["type"] == "mfcc" else 40)
    call(make_features.main, config["type"], data, tmp_path / "feats", "--config", canonical(config))
    if config["vad"]:
        vad = ["--config", canonical(config["vad"])] + (["--data", data] if config["type"] == "fbank" else [])
        call(compute_vad.main, tmp_path / "feats/feats.scp", tmp_path / "feats", *vad)
    call(extract_embeddings.main, model, data, tmp_path / "disk", "--feats", tmp_path / "feats/feats.scp")
    call(extract_embeddings.main, model, data, tmp_path / "audio")
    made = (tmp_path / "audio/embeddings.ark").read_bytes()
    assert made == (tmp_path / "disk/embeddings.ark").read_bytes()
    call(extract_embeddings.main, model, data, tmp_path / "asked", "--audio", '{"sample_rate": 16000}')
    assert made == (tmp_path / "asked/embeddings.ark").read_bytes()


def test_a_card_gets_few_utterances_where_they_are_long(data: Path, tmp_path: Path, monkeypatch) -> None:
    """Hours of audio are never all in the card's memory, and one that is longer than allowed is alone."""
    config = resolve_features(schema(), CONFIGS["fbank"], 16000, "features")
    model = Embedder(bundle(tmp_path / "final.pt", config, 40), "cpu")
    store, groups, load_many = AudioStore(read_data_dir(data), config, AudioRules(16000)), [], AudioStore.load_many
    monkeypatch.setattr(
        AudioStore, "load_many", lambda self, utts, bad: [groups.append(utts), load_many(self, utts, bad)][1]
    )
    utts = sorted(store.places)
    expected = dict(extract(model, store, utts))
    groups.clear()
    monkeypatch.setitem(embedder.UTTS_AT_ONCE, "cpu", 3)
    monkeypatch.setitem(embedder.BATCH_FRAMES, "cpu", 300)
    made = dict(extract(model, store, utts))
    frames = [[store.num_frames[utt] for utt in group] for group in groups]
    assert [len(group) for group in frames] == [3, 1, 1, 1, 1, 1] and frames[-1][0] > 300 > sum(frames[0])
    assert all(np.allclose(made[utt], expected[utt], atol=1e-5) for utt in utts) and made.keys() == expected.keys()


def test_shards_from_audio_are_joined_by_its_index(data: Path, tmp_path: Path) -> None:
    config = resolve_features(schema(), CONFIGS["fbank"], 16000, "features")
    model, index = bundle(tmp_path / "final.pt", config, 40), tmp_path / "index"
    call(index_audio.main, data, index)
    for k in (1, 2):
        call(extract_embeddings.main, model, data, tmp_path, "--audio", "{}", "--shard", f"{k}/2")
    shards = [tmp_path / f"embeddings.{k}.scp" for k in (1, 2)]
    call(join_embeddings.main, *shards, index / "utt2num_samples", tmp_path / "all.scp")
    with pytest.raises(SreError, match="utterances are missing"):
        call(join_embeddings.main, shards[0], index / "utt2num_samples", tmp_path / "half.scp")


def test_what_is_left_out_is_the_same_from_audio_and_on_disk(tmp_path: Path) -> None:
    """By the header or the samples; two channels, zeros and NaN get no embedding, and the shards are joined without."""
    draw, wav = np.random.default_rng(0), {}
    waves = {f"u{n}": draw.normal(0, 0.1, 8000) for n in range(6)}
    waves |= {"stereo": draw.normal(0, 0.1, (8000, 2)), "zero": np.zeros(8000), "nan": np.full(8000, np.nan)}
    for utt, wave in waves.items():
        wav[utt] = str(tmp_path / f"{utt}.wav")
        soundfile.write(wav[utt], wave, 16000, subtype="FLOAT")
    d, bad = tmp_path / "d", {"stereo", "zero", "nan"}
    write_data_dir(d, wav=wav, utt2spk=dict.fromkeys(wav, "s"))
    config = resolve_features(schema(), CONFIGS["fbank"], 16000, "features")
    model, allow = bundle(tmp_path / "final.pt", config, 40), ("--max-rejected", "0.5")
    call(make_features.main, "fbank", d, tmp_path / "feats", "--config", canonical(config), *allow)
    rows = read_rejected_rows(tmp_path / "feats/rejected.tsv")
    call(extract_embeddings.main, model, d, tmp_path, *allow)
    assert read_rejected_rows(tmp_path / "embeddings.rejected.tsv") == rows and {row[0] for row in rows} == bad
    assert read_scp(tmp_path / "embeddings.scp").keys() == wav.keys() - bad
    with pytest.raises(SreError, match="3 of 9 utterances are rejected, more than max_rejected"):
        call(extract_embeddings.main, model, d, tmp_path / "too_many")
    call(index_audio.main, d, tmp_path / "index", "--max-rejected", "0.5")
    for k in (1, 2):  # each has its part of what headers reject
        call(extract_embeddings.main, model, d, tmp_path / "two", "--shard", f"{k}/2", *allow)
    tables = [tmp_path / f"two/embeddings.{k}.rejected.tsv" for k in (1, 2)]
    assert sorted(row for table in tables if table.exists() for row in read_rejected_rows(table)) == rows
    call(join_embeddings.main, tmp_path / "embeddings.scp", tmp_path / "index/utt2num_samples", tmp_path / "all.scp")
    assert read_scp(tmp_path / "all.scp").keys() == wav.keys() - bad


def test_an_utterance_without_a_voiced_frame_is_left_out(data: Path, tmp_path: Path) -> None:
    config = resolve_features(schema(), CONFIGS["mfcc"] | {"vad": {"energy_threshold": 30.0}}, 16000, "features")
    store = VoicedAudio(read_data_dir(data), config, AudioRules(), drop_unvoiced=True)
    rejected = Rejected()
    assert store.load_many(["r2-0"], rejected) == [] and [(row[0], row[2]) for row in rejected] == [
        ("r2-0", "no voiced frame")
    ]
    with pytest.raises(SreError, match=r"wav.scp: 'r2-0' \(.*r2.wav\): no voiced frame; take it out"):
        store.load("r2-0")


def test_features_that_cannot_be_made_here(data: Path, tmp_path: Path) -> None:
    model = bundle(tmp_path / "final.pt", {"type": "given", "cmn": "none"}, 8)
    with pytest.raises(SreError, match="d: no features; looked for"):
        call(extract_embeddings.main, model, data, tmp_path / "out")
    with pytest.raises(SreError, match="it takes features of type given, which are not made here; give --feats"):
        call(extract_embeddings.main, model, data, tmp_path / "out", "--audio", "{}")


def test_another_sample_rate_than_the_features_is_refused(data: Path, tmp_path: Path) -> None:
    model = bundle(tmp_path / "final.pt", resolve_features(schema(), CONFIGS["fbank"], 16000, "features"), 40)
    with pytest.raises(SreError, match="JSON text: sample_rate 8000, and the features are of 16000 Hz; leave"):
        call(extract_embeddings.main, model, data, tmp_path / "out", "--audio", '{"sample_rate": 8000}')
