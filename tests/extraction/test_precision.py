"""fp32_fast, bf16 and fp16 at published widths: close to fp32, and 16 bits of the same bytes in any batch."""

import pytest
import torch

from sre.extraction.inference import for_inference
from sre.machine.device import memory_format
from sre.models import build

NETWORKS = {
    "resnet34": {"embedding_dim": 256, "channels": 32, "blocks": [3, 4, 6, 3]},
    "xvector": {"embedding": "second"},
    "ecapa": {"embedding_dim": 192, "channels": 512, "pooling": "astp_global"},
}


@pytest.mark.parametrize("precision", ["fp32_fast", "bf16", "fp16"])
@pytest.mark.parametrize("architecture", NETWORKS)
def test_it_is_close_to_fp32_whatever_else_is_in_the_batch(architecture: str, precision: str) -> None:
    torch.manual_seed(0)
    network = build(architecture, 80, NETWORKS[architecture]).train()
    with torch.no_grad():
        network(torch.randn(4, 50, 80))
    network.eval().to(memory_format=memory_format(network))
    x = torch.randn(3, 120, 80)
    with torch.inference_mode():
        exact = network.embed(x)
        dtype = for_inference(network, precision, torch.device("cpu"))
        together = network.embed(x.to(dtype))
        alone = torch.cat([network.embed(row[None].to(dtype)) for row in x])
    if precision != "fp32_fast":
        assert torch.equal(together, alone)
    else:  # PyTorch chooses kernels by the size of a batch
        assert ((together - alone).norm(dim=1) < 1e-6 * alone.norm(dim=1)).all()
    cosine = torch.cosine_similarity(together.float(), exact)
    assert (cosine > (0.9999 if precision == "bf16" else 0.999999)).all()  # fp16 has 3 bits more
