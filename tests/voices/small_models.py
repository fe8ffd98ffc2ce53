"""A small package with everything in it: two systems, a norm, a calibration, a list; and its model."""

import numpy as np
import torch

from sre.backends import fit
from sre.backends.calibration import fit_calibration
from sre.backends.files import contents_of
from sre.features.types import FbankOptions
from sre.models import build
from sre.models.bundle import Bundle
from sre.voices.manifest import DataPart, ListPart, Manifest, NormPart, SystemPart
from sre.voices.package import Package, network_part

OPTIONS = {"channels": 16, "pooled_channels": 24, "embedding_dim": 8}
FEATURES = {
    "type": "fbank",
    "sample_rate": 16000,
    "num_mel_bins": 20,
    "frame_length": 25.0,
    "cmn": "utterance",
    "vad": None,
    "trim": None,
}


def small_bundle(seed: int = 0, features: dict | None = None) -> Bundle:
    torch.manual_seed(seed)
    network = build("xvector", 20, OPTIONS)
    network.train()
    for _ in range(3):
        network(torch.randn(8, 40, 20))  # running statistics of batch norm that are not the initial ones
    config = {"architecture": "xvector", "options": OPTIONS, "features": "fbank20"}
    assert FbankOptions(num_mel_bins=20).dimension == 20
    head = {"weight": torch.randn(3, 8)}
    return Bundle(config, dict(features or FEATURES), 20, network.state_dict(), ["anna", "bert", "cleo"], head)


def small_package(name: str = "test/xvector/both") -> Package:
    """PLDA with AS-norm, calibrated with the cosine: all of a manifest is used."""
    draw = np.random.default_rng(1)
    speakers = np.repeat(np.arange(12), 5)
    vectors = draw.normal(size=(12, 8))[speakers] + 0.5 * draw.normal(size=(60, 8))
    plda = fit({"type": "plda", "chain": ["centre", "length_norm"]}, vectors, speakers)
    cosine = fit({"type": "cosine", "chain": []}, vectors, speakers)
    plda.facts.pop("log_likelihood")
    cohort = np.stack([vectors[speakers == one].mean(axis=0) for one in range(12)])
    scores, target = draw.normal(size=(40, 2)) + 2 * (np.arange(40) < 20)[:, None], np.arange(40) < 20
    fitted = fit_calibration(scores, target)
    bundle = small_bundle()
    norm = NormPart("asnorm1", [f"s{n}" for n in range(12)], 5, "speakers_all")
    systems = [
        SystemPart("cosine", 0, contents_of(cosine)[0]),
        SystemPart("plda+asnorm", 0, contents_of(plda)[0], norm),
        SystemPart("both", None, {}, None, [0, 1], fitted.weights.tolist(), fitted.offset, "dev", fitted.facts),
    ]
    metrics = {"eer": 25.0, "eer_threshold": 0.5, "targets": 4, "nontargets": 4, "intervals": {"eer": [10.0, 40.0]}}
    lists = [ListPart("dev", "development", 4, 4, metrics, 6, "ab" * 32)]
    curve = np.array([[-2.0, 0.0, 0.5, 1.0], [0.0, 0.25, 0.25, 0.5], [1.0, 0.5, 0.25, 0.0]])
    network = network_part("xvector", bundle, "cd" * 32)
    data = [DataPart(0, "train", 12, 60, 0.5)]
    manifest = Manifest(
        name, [network], systems, lists, "dev", data, "CC0", {"xvector/final.pt": "cd" * 32}, code="test"
    )
    return Package(manifest, [bundle], {0: cosine, 1: plda}, {1: cohort}, [curve])


def voice(pitch: float, seconds: float = 1.5, seed: int = 0, rate: int = 16000) -> np.ndarray:
    """A pitch with its harmonics, in noise: (N,) float64 below full scale."""
    draw = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate)) / rate
    tone = sum(np.sin(2 * np.pi * pitch * h * t + draw.random() * 6) / h for h in range(1, 20))
    return 0.05 * tone + draw.normal(0, 0.01, len(t))
