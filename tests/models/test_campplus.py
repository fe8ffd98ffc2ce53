"""CAM++: means of segments, and inputs as short as extraction gives."""

import pytest
import torch

from sre.extraction.embedder import MIN_FRAMES
from sre.models.campplus import CAMPlusPlus, segment_mean


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
