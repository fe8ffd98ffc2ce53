"""The same on a GPU: features, training and extraction, from archives and from audio. Skipped, aloud, without one."""

import numpy as np
import pytest
import torch

from sre.cli.configs import schema
from sre.extraction.embedder import Embedder, extract
from sre.extraction.sources import store_of
from sre.features.extractor import FRAMES_AT_ONCE, extractor_of
from sre.features.frontends.options import FRONTENDS
from sre.features.store import FeatureStore
from sre.features.types import FbankOptions, MfccOptions
from sre.io.audio import AudioRules
from sre.losses import HEADS, build_head
from sre.models import build
from sre.models.bundle import Bundle
from sre.training.augment import Augmentation
from sre.training.chunks import make_loader, read
from sre.training.feeding import Feed
from sre.training.optimizers import build_optimizer
from sre.training.options import TrainingOptions
from sre.training.sources import Features
from sre.training.update import Update
from steps import make_features, train_embedding

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
KALDI = [FbankOptions(), FbankOptions(exact=False), MfccOptions(snip_edges=False)]
MODEL = """\
features: given
architecture: ARCHITECTURE
filter: {min_frames: 10}
training: {epochs: 2, batch_size: 8, chunk_frames: [40, 40], average_last: 1}
validation: {speakers: 2, utterances: 1, frames: 40}
"""
FROM_AUDIO = """
source: audio
augment:
  speeds: [0.9]
  time_masks: 1
  freq_masks: 1
  mask_fill: mean
  distort: [{probability: 0.5, one_of: [{kind: volume, gain_db: [-6, 6]}, {kind: codec, names: [mulaw]}]}]
"""


@pytest.mark.parametrize("options", KALDI)
def test_features_on_the_gpu_are_the_cpu_s(options, monkeypatch):
    draw = np.random.default_rng(0)
    waves = [draw.normal(0, 1000, n).astype(np.float32) for n in (400, 40_000, 40_000, 5003)]
    cpu, gpu = (extractor_of(options, device) for device in ("cpu", "cuda"))
    monkeypatch.setitem(FRAMES_AT_ONCE, "cuda", 300)  # several blocks, and one that crosses utterances
    for ours, theirs in zip(cpu(waves), gpu(waves), strict=True):
        assert torch.allclose(ours, theirs, atol=1e-3)
    batch = torch.from_numpy(np.stack(waves[1:3]))
    for at_once in (100, 300, 20_000):
        monkeypatch.setitem(FRAMES_AT_ONCE, "cuda", at_once)
        assert torch.allclose(cpu.batch(batch), gpu.batch(batch).cpu(), atol=1e-3)


@pytest.mark.parametrize("options", [*KALDI, *(kind() for kind in FRONTENDS)], ids=lambda options: options.type)
def test_the_host_does_not_wait_for_features(options):
    extractor = extractor_of(options, "cuda")
    waves = torch.randn(4, 40_000, device="cuda")
    extractor.batch(waves)  # what is loaded at first may wait
    torch.cuda.set_sync_debug_mode("error")
    try:
        extractor.batch(waves)
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_a_gpu_s_archives_hold_what_a_cpu_s_do(sound_dir, tmp_path):
    data = sound_dir(tmp_path / "d")
    for device in ("cpu", "cuda"):
        make_features.main(["fbank", str(data), str(tmp_path / device), "--device", device])
    stores = [FeatureStore(tmp_path / device / "feats.scp") for device in ("cpu", "cuda")]
    assert stores[0].places.keys() == stores[1].places.keys()
    for utt in stores[0].places:
        np.testing.assert_allclose(stores[0].load(utt), stores[1].load(utt), atol=1e-3)


@pytest.mark.parametrize("kind", FRONTENDS)
def test_front_ends_on_the_gpu_are_the_cpu_s(kind):
    waves = np.random.default_rng(0).normal(0, 1000, (2, 40_000)).astype(np.float32)
    cpu, gpu = (extractor_of(kind(), device) for device in ("cpu", "cuda"))
    assert torch.allclose(cpu(list(waves))[1], gpu(list(waves))[1], atol=1e-4)
    assert torch.allclose(cpu.batch(torch.from_numpy(waves)), gpu.batch(torch.from_numpy(waves)).cpu(), atol=1e-4)


@pytest.mark.parametrize("architecture", ["xvector", "resnet34"])
def test_training_and_extraction(architecture, feature_dir, tmp_path):
    data = feature_dir(tmp_path / "d", speakers=10, utterances=5)
    recipe = tmp_path / "recipe"
    (recipe / "models").mkdir(parents=True)
    (recipe / "config.yaml").write_text("features: {given: {}}\n")
    (recipe / "models/m.yaml").write_text(MODEL.replace("ARCHITECTURE", architecture))
    final = tmp_path / "run/final.pt"
    train_embedding.main([str(recipe / "models/m.yaml"), "--data", str(data), "--device", "cuda", str(final)])
    store = FeatureStore(data / "feats.scp")
    on = {
        name: dict(extract(Embedder(final, torch.device(name)), store, sorted(store.places)))
        for name in ("cpu", "cuda")
    }
    for utt, vector in on["cpu"].items():
        assert np.linalg.norm(vector - on["cuda"][utt]) / np.linalg.norm(vector) < 1e-3


