"""ResNets and their kin: published sizes and functions, any length, any batch, bf16, TorchScript, RepVGG fused."""

from functools import partial

import numpy as np
import pytest
import torch
from test_peer_models import peer_tensor

from sre.cli.configs import schema
from sre.extraction.embedder import MIN_FRAMES
from sre.models import ARCHITECTURES
from sre.models.gemini import GeminiDFResNet
from sre.models.repvgg import RepBlock, RepVGG
from sre.models.resnet import BinAndTimeMean, BottleneckResNet, DVectorResNet, DVectorResNet34, ResNet
from sre.models.resnet_se import ResNetSE34L, ResNetSE34V2
from sre.models.simam import SimAM, SimAMResNet

MEMBERS = {  # with the schema's blocks
    name: partial(ARCHITECTURES[name], **schema().check({}, name, "$defs", "architectures", name))
    for name in ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "resnet221", "resnet293")
}
SMALL = {
    "basic": partial(ResNet, channels=8, blocks=(3, 4, 6, 3)),
    "bottleneck": partial(BottleneckResNet, channels=4, blocks=(2, 1, 1, 1)),
    "three stages": partial(ResNet, channels=8, blocks=(1, 1, 1)),
    "dvector": partial(DVectorResNet, channels=8),
    "se34l": partial(ResNetSE34L, channels=8),
    "se34v2": partial(ResNetSE34V2, channels=8),
    "simam": partial(SimAMResNet, channels=8),
    "gemini": partial(GeminiDFResNet, channels=8, blocks=(1, 1, 2, 1)),
    "repvgg": partial(RepVGG, channels=8, blocks=(2, 1, 2, 1)),
}


def parameters(network: torch.nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


def peer_input(num_features: int) -> torch.Tensor:
    """(1, 200, F): the input of ../shared/reference/peer-models."""
    t, f = np.arange(200)[:, None], np.arange(num_features)
    return torch.from_numpy(np.sin(0.37 * t + 0.11 * f) + 0.5 * np.cos(0.05 * t * (1 + f % 7)))[None]


def trained(name: str, num_features: int = 11) -> torch.nn.Module:
    """A small network in evaluation mode whose batch norms have seen something."""
    torch.manual_seed(0)
    network = SMALL[name](num_features, embedding_dim=6)
    for _ in range(3):
        network(torch.randn(8, 40, num_features))
    return network.eval()


@pytest.mark.parametrize(
    "make, num_features, norm, first",
    [
        (ResNetSE34L, 40, 12.22030294025969, [-0.2183883603831815, 0.5513089501399578, -0.33607677029428357]),
        (ResNetSE34V2, 64, 22.187930756920114, [1.658931981203677, 1.7099673795852783, -0.7847667662003497]),
        (DVectorResNet, 40, 13.000002111666513, [0.8797469285468231, 1.704092620181975, 0.12617041266281664]),
        (DVectorResNet34, 40, 38.5013526235812, [-0.05689360208944999, 3.7286524431931354, -0.17561150308962314]),
    ],
)
def test_same_function_as_the_published_code(make, num_features, norm, first):
    """Norm and first values are what the authors' definitions give, each tensor filled from our key's name."""
    network = make(num_features).double().eval()
    network.load_state_dict({key: peer_tensor(key, list(t.shape)) for key, t in network.state_dict().items()})
    with torch.inference_mode():
        embedding = network.embed(peer_input(num_features))[0]
    assert embedding.norm().item() == pytest.approx(norm, rel=1e-9)
    assert embedding[:3].tolist() == pytest.approx(first, rel=1e-9)


@pytest.mark.parametrize(
    "make, num_features, millions",
    [
        (MEMBERS["resnet18"], 80, 4.11),  # WeSpeaker's, as the next four
        (MEMBERS["resnet34"], 80, 6.63),
        (MEMBERS["resnet50"], 80, 11.13),
        (MEMBERS["resnet101"], 80, 15.89),
        (MEMBERS["resnet152"], 80, 19.81),
        (MEMBERS["resnet221"], 80, 23.79),
        (MEMBERS["resnet293"], 80, 28.62),
        (ResNetSE34L, 40, 1.4),
        (ResNetSE34V2, 64, 8.0),
        (SimAMResNet, 80, 25.2),
        (GeminiDFResNet, 80, 6.53),
        (partial(GeminiDFResNet, blocks=(3, 3, 9, 3)), 80, 4.05),
        (partial(GeminiDFResNet, blocks=(3, 8, 45, 3)), 80, 9.20),
        (lambda features: RepVGG(features).reparameterise(), 80, 6.26),
        (DVectorResNet, 40, 0.717),
        (DVectorResNet34, 40, 1.350448),  # counted of the authors' code
    ],
)
def test_published_size(make, num_features, millions):
    digits = len(str(millions).partition(".")[2])
    assert abs(parameters(make(num_features)) / 1e6 - millions) <= 10**-digits  # rounded or cut


@pytest.mark.parametrize("name", SMALL)
def test_any_length_and_an_embedding_that_does_not_depend_on_its_batch(name):
    network = trained(name)
    for frames in (MIN_FRAMES, 200):
        x = torch.randn(5, frames, 11)
        with torch.inference_mode():
            together, alone = network.embed(x), torch.cat([network.embed(row[None]) for row in x])
        assert together.shape == (5, network.embedding_dim) == (5, 6)
        torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SMALL)
