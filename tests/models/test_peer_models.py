"""Our networks compute the same function as the published ones: same parameter count, same embedding in float64."""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch

from sre.models import build

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


def our_key(peer_key: str) -> str:
    for old, new in (
        ("conv_1d.", "conv."),
        ("seg_bn_1.", "segment1_bn."),
        ("seg_1.", "segment1."),
        ("seg_2.", "segment2."),
    ):
        peer_key = peer_key.replace(old, new)
    for number in range(1, 6):
        peer_key = peer_key.replace(f"frame_{number}.", f"frames.{number - 1}.")
        peer_key = peer_key.replace(f"layer{number}.", f"stages.{number - 1}.")
    return peer_key


@pytest.mark.parametrize(
    "name, architecture, options",
    [("xvec", "xvector", {"embedding": "second"}), ("resnet34", "resnet34", {})],
)
def test_same_function_as_the_published_model(name, architecture, options):
    peer = json.loads((PEERS / f"{name}.json").read_text())
    model = build(architecture, 80, options).double().eval()
    assert sum(p.numel() for p in model.parameters()) == peer["parameters"]
    state = {our_key(key): peer_tensor(key, shape) for key, shape in peer["state"].items()}
    model.load_state_dict(state)
    t, f = np.arange(200)[:, None], np.arange(80)
    x = np.sin(0.37 * t + 0.11 * f) + 0.5 * np.cos(0.05 * t * (1 + f % 7))
    with torch.inference_mode():
        ours = model.embed(torch.from_numpy(x)[None])[0].numpy()
    theirs = np.array(peer["embedding"])
    assert np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 1e-6
