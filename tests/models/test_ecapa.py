"""ECAPA-TDNN is the published function."""

import json

import numpy as np
import pytest
import torch
from test_peer_models import PEERS, peer_tensor

from sre.models.ecapa import ECAPA, peer_key


@pytest.mark.skipif(not PEERS.is_dir(), reason="no ../shared/reference/peer-models here")
@pytest.mark.parametrize("channels", [512, 1024])
def test_same_function_as_the_published_model(channels):
    peer = json.loads((PEERS / f"ecapa_glob_c{channels}.json").read_text())
    model = ECAPA(80, channels=channels).double().eval()
    assert sum(p.numel() for p in model.parameters()) == peer["parameters"]
    model.load_state_dict({peer_key(key): peer_tensor(key, shape) for key, shape in peer["state"].items()})
    t, f = np.arange(200)[:, None], np.arange(80)
    x = np.sin(0.37 * t + 0.11 * f) + 0.5 * np.cos(0.05 * t * (1 + f % 7))
    with torch.inference_mode():
        ours = model.embed(torch.from_numpy(x)[None])[0].numpy()
    theirs = np.array(peer["embedding"])
    assert np.linalg.norm(ours - theirs) / np.linalg.norm(theirs) < 1e-6


def test_without_global_context_the_attention_sees_the_frame_alone():
    with_context, without = ECAPA(80), ECAPA(80, pooling="astp")
    saved = sum(p.numel() for p in with_context.parameters()) - sum(p.numel() for p in without.parameters())
    assert saved == 2 * 1536 * 128


def test_traced_network_takes_other_lengths():
    torch.manual_seed(0)
    model = ECAPA(8, embedding_dim=4, channels=16).eval()
    traced, x = torch.jit.trace(model, torch.randn(1, 30, 8)), torch.randn(3, 47, 8)
    torch.testing.assert_close(traced(x), model(x))
