"""`sre export`: the file computes what the bundle does, or is not written. Every architecture: models/test_graph.py."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch

from sre import SreError, __version__
from sre.cli import command
from sre.datadir.datadir import read_data_dir
from sre.extraction import export, graph
from sre.extraction.embedder import Embedder
from sre.features.extractor import extractor_of
from sre.features.make import make_features
from sre.features.store import FeatureStore
from sre.features.types import options_of
from sre.io.audio import AudioRules
from sre.io.text import canonical
from sre.models import build
from sre.models.bundle import Bundle
from steps import compute_vad

OPTIONS = {"channels": 16, "pooled_channels": 64, "embedding_dim": 48}
COMMON = {"sample_rate": 16000, "frame_length": 25.0, "compression": 0, "vad": None, "version": 1}
CONFIGS = {
    "utterance": {"type": "fbank", "num_mel_bins": 24, "window_type": "hamming", "cmn": "utterance"},
    "sliding": {"type": "fbank", "num_mel_bins": 24, "snip_edges": False, "cmn": "sliding", "cmn_window": 50},
    "deltas": {
        "type": "fbank",
        "num_mel_bins": 8,
        "cmn": "sliding",
        "cmn_window": 50,
        "cmn_variance": "kaldi",
        "delta_order": 2,
    },
    "variance": {
        "type": "fbank",
        "num_mel_bins": 12,
        "cmn": "utterance",
        "cmn_variance": "nemo",
        "delta_order": 1,
    },
    "vad": {
        "type": "mfcc",
        "num_mel_bins": 24,
        "num_ceps": 24,
        "cmn": "sliding",
        "cmn_window": 300,
        "vad": {"energy_threshold": 0.0, "energy_mean_scale": 1.0, "frames_context": 2, "proportion_threshold": 0.6},
    },
}


def sre(*argv: object) -> None:
    command(["export", *map(str, argv)])


def bundle(path: Path, features: str, feature_config: dict) -> Path:
    torch.manual_seed(0)
    network = build("xvector", 24, OPTIONS)
    for _ in range(3):
        network(torch.randn(8, 40, 24))  # what batch norms have seen
    config = {"architecture": "xvector", "options": OPTIONS, "features": features}
    Bundle(config, feature_config, 24, network.state_dict()).save(path)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, sound_dir: Callable) -> Path:
    """Nine utterances of three lengths, with the features of every config, and data/<config>.pt."""
    path = sound_dir(tmp_path_factory.mktemp("export") / "data")
    directory = read_data_dir(path)
    for name, options in CONFIGS.items():
        config, out = {**COMMON, **options}, path / "feats" / name
        make_features(directory, directory.utts, config, AudioRules(), out, "")
        (out / "config").write_text(canonical(config))
        if config["vad"]:
            compute_vad.main([str(out / "feats.scp"), str(out), "--config", canonical(config["vad"])])
        bundle(path / f"{name}.pt", name, config)
    return path


@pytest.mark.parametrize("source", ["fbank", "wav"])
@pytest.mark.parametrize("suffix", [".onnx", ".pt"])
@pytest.mark.parametrize("config", CONFIGS)
def test_the_files_embedding_is_the_bundles(data: Path, tmp_path: Path, capsys, config, suffix, source) -> None:
    out = tmp_path / f"out{suffix}"
    sre(data / f"{config}.pt", out, "--data", data, "--from", source)
    embedder = Embedder(data / f"{config}.pt", torch.device("cpu"))
    store, run = FeatureStore(data / "feats" / config / "feats.scp"), graph.runner(out.read_bytes(), suffix)
    if config == "vad":
        assert any(store.num_frames[utt] < len(store.raw(utt)) for utt in store.places)
    for utt in store.places:
        sound = soundfile.read(data / "wav" / f"{utt}.wav", dtype="int16")[0].astype(np.float32)
        ours, theirs = run((sound if source == "wav" else store.raw(utt))[None])[0], embedder.utterance(store.load(utt))
        assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(theirs)
        if config == "vad" and suffix == ".onnx":  # the second of two would lose the first one's frames
            with pytest.raises(Exception, match="invalid dimensions"):
                run(np.stack([sound if source == "wav" else store.raw(utt)] * 2))
    lines = capsys.readouterr().out.splitlines()
    lengths = sorted((store.num_frames[utt], utt) for utt in store.places)
    for line, (frames, utt) in zip(lines, (lengths[0], lengths[4], lengths[8]), strict=False):
        assert line.startswith(f"out{suffix} {utt} frames {frames} cosine 0.99999") or line.endswith(" 1.00000000")


@pytest.mark.parametrize("source", ["fbank", "wav"])
def test_a_batch_gives_each_its_own(data: Path, tmp_path: Path, source: str) -> None:
    sre(data / "utterance.pt", tmp_path / "out.onnx", "--data", data, "--from", source)
    run = graph.runner((tmp_path / "out.onnx").read_bytes(), ".onnx")
    shape = (3, 16000) if source == "wav" else (3, 98, 24)
    x = 100 * np.random.default_rng(0).normal(size=shape).astype(np.float32)
    np.testing.assert_allclose(run(x), np.concatenate([run(row[None]) for row in x]), rtol=1e-4, atol=1e-5)


def test_the_file_says_what_it_is(data: Path, tmp_path: Path) -> None:
    embedder = Embedder(data / "sliding.pt", torch.device("cpu"))
    for suffix in (".onnx", ".pt"):
        sre(data / "sliding.pt", tmp_path / f"out{suffix}", "--data", data)
    of_onnx = {prop.key: prop.value for prop in onnx.load(tmp_path / "out.onnx").metadata_props}
    of_torch = dict.fromkeys(of_onnx, "")
    torch.jit.load(tmp_path / "out.pt", _extra_files=of_torch)
    of_torch = {key: value.decode() if isinstance(value, bytes) else value for key, value in of_torch.items()}
    for found in (of_onnx, of_torch):
        assert (found["input"], found["sre_version"]) == ("fbank", __version__)
        assert json.loads(found["config"]) == embedder.config
        assert json.loads(found["feature_config"]) == embedder.feature_config


def test_features_in_the_graph_are_the_extractors_on_real_speech(shared: Path) -> None:
    kaldi = shared / "reference/kaldi-features"
    places = [line.split()[1] for line in (kaldi / "wav.scp").read_text().splitlines()]
    waves = [soundfile.read(kaldi / place, dtype="int16")[0].astype(np.float32) for place in places]
    config = {"type": "fbank", "sample_rate": 16000}
    run = graph.runner(graph.to_onnx(graph.FeatureGraph(config), torch.zeros(2, 16000), {}), ".onnx")
    for wave, feats in zip(waves, extractor_of(options_of(config))(waves), strict=True):
        np.testing.assert_allclose(run(wave[None])[0], feats, rtol=0, atol=1e-4)


def test_a_file_that_differs_is_not_written(data: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(graph.NormalisationGraph, "forward", lambda self, x: x)
    with pytest.raises(
        SreError, match=r"out.onnx: cosine [-\d.]+ with the bundle's embedding of 's.*', not above 0.9999"
    ):
        sre(data / "utterance.pt", tmp_path / "out.onnx", "--data", data)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("faster", [True, False])
def test_int8_where_it_pays(data: Path, tmp_path: Path, capsys, monkeypatch, faster: bool) -> None:
    took = iter([2.0, 1.0] if faster else [1.0, 2.0])
    monkeypatch.setattr(export, "seconds", lambda run, x: next(took))
    source = "wav" if faster else "fbank"
    (tmp_path / "out.int8.onnx").write_text("of an earlier model")
    sre(data / "utterance.pt", tmp_path / "out.onnx", "--data", data, "--from", source, "--int8")
    said = capsys.readouterr().out
    if not faster:
        assert "not worth it, since it is hardly faster" in said and "speed 0.50 of float's" in said
        assert not (tmp_path / "out.int8.onnx").exists()
        return
    assert "speed 2.00 of float's" in said
    small = onnx.load(tmp_path / "out.int8.onnx")
    assert {prop.key for prop in small.metadata_props} >= {"input", "sre_version", "config", "feature_config"}
    assert [node.name for node in small.graph.node if node.op_type == "MatMulInteger"] == [
        "/segment1/Gemm_MatMul_quant"
    ]
    assert (tmp_path / "out.int8.onnx").stat().st_size < (tmp_path / "out.onnx").stat().st_size


def test_seconds_is_the_best_run(monkeypatch) -> None:
    clock = iter([0, 9, 10, 11, 20, 24])
    monkeypatch.setattr(export.time, "perf_counter", lambda: next(clock))
    assert export.seconds(lambda x: x, np.zeros(1)) == 1


@pytest.mark.parametrize(
    "argv, error",
    [
        (["utterance.pt", "utterance.pt"], "utterance.pt: is the bundle itself, which would be lost"),
        (["utterance.pt", "out.bin"], r"out.bin: neither .onnx nor .pt \(TorchScript\)"),
        (
            ["utterance.pt", "out.pt", "--int8"],
            "out.pt: --int8 is onnxruntime's; export to a name that ends with .onnx",
        ),
        (["given.pt", "out.pt", "--from", "wav"], "trained on features of an unknown sample rate; .* --from fbank"),
        (["missing.pt", "out.pt"], "data: no features; looked for .*feats/missing/feats.scp and "),
        (["other.pt", "out.pt"], "its features' config differs from the one .*other.pt was trained on"),
    ],
)
def test_what_cannot_be_exported(data: Path, tmp_path: Path, monkeypatch, argv: list[str], error: str) -> None:
    bundle(tmp_path / "given.pt", "utterance", {"type": "given", "cmn": "none"})
    bundle(tmp_path / "missing.pt", "missing", {"type": "fbank", "sample_rate": 16000})
    bundle(tmp_path / "other.pt", "utterance", {**COMMON, **CONFIGS["sliding"]})
    bundle(tmp_path / "utterance.pt", "utterance", {**COMMON, **CONFIGS["utterance"]})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SreError, match=error):
        sre(*argv, "--data", data)


def test_features_without_sound(data: Path, tmp_path: Path, feature_dir: Callable) -> None:
    given = feature_dir(tmp_path / "given", dimension=24)
    (given / "config").write_text(canonical({**COMMON, **CONFIGS["utterance"]}))
    with pytest.raises(SreError, match="given: no wav.scp in it; .* or export with --from fbank"):
        sre(data / "utterance.pt", tmp_path / "out.pt", "--data", given, "--from", "wav")
    few = feature_dir(tmp_path / "few", speakers=2, utterances=1, dimension=24)
    (few / "config").write_text(canonical({**COMMON, **CONFIGS["utterance"]}))
    with pytest.raises(SreError, match="few: 2 utterances of 25 to 10000 frames; three are compared, give more"):
        sre(data / "utterance.pt", tmp_path / "out.pt", "--data", few)
