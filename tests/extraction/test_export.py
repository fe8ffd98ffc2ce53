"""`sre export`: the file computes what the bundle does, or is not written. Every architecture: models/test_graph.py."""

import json
import re
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile
import torch

from sre import SreError, __version__
from sre.backends.cosine import Cosine
from sre.backends.files import contents_of
from sre.cli import command
from sre.datadir.datadir import read_data_dir
from sre.extraction import export, graph
from sre.extraction.embedder import Embedder
from sre.features.cmn import normalise
from sre.features.extractor import extractor_of
from sre.features.make import make_features
from sre.features.store import FeatureStore
from sre.features.types import options_of
from sre.io.audio import AudioRules
from sre.io.text import canonical
from sre.models import build
from sre.models.bundle import Bundle, load_bundle
from sre.voices.manifest import Manifest, SystemPart
from sre.voices.package import Package, network_part
from steps import compute_vad, index_audio

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


def bundle(path: Path, features: str, feature_config: dict, bins: int = 24) -> Path:
    torch.manual_seed(0)
    network = build("xvector", bins, OPTIONS)
    for _ in range(3):
        network(torch.randn(8, 40, bins))  # what batch norms have seen
    config = {"architecture": "xvector", "options": OPTIONS, "features": features}
    Bundle(config, feature_config, bins, network.state_dict()).save(path)
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
        sound = soundfile.read(data / "wav" / f"{utt}.wav", dtype="float32")[0]
        ours, theirs = run((sound if source == "wav" else store.raw(utt))[None])[0], embedder.utterance(store.load(utt))
        assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(theirs)
        if config == "vad" and suffix == ".onnx":  # the second of two would lose the first one's frames
            with pytest.raises(Exception, match="invalid dimensions"):
                run(np.stack([sound if source == "wav" else store.raw(utt)] * 2))
    lines = capsys.readouterr().out.splitlines()
    lengths = sorted((store.num_frames[utt], utt) for utt in store.places)
    for line, (frames, utt) in zip(lines, (lengths[0], lengths[4], lengths[8]), strict=False):
        assert line.startswith(f"out{suffix} {utt} frames {frames} cosine 0.99999") or line.endswith(" 1.00000000")


def test_samples_become_blocks_in_the_graph(data: Path, tmp_path: Path) -> None:
    """Of the type waveform: what trim leaves, without a rest that fills no block."""
    trim = {"seconds": 0.0501, "level_db": None, "window": 2048, "shift": 512, "least_s": 0.025}
    config = {"type": "waveform", "sample_rate": 16000, "compression": 0, "vad": None, "trim": trim, "version": 1}
    embedder = Embedder(bundle(tmp_path / "final.pt", "waveform", config, 160), torch.device("cpu"))
    wave = np.random.default_rng(0).normal(0, 0.1, 16_123).astype(np.float32)
    theirs = embedder.utterance(wave[802:-802][:14_400].reshape(-1, 160))
    for suffix in (".onnx", ".pt"):
        sre(tmp_path / "final.pt", tmp_path / f"out{suffix}", "--data", data, "--from", "wav")
        ours = graph.runner((tmp_path / f"out{suffix}").read_bytes(), suffix)(wave[None])[0]
        assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(theirs)
    assert graph.metadata_of(embedder, "fbank", "")["input_scale"] == "1"  # its features are the samples


def test_a_data_directory_whose_audio_a_recipe_has_indexed(data: Path, tmp_path: Path, sound_dir: Callable) -> None:
    """It is read by the rules of the index, and not by export's own, which mix channels and resample."""
    indexed = sound_dir(tmp_path / "indexed", speakers=1)
    for channel in (None, 0, "mix"):
        index_audio.main([str(indexed), str(indexed / "audio"), "--audio", json.dumps({"channel": channel})])
        sre(data / "utterance.pt", tmp_path / "out.pt", "--data", indexed, "--from", "wav")


@pytest.mark.parametrize("source", ["fbank", "wav"])
def test_a_batch_gives_each_its_own(data: Path, tmp_path: Path, source: str) -> None:
    sre(data / "utterance.pt", tmp_path / "out.onnx", "--data", data, "--from", source)
    run = graph.runner((tmp_path / "out.onnx").read_bytes(), ".onnx")
    shape = (3, 16000) if source == "wav" else (3, 98, 24)
    x = np.random.default_rng(0).normal(0, 0.1, size=shape).astype(np.float32)
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
        assert (found["input"], found["input_scale"], found["sample_rate"]) == ("fbank", "32768", "16000")
        assert found["sre_version"] == __version__
        assert json.loads(found["config"]) == embedder.config
        assert json.loads(found["feature_config"]) == embedder.feature_config


