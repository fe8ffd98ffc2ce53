"""ECAPA-TDNN with and without global context, and traced."""

import torch

from sre.models.ecapa import ECAPA


def test_without_global_context_the_attention_sees_the_frame_alone():
    with_context, without = ECAPA(80), ECAPA(80, pooling="astp")
    saved = sum(p.numel() for p in with_context.parameters()) - sum(p.numel() for p in without.parameters())
    assert saved == 2 * 1536 * 128


def test_traced_network_takes_other_lengths():
    torch.manual_seed(0)
    model = ECAPA(8, embedding_dim=4, channels=16).eval()
    traced, x = torch.jit.trace(model, torch.randn(1, 30, 8)), torch.randn(3, 47, 8)
    torch.testing.assert_close(traced(x), model(x))
