"""Every architecture in ONNX and TorchScript: traced at one length and batch, the same function at others."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
import torch
from test_architectures import BINS, SMALL, small, small_sizes  # noqa: F401  (the fixture)

from sre.extraction.graph import EmbeddingGraph, runner, to_onnx, to_torchscript


def graph_of(network: torch.nn.Module) -> EmbeddingGraph:
    given = {"type": "given", "cmn": "none"}
    return EmbeddingGraph(SimpleNamespace(path=Path("final.pt"), feature_config=given, network=network), "fbank")


def seen(architecture: str) -> torch.nn.Module:
    """In evaluation mode, with running statistics of batch norm that are not the initial ones."""
    network = small(architecture)
    for _ in range(3):
        network(torch.randn(8, 40, BINS))
    return network.eval()


@pytest.mark.parametrize("make, suffix", [(to_onnx, ".onnx"), (to_torchscript, ".pt")])
@pytest.mark.parametrize("architecture", SMALL)
def test_exported_network_is_the_network(architecture: str, make, suffix: str) -> None:
    network = seen(architecture)
    run = runner(make(graph_of(network), torch.randn(2, 61, BINS), {}), suffix)
    for batch, frames in ((1, 25), (3, 100), (1, 333)):
        x = torch.randn(batch, frames, BINS)
        with torch.inference_mode():
            expected = network.embed(x).numpy()
        assert np.linalg.norm(run(x.numpy()) - expected) < 1e-4 * np.linalg.norm(expected)


def test_repvgg_is_exported_in_its_inference_form() -> None:
    model = onnx.load_from_string(to_onnx(graph_of(seen("repvgg_a0")), torch.randn(2, 61, BINS), {}))
    blocks = 1 + sum(SMALL["repvgg_a0"]["blocks"])
    assert sum(node.op_type == "Conv" for node in model.graph.node) == blocks
