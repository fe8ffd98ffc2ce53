"""CAM++: the published function and size, and inputs as short as extraction gives."""

import json

import numpy as np
import pytest
import torch
from test_peer_models import PEERS, peer_tensor

from sre.embedding import MIN_FRAMES
from sre.models.campplus import CAMPlusPlus, peer_key, segment_mean


@pytest.mark.skipif(not PEERS.is_dir(), reason="no ../shared/reference/peer-models here")
def test_same_function_as_the_published_model() -> None:
    peer = json.loads((PEERS / "campplus.json").read_text())
    model = CAMPlusPlus(80).double().eval()
    assert sum(p.numel() for p in model.parameters()) == peer["parameters"]
    model.load_state_dict({peer_key(key): peer_tensor(key, shape) for key, shape in peer["state"].items()})
    t, f = np.arange(200)[:, None], np.arange(80)
    x = np.sin(0.37 * t + 0.11 * f) + 0.5 * np.cos(0.05 * t * (1 + f % 7))
    with torch.inference_mode():
        ours = model.embed(torch.from_numpy(x)[None])[0].numpy()
    theirs = np.array(peer["embedding"])
    assert np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 1e-6


@pytest.mark.parametrize("frames", [1, 13, 99, 100, 101, 250])  # the published input fills exactly one segment
def test_segment_mean(frames) -> None:
    x = torch.randn(2, 3, frames, dtype=torch.double)
    expected = torch.cat([part.mean(-1, keepdim=True).expand_as(part) for part in x.split(100, dim=-1)], dim=-1)
    torch.testing.assert_close(segment_mean(x), expected)


def test_shortest_utterance() -> None:
    model = CAMPlusPlus(12, embedding_dim=5, channels=8, growth=4, blocks=(1, 2, 1), head_channels=4).eval()
    with torch.inference_mode():
        embedding = model.embed(torch.randn(2, MIN_FRAMES, 12))
    assert embedding.shape == (2, model.embedding_dim) == (2, 5)
    assert torch.isfinite(embedding).all()