def test_gradients_are_finite_under_bf16(name):
    torch.manual_seed(0)
    network = SMALL[name](11, embedding_dim=6)
    with torch.autocast("cpu", torch.bfloat16):
        network(torch.randn(4, 40, 11)).float().square().sum().backward()
    for key, parameter in network.named_parameters():
        assert torch.isfinite(parameter.grad).all(), key


@pytest.mark.parametrize("name", SMALL)
def test_torchscript_computes_the_same(name):
    network = trained(name)
    script, x = torch.jit.script(network), torch.randn(2, 90, 11)
    with torch.inference_mode():
        torch.testing.assert_close(script(x), network(x))


@pytest.mark.parametrize("stride, channels", [(1, 6), (1, 4), (2, 6)])  # with and without the identity branch
def test_reparameterised_block(stride, channels):
    torch.manual_seed(0)
    block = RepBlock(6, channels, stride).double()
    for _ in range(3):
        block(torch.randn(4, 6, 9, 10, dtype=torch.float64) + 1)
    for bn in (module for module in block.modules() if isinstance(module, torch.nn.BatchNorm2d)):
        torch.nn.init.normal_(bn.weight), torch.nn.init.normal_(bn.bias)
    x = torch.randn(3, 6, 9, 10, dtype=torch.float64)
    torch.testing.assert_close(block.fused()(x), block.eval()(x), rtol=1e-10, atol=1e-10)


def test_reparameterised_network_has_one_convolution_a_layer_and_leaves_the_other_alone():
    network = trained("repvgg").double()
    fused, x = network.reparameterise(), torch.randn(2, 60, 11).double()
    kinds = [type(module) for module in fused.modules()]
    assert kinds.count(torch.nn.Conv2d) == 1 + 2 + 1 + 2 + 1 and torch.nn.BatchNorm2d not in kinds
    assert isinstance(network.stem, RepBlock)
    with torch.inference_mode():
        theirs = network.embed(x)
        assert (fused.embed(x) - theirs).norm() < 1e-6 * theirs.norm()


@pytest.mark.parametrize("make", [ResNetSE34L, ResNetSE34V2])
def test_instance_norm_takes_away_each_bins_offset_and_scale(make):
    torch.manual_seed(0)
    x, scale, offset = torch.randn(2, 80, 11), torch.rand(11) + 0.5, torch.randn(11)
    torch.manual_seed(1)
    with_norm = make(11, channels=8).eval()
    torch.manual_seed(1)
    without = make(11, channels=8, instance_norm=False).eval()
    normalised = (x - x.mean(dim=1, keepdim=True)) / x.std(dim=1, keepdim=True, correction=0)
    with torch.inference_mode():
        embedding = with_norm.embed(x)
        torch.testing.assert_close(with_norm.embed(scale * x + offset), embedding, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(without.embed(normalised), embedding, rtol=1e-3, atol=1e-4)
        assert (without.embed(scale * x + offset) - embedding).abs().max() > 1e-2


def test_simam_by_hand() -> None:
    """Mean 2, squares 4 0 0 4, sum / 3 = 8/3; weights are sigmoids of square / (4 (8/3 + 1e-4)) + 1/2."""
    x = torch.tensor([[[[0.0, 2.0], [2.0, 4.0]]]], dtype=torch.float64)
    far, near = (1 / (1 + np.exp(-(square / (4 * (8 / 3 + 1e-4)) + 0.5))) for square in (4, 0))
    expected = torch.tensor([[[[0, 2 * near], [2 * near, 4 * far]]]], dtype=torch.float64)
    torch.testing.assert_close(SimAM()(x), expected)


def test_mean_over_bins_and_time_under_a_mask_is_each_utterance_by_itself():
    pool, lengths = BinAndTimeMean(3), [7, 1, 4]
    x, mask = torch.randn(3, 3, 5, 7), torch.arange(7) < torch.tensor(lengths).unsqueeze(1)
    alone = torch.cat([pool(x[i : i + 1, ..., :n]) for i, n in enumerate(lengths)])
    torch.testing.assert_close(pool(x, mask), alone)