def test_features_in_the_graph_are_the_extractors_on_real_speech(shared: Path) -> None:
    kaldi = shared / "reference/kaldi-features"
    places = [line.split()[1] for line in (kaldi / "wav.scp").read_text().splitlines()]
    waves = [soundfile.read(kaldi / place, dtype="float32")[0] for place in places]
    config = {"type": "fbank", "sample_rate": 16000}
    run = graph.runner(graph.to_onnx(graph.FeatureGraph(config), torch.zeros(2, 16000), {}), ".onnx")
    on_int16s_scale = [32768 * wave for wave in waves]
    for wave, feats in zip(waves, extractor_of(options_of(config))(on_int16s_scale), strict=True):
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
        (["utterance.pt", "utterance.pt"], "utterance.pt: would be written over what is given beside it"),
        (["utterance.pt", "out.bin"], r"out.bin: neither .onnx nor .pt \(TorchScript\)"),
        (
            ["utterance.pt", "out.pt", "--int8"],
            "out.pt: --int8 is onnxruntime's; export to a name that ends with .onnx",
        ),
        (["given.pt", "out.pt", "--from", "wav"], "trained on features of an unknown sample rate; .* --from fbank"),
        (["utterance.pt", "out.pt", "--for", "sherpa-onnx"], "out.pt: sherpa-onnx reads ONNX files of features"),
        (
            ["utterance.pt", "o.onnx", "--from", "wav", "--for", "sherpa-onnx"],
            "name it .onnx, and leave out --from wav",
        ),
        (
            ["utterance.pt", "out.onnx", "--for", "sherpa-onnx"],
            r"num_mel_bins 24, there 80; window_type hamming, there povey; snip_edges True, there False; high_freq 8000"
            r" Hz, there 7600 Hz\); train it on features {num_mel_bins: 80, .*}, or export it with --from wav",
        ),
        (["other.pt", "out.pt"], "its features' config differs from the one .*other.pt was trained on"),
    ],
)
def test_what_cannot_be_exported(data: Path, tmp_path: Path, monkeypatch, argv: list[str], error: str) -> None:
    bundle(tmp_path / "given.pt", "utterance", {"type": "given", "cmn": "none"})
    bundle(tmp_path / "other.pt", "utterance", {**COMMON, **CONFIGS["sliding"]})
    bundle(tmp_path / "utterance.pt", "utterance", {**COMMON, **CONFIGS["utterance"]})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SreError, match=error):
        sre(*argv, "--data", data)


def test_without_features_they_are_made_of_the_audio(data: Path, tmp_path: Path, capsys) -> None:
    """A model for sound needs none on disk (it was refused), and one for features can have them made."""
    (tmp_path / "sound").mkdir()
    for name in ("wav.scp", "utt2spk"):
        (tmp_path / "sound" / name).write_text((data / name).read_text())
    sre(data / "vad.pt", tmp_path / "wav.onnx", "--data", tmp_path / "sound", "--from", "wav")
    sre(data / "vad.pt", tmp_path / "fbank.onnx", "--data", tmp_path / "sound")
    lines = capsys.readouterr().out.splitlines()
    utts = [line.split()[1] for line in lines if " cosine " in line]
    assert utts == 2 * ["s00_00", "s01_01", "s02_02"]


@pytest.mark.parametrize("source", ["fbank", "wav"])
def test_without_data_sound_is_generated(data: Path, tmp_path: Path, capsys, source: str) -> None:
    sre(data / "sliding.pt", tmp_path / "out.onnx", "--from", source)
    said = capsys.readouterr()
    assert "no --data: it was compared with the model on generated, speech-like sound" in said.err
    assert re.findall(r"out.onnx generated_(\d) frames (\d+) cosine", said.out) == [
        ("1", "200"), ("2", "350"), ("3", "600")
    ]  # fmt: skip
    bundle(tmp_path / "given.pt", "given", {"type": "given", "dimension": 24, "cmn": "none"})
    with pytest.raises(SreError, match="takes features of type given, which are not made here; give --data DIR with"):
        sre(tmp_path / "given.pt", tmp_path / "given.onnx")


def test_quiet_sound_has_its_own_embedding(data: Path, tmp_path: Path) -> None:
    """Floats in [-1, 1] into a graph for int16's scale had a cosine of 0.92 where they were quiet (U5)."""
    sre(data / "utterance.pt", tmp_path / "out.onnx", "--from", "wav")
    run = graph.runner((tmp_path / "out.onnx").read_bytes(), ".onnx")
    sound = 0.002 * soundfile.read(data / "wav" / "s00_00.wav", dtype="float32")[0]
    embedder = Embedder(data / "utterance.pt", torch.device("cpu"))
    feats = extractor_of(options_of(embedder.feature_config))([32768 * sound])[0].numpy()
    theirs = embedder.utterance(normalise(feats, embedder.feature_config))
    assert np.linalg.norm(run(sound[None])[0] - theirs) < 1e-4 * np.linalg.norm(theirs)


SHERPAS = {"type": "fbank", "num_mel_bins": 80, "snip_edges": False, "high_freq": -400, "cmn": "utterance"}


