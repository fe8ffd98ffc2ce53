"""The same on a GPU: features, training that resumes, extraction. Skipped, aloud, where there is none."""

import numpy as np
import pytest
import torch

from sre.extraction.embedder import Embedder, extract
from sre.features.extractor import extractor_of
from sre.features.frontends.options import FRONTENDS
from sre.features.store import FeatureStore
from sre.features.types import FbankOptions
from steps import train_embedding

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
MODEL = """\
features: given
architecture: ARCHITECTURE
filter: {min_frames: 10}
training: {epochs: 2, batch_size: 8, chunk_frames: [40, 40], average_last: 1}
validation: {speakers: 2, utterances: 1, frames: 40}
"""


def test_fbank_on_the_gpu_is_the_cpu_s():
    wave = np.random.default_rng(0).normal(0, 1000, 40_000).astype(np.float32)
    cpu, gpu = (extractor_of(FbankOptions(), device)([wave])[0] for device in ("cpu", "cuda"))
    assert torch.allclose(cpu, gpu, atol=1e-3)


@pytest.mark.parametrize("kind", FRONTENDS)
def test_front_ends_on_the_gpu_are_the_cpu_s(kind):
    waves = np.random.default_rng(0).normal(0, 1000, (2, 40_000)).astype(np.float32)
    cpu, gpu = (extractor_of(kind(), device) for device in ("cpu", "cuda"))
    assert torch.allclose(cpu(list(waves))[1], gpu(list(waves))[1], atol=1e-4)
    assert torch.allclose(cpu.batch(torch.from_numpy(waves)), gpu.batch(torch.from_numpy(waves)).cpu(), atol=1e-4)


@pytest.mark.parametrize("architecture", ["xvector", "resnet34"])
def test_training_and_extraction(architecture, feature_dir, tmp_path):
    data = feature_dir(tmp_path / "d", speakers=8, utterances=5)
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
