"""Res2Net and ERes2Net: published sizes, and inputs as short as extraction gives."""

import pytest
import torch

from sre.extraction.embedder import MIN_FRAMES
from sre.models.eres2net import ERes2Net, ERes2NetV2
from sre.models.res2net import Res2Net

SMALL = {"embedding_dim": 5, "channels": 8, "blocks": (1, 1, 1, 1)}


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
