"""RawNet3's own parts. Its function is that of ClovaAI's code: test_imported.py."""

import json
from pathlib import Path

import numpy as np
import torch
from torch import nn

from sre.extraction.inference import for_inference
from sre.models.rawnet import ContextASP, RawNet3, SincFilterbank

OUTPUT = Path(__file__).resolve().parent / "peer_outputs/clovaai_rawnet3.json"


def test_published_size() -> None:
    """16,280,322 in ClovaAI's code, of which two batch norms are not used."""
    assert sum(p.numel() for p in RawNet3(160).parameters()) == 16_280_322 - 2 * (256 + 256)


def test_a_new_filterbank_is_asteroids() -> None:
    """The edges before any training, the window and the times of ParamSincFB(256, 251) at 16 kHz."""
    theirs = {key.split(".")[-1]: values for key, values in json.loads(OUTPUT.read_text())["tensors"].items()}
    bank = SincFilterbank(256, 10, 16000)
    for ours, name in ((bank.low, "low_hz_"), (bank.band, "band_hz_"), (bank.window, "window_"), (bank.times, "n_")):
        np.testing.assert_allclose(ours.detach().flatten(), theirs[name], rtol=1e-4, atol=1e-7, err_msg=name)


def test_the_filterbank_is_exact_in_half_precision() -> None:
    torch.manual_seed(0)
    network, x = RawNet3(40, channels=32, pooled_channels=64).eval(), 0.1 * torch.randn(2, 50, 40)
    seen: list[torch.Tensor] = []
    network.filterbank.norm.register_forward_hook(lambda module, inputs, output: seen.append(output))
    with torch.inference_mode():
        network(x)
        with torch.autocast("cpu", torch.bfloat16):
            network(x)
        assert for_inference(network, "bf16", torch.device("cpu")) == torch.float32
        network(x)
    assert seen[0].dtype == torch.float32 and all(torch.equal(seen[0], other) for other in seen)


def test_pooling_is_the_written_out_formula() -> None:
    """RawNet3.py of voxceleb_trainer: context of mean and deviation, softmax over time, bounds of the variances."""
    torch.manual_seed(0)
    pool, x = ContextASP(3).double().eval(), torch.randn(2, 3, 7, dtype=torch.float64)
    x[0, 1] = 2.0  # no deviation: the least one
    x[1, 2] *= 1e4  # and the greatest
    mean, variance = x.mean(dim=2, keepdim=True), x.var(dim=2, keepdim=True).clamp(1e-4, 1e4)
    y = torch.cat([x, mean.expand_as(x), variance.sqrt().expand_as(x)], dim=1)
    w = nn.Sequential(pool.linear1, nn.ReLU(), pool.bn, pool.linear2, nn.Softmax(dim=2))(y)
    mu = (x * w).sum(dim=2)
    sigma = ((x.square() * w).sum(dim=2) - mu.square()).clamp(1e-4, 1e4).sqrt()
    torch.testing.assert_close(pool(x), torch.cat([mu, sigma], dim=1), rtol=1e-6, atol=1e-6)


def test_silence_trains() -> None:
    network = RawNet3(40, channels=16, pooled_channels=16)
    network(torch.zeros(4, 50, 40)).square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())