@pytest.mark.parametrize("options", [{}, {"cmn": "sliding", "cmn_window": 100, "sample_rate": 8000}])
def test_sherpa_onnx_runs_the_file(data: Path, tmp_path: Path, capsys, options: dict) -> None:
    """By its own package: reads the wav's samples, makes its own features, runs the graph."""
    sherpa_onnx = pytest.importorskip("sherpa_onnx")
    config = {**COMMON, **SHERPAS, **options}
    model = bundle(tmp_path / "final.pt", "sherpas", config, bins=80)
    sre(model, tmp_path / "out.onnx", "--for", "sherpa-onnx")
    assert capsys.readouterr().out.rstrip().endswith("MB, also for sherpa-onnx")
    given = sherpa_onnx.SpeakerEmbeddingExtractorConfig(model=str(tmp_path / "out.onnx"), num_threads=1)
    extractor, embedder = sherpa_onnx.SpeakerEmbeddingExtractor(given), Embedder(model, "cpu")
    assert extractor.dim == OPTIONS["embedding_dim"]
    for utt in ("s00_00", "s02_02"):
        sound, rate = soundfile.read(data / "wav" / f"{utt}.wav", dtype="float32")
        sound, rate = sound[:: rate // config["sample_rate"]], config["sample_rate"]
        stream = extractor.create_stream()
        stream.accept_waveform(sample_rate=rate, waveform=sound)
        stream.input_finished()
        assert extractor.is_ready(stream)
        theirs = np.array(extractor.compute(stream))
        feats = extractor_of(options_of(config))([32768 * sound])[0].numpy()
        ours = embedder.utterance(normalise(feats, config))
        assert 1 - ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs) < 1e-5


def test_features_without_sound(data: Path, tmp_path: Path, feature_dir: Callable) -> None:
    given = feature_dir(tmp_path / "given", dimension=24)
    (given / "config").write_text(canonical({**COMMON, **CONFIGS["utterance"]}))
    with pytest.raises(SreError, match="given: no wav.scp in it; .* or export with --from fbank"):
        sre(data / "utterance.pt", tmp_path / "out.pt", "--data", given, "--from", "wav")
    few = feature_dir(tmp_path / "few", speakers=2, utterances=1, dimension=24)
    (few / "config").write_text(canonical({**COMMON, **CONFIGS["utterance"]}))
    with pytest.raises(SreError, match="few: 2 utterances of 25 to 10000 frames; three are compared, give more"):
        sre(data / "utterance.pt", tmp_path / "out.pt", "--data", few)


def test_a_package_is_exported_like_its_bundle(data: Path, tmp_path: Path) -> None:
    embedders = [Embedder(data / f"{name}.pt", "cpu") for name in ("utterance", "sliding")]
    bundles = [load_bundle(embedder.path) for embedder in embedders]
    parts = [network_part(name, one, "") for name, one in zip("ab", bundles, strict=True)]
    system = SystemPart("cosine", network=0, backend=contents_of(Cosine())[0])
    for count in (1, 2):
        package = Package(Manifest("mine", parts[:count], [system]), bundles[:count], {0: Cosine()})
        package.write(tmp_path / f"{count}.sre")
    sre(tmp_path / "1.sre", tmp_path / "one.onnx", "--from", "wav")
    with pytest.raises(SreError, match=r"2.sre: it has the networks a, b; say by --network which one is exported"):
        sre(tmp_path / "2.sre", tmp_path / "two.onnx")
    with pytest.raises(SreError, match=r"2.sre: no network 'c' in it, it has a, b; give one of these"):
        sre(tmp_path / "2.sre", tmp_path / "two.onnx", "--network", "c")
    sre(tmp_path / "2.sre", tmp_path / "two.onnx", "--network", "b")
    x = np.random.default_rng(0).normal(size=(1, 60, 24)).astype(np.float32)
    theirs = embedders[1].utterance(normalise(x[0], embedders[1].feature_config))
    ours = graph.runner((tmp_path / "two.onnx").read_bytes(), ".onnx")(x)[0]
    assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(theirs)


def test_the_lines_of_the_page_run(data: Path, tmp_path: Path, monkeypatch) -> None:
    """docs/exporting.md, as a reader would copy them."""
    page = (Path(__file__).resolve().parents[2] / "docs/exporting.md").read_text("utf-8")
    with_onnxruntime, with_sherpa = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    for name, utt in (("a", "s00_00"), ("b", "s01_00")):
        shutil.copy(data / "wav" / f"{utt}.wav", tmp_path / f"{name}.wav")
    monkeypatch.chdir(tmp_path)
    sre(data / "utterance.pt", "speaker.onnx", "--from", "wav")
    found: dict = {}
    exec(with_onnxruntime, found)
    embedder, store = Embedder(data / "utterance.pt", "cpu"), FeatureStore(data / "feats/utterance/feats.scp")
    a, b = (embedder.utterance(store.load(utt)) for utt in ("s00_00", "s01_00"))
    assert found["cosine"] == pytest.approx(a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-4)
    if find_spec("sherpa_onnx"):
        sre(bundle(tmp_path / "final.pt", "f", {**COMMON, **SHERPAS}, bins=80), "sherpa.onnx")
        exec(with_sherpa, found)
        assert len(found["embedding"]) == OPTIONS["embedding_dim"]