def test_training_and_extraction_from_audio(sound_dir, tmp_path):
    """Reading processes are forked when the card is in use already, by the features for validation."""
    data, finals = sound_dir(tmp_path / "d", speakers=10, utterances=5), []
    recipe = tmp_path / "recipe"
    (recipe / "models").mkdir(parents=True)
    (recipe / "config.yaml").write_text("features: {given: {type: fbank, num_mel_bins: 40}}\n")
    (recipe / "models/m.yaml").write_text(MODEL.replace("ARCHITECTURE", "xvector") + FROM_AUDIO)
    for run in ("first", "second"):
        finals.append(tmp_path / run / "final.pt")
        command = [str(recipe / "models/m.yaml"), "--data", str(data), "--device", "cuda", str(finals[-1])]
        train_embedding.main(command)
    first, second = (torch.load(path, weights_only=True)["network"] for path in finals)
    assert all(torch.equal(first[key], second[key]) for key in first)
    on = {}
    for name in ("cpu", "cuda"):
        embedder = Embedder(finals[0], torch.device(name))
        store = store_of(embedder, data, None, AudioRules(16000), from_audio=True)
        on[name] = dict(extract(embedder, store, sorted(store.places)))
    assert len(on["cpu"]) == 40
    for utt, vector in on["cpu"].items():
        assert np.linalg.norm(vector - on["cuda"][utt]) / np.linalg.norm(vector) < 1e-3


@pytest.mark.parametrize("precision", ["fp32_fast", "bf16", "fp16"])
def test_other_precisions(precision, feature_dir, tmp_path):
    torch.manual_seed(0)
    network = build("resnet34", 8, {"channels": 16, "blocks": [1, 1, 1]})
    config = {"architecture": "resnet34", "options": {"channels": 16, "blocks": [1, 1, 1]}, "features": "given"}
    Bundle(config, {"type": "given", "cmn": "none"}, 8, network.state_dict()).save(tmp_path / "final.pt")
    store = FeatureStore(feature_dir(tmp_path / "d", dimension=8) / "feats.scp")
    utts = sorted(store.places)
    exact = dict(extract(Embedder(tmp_path / "final.pt", "cpu"), store, utts))
    made = dict(extract(Embedder(tmp_path / "final.pt", "cuda", precision), store, utts))
    for utt in utts:
        cosine = exact[utt] @ made[utt] / np.linalg.norm(exact[utt]) / np.linalg.norm(made[utt])
        assert cosine > 0.999


@pytest.mark.parametrize("precision, optimizer", [("fp32", "sgd"), ("fp16", "sgd"), ("bf16", "adam")])
def test_the_host_does_not_wait_for_updates(precision, optimizer):
    """Not for a loss that is not finite either; and such an update changes nothing."""
    torch.manual_seed(0)
    network = build("ecapa", 20, {"channels": 16}).cuda()
    head = build_head(network.embedding_dim, 5, "aam", 16.0).cuda()
    training = schema().check({"precision": precision}, "m", "$defs", "model", "properties", "training")
    options = TrainingOptions(**training | {"optimizer": optimizer}, margin=0.2, margin_epochs=(0, 0), seed=1)
    made = build_optimizer(options, network, head)
    device = torch.device("cuda")
    update = Update(network, head, made, [*network.parameters(), *head.parameters()], options, device)
    chunks, utts = torch.randn(12, 60, 20, device="cuda"), torch.arange(12)
    for step in range(3):
        if step == 1:
            update.outcomes()
            before = [value.clone() for value in network.state_dict().values()]
        if step:  # the first step loads what it needs, and may wait
            torch.cuda.set_sync_debug_mode("error")
        try:
            update(chunks * (float("nan") if step else 1), utts % 5, 0.01, 0.2, True, step, utts)
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert [one.finite for one in update.outcomes()] == [False, False]
    assert all(torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True))


@pytest.mark.parametrize("optimizer", ["sgd", "novograd"])
@pytest.mark.parametrize("loss", [loss for loss, head in HEADS.items() if not head.needs_inputs])
def test_the_host_waits_for_no_part_of_a_step(loss, optimizer, feature_dir, tmp_path):
    """From pinned batches of features to the update; the steps before load what they need, and may wait."""
    store = FeatureStore(feature_dir(tmp_path / "d", dimension=20) / "feats.scp")
    utts = [(0, utt) for utt in sorted(store.places)]
    source = Features([store], utts, Augmentation(time_masks=1, freq_masks=1, mask_fill="mean"))
    network = build("ecapa", 20, {"channels": 16}).cuda()
    head = build_head(network.embedding_dim, 8, loss, 16.0).cuda()
    given = {"precision": "bf16", "optimizer": optimizer, "chunks_per_speaker": 4 if head.needs_batches else 1}
    training = schema().check(given, "m", "$defs", "model", "properties", "training")
    options = TrainingOptions(**training, margin=0.2, margin_epochs=(0, 0), seed=1)
    weights, card = [*network.parameters(), *head.parameters()], torch.device("cuda")
    update = Update(network, head, build_optimizer(options, network, head), weights, options, card)
    items = [(index, 40, np.random.default_rng(index).random(1 + source.augmentation.num_draws)) for index in range(24)]
    feed, labels = Feed(read(make_loader(source, [items] * 4, 1, card)), card), torch.arange(24) // 4
    try:
        for step, batch in enumerate(feed):
            assert batch.chunks.is_cuda and torch.equal(batch.indices, torch.arange(24))
            torch.cuda.set_sync_debug_mode("error" if step > 1 else "default")
            update(source.prepared(batch.chunks, batch.draws), labels, 0.01, 0.2, True, step, labels)
            torch.cuda.set_sync_debug_mode("default")
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert all(one.finite for one in update.outcomes()) and 0 <= feed.waited() < 60
