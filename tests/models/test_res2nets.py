"""Res2Net and ERes2Net: the published functions and sizes, and inputs as short as extraction gives."""

import json

import numpy as np
import pytest
import torch
from test_peer_models import PEERS, peer_tensor

from sre.embedding import MIN_FRAMES
from sre.models import eres2net, res2net
from sre.models.eres2net import ERes2Net, ERes2NetV2
from sre.models.res2net import Res2Net

SMALL = {"embedding_dim": 5, "channels": 8, "blocks": (1, 1, 1, 1)}


@pytest.mark.skipif(not PEERS.is_dir(), reason="no ../shared/reference/peer-models here")
@pytest.mark.parametrize(
    "name, network, peer_key",
    [("res2net34_base", Res2Net, res2net.peer_key), ("eres2net34_base", ERes2Net, eres2net.peer_key)],
)
def test_same_function_as_the_published_model(name, network, peer_key) -> None:
    peer = json.loads((PEERS / f"{name}.json").read_text())
    model = network(80).double().eval()
    assert sum(p.numel() for p in model.parameters()) == peer["parameters"]
    model.load_state_dict({peer_key(key): peer_tensor(key, shape) for key, shape in peer["state"].items()})
    t, f = np.arange(200)[:, None], np.arange(80)
    x = np.sin(0.37 * t + 0.11 * f) + 0.5 * np.cos(0.05 * t * (1 + f % 7))
    with torch.inference_mode():
        ours = model.embed(torch.from_numpy(x)[None])[0].numpy()
    theirs = np.array(peer["embedding"])
    assert np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 1e-6


@pytest.mark.parametrize(
    "network, options, published",
    [
        (ERes2Net, {"embedding_dim": 192}, 6.61e6),  # 3D-Speaker's table, as the next
        (ERes2Net, {"embedding_dim": 192, "channels": 64}, 22.46e6),
        (ERes2NetV2, {}, 17.8e6),
    ],
)
def test_published_sizes(network, options, published) -> None:
    with torch.device("meta"):
        parameters = sum(p.numel() for p in network(80, **options).parameters())
    assert parameters == pytest.approx(published, rel=0.01)


@pytest.mark.parametrize("network", [Res2Net, ERes2Net, ERes2NetV2])
@pytest.mark.parametrize("scale", [1, 2, 4])
def test_shortest_utterance(network, scale) -> None:
    model = network(12, **SMALL, scale=scale).eval()
    with torch.inference_mode():
        embedding = model.embed(torch.randn(2, MIN_FRAMES, 12))
    assert embedding.shape == (2, model.embedding_dim) == (2, 5)
    assert torch.isfinite(embedding).all()
