"""Our networks compute the same function as the published ones: same parameter count, same embedding in float64."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from sre.cli.configs import schema
from sre.models import build
from sre.models.peers.wespeaker import peer_key_of

PEERS = Path(__file__).resolve().parents[2] / "../shared/reference/peer-models"
pytestmark = pytest.mark.skipif(not PEERS.is_dir(), reason="no ../shared/reference/peer-models here")


def peer_tensor(key: str, shape: list[int]) -> torch.Tensor:
    """Fill a tensor from its key's name, as ../shared/README.md says."""
    r = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith("num_batches_tracked"):
        return torch.zeros(shape, dtype=torch.long)
    if key.endswith("running_var"):
        return torch.from_numpy(np.asarray(r.uniform(0.5, 1.5, shape)))
    if key.endswith(("running_mean", "bias")):
        return torch.from_numpy(np.asarray(r.normal(0, 0.1, shape)))
    if len(shape) <= 1:
        return torch.from_numpy(np.asarray(r.uniform(0.5, 1.5, shape)))
    return torch.from_numpy(r.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape))


RESNETS = ("resnet34", "resnet221", "resnet293")
MODELS = {  # file: architecture, options
    "xvec": ("xvector", {"embedding": "second"}),
    "ecapa_glob_c512": ("ecapa", {}),
    "ecapa_glob_c1024": ("ecapa", {"channels": 1024}),
    **{name: (name, {}) for name in (*RESNETS, "campplus", "gemini_dfresnet114")},
    "simam_resnet34_asp": ("simam_resnet34", {}),
    "repvgg_tiny_a0": ("repvgg_a0", {}),
    "res2net34_base": ("res2net34", {}),
    "eres2net34_base": ("eres2net34", {}),
    **{f"redimnet_b{i}": ("redimnet", {"size": f"b{i}"}) for i in range(7)},
    **{f"redimnet2_b{i}": ("redimnet2", {"size": f"b{i}", "wespeaker": True}) for i in range(7)},
}


def test_all_of_them() -> None:
    assert {path.stem for path in PEERS.glob("*.json")} == MODELS.keys()


@pytest.mark.parametrize("name", MODELS)
def test_same_function_as_the_published_model(name: str) -> None:
    architecture, options = MODELS[name]
    peer = json.loads((PEERS / f"{name}.json").read_text())
    bins = peer["arguments"].get("feat_dim", 80)
    options = schema().check(options, name, "$defs", "architectures", architecture)
    network = build(architecture, bins, options).double().eval()
    assert sum(p.numel() for p in network.parameters()) == peer["parameters"]
    key_map = peer_key_of(architecture)
    network.load_state_dict({key_map(key): peer_tensor(key, shape) for key, shape in peer["state"].items()})
    t, f = np.arange(200)[:, None], np.arange(bins)
    x = np.sin(0.37 * t + 0.11 * f) + 0.5 * np.cos(0.05 * t * (1 + f % 7))
    with torch.inference_mode():
        ours = network.embed(torch.from_numpy(x)[None])[0].numpy()
    theirs = np.array(peer["embedding"])
    assert np.linalg.norm(ours - theirs) < 1e-6 * np.linalg.norm(theirs)
