"""E-TDNN and F-TDNN: context and sizes of the papers' tables, the semi-orthogonal constraint."""

import pytest
import torch

from sre.extraction.embedder import MIN_FRAMES
from sre.models.tdnn import ETDNN, FTDNN, FactorizedLayer

SMALL_E = {"embedding_dim": 5, "channels": 6, "pooled_channels": 7}
SMALL_F = {"embedding_dim": 5, "channels": 8, "bottleneck": 4, "pooled_channels": 7}


def squared_singular_values(layer: FactorizedLayer) -> torch.Tensor:
    return torch.linalg.svdvals(layer.factor1.weight.detach().flatten(1)).square()


@pytest.mark.parametrize("model, frames", [(ETDNN(3, **SMALL_E), 23), (FTDNN(3, **SMALL_F), 33)])
def test_a_pooled_frame_sees_the_papers_context(model, frames):
    model = model.double().eval()
    for parameter in model.parameters():
        torch.nn.init.uniform_(parameter, 0.1, 1)  # no ReLU may close, for the gradient to pass
    x = torch.rand(1, 81, 3, dtype=torch.float64, requires_grad=True)
    y = model.frame_map(x)
    y[..., y.shape[-1] // 2].square().sum().backward()
    seen = x.grad[0].abs().sum(dim=1).nonzero().flatten()
    assert (seen.min(), seen.max()) == (40 - frames // 2, 40 + frames // 2)


def test_sizes_of_the_extended_table():
    frame_level = (5 * 30 + 1) * 512 + 3 * (3 * 512 + 1) * 512 + 5 * (512 + 1) * 512 + (512 + 1) * 1500
    segment_level = (3000 + 1) * 512 + (512 + 1) * 512
    assert sum(p.numel() for p in ETDNN(30).parameters()) == frame_level + segment_level


def test_sizes_of_the_factorized_table():
    inputs = [2 * 512, 1024, 2 * 1024, 2 * 1024, 2 * 1024, 6 * 1024, 2 * 1024, 3 * 1024]  # of layers 2 to 9, with taps
    taps = [2, 1, 2, 1, 2, 2, 2, 1]
    factorized = sum(256 * i + (256 * n + 1) * 1024 for i, n in zip(inputs, taps, strict=True))
    others = (5 * 30 + 1) * 512 + (1024 + 1) * 2048 + (4096 + 1) * 512 + (512 + 1) * 512
    assert sum(p.numel() for p in FTDNN(30).parameters()) == factorized + others


@pytest.mark.parametrize("model", [ETDNN(3, **SMALL_E), FTDNN(3, **SMALL_F)])
def test_shortest_input_of_extraction(model):
    embedding = model.eval().embed(torch.randn(2, MIN_FRAMES, 3))
    assert embedding.shape == (2, 5) and embedding.isfinite().all()


@pytest.mark.parametrize("network, options", [(ETDNN, SMALL_E), (FTDNN, SMALL_F)])
def test_second_embedding_is_what_the_loss_sees(network, options):
    model, x = network(3, embedding="second", **options).eval(), torch.randn(2, 40, 3)
    torch.testing.assert_close(model.embed(x), model(x))
    model.embedding = "first"
    torch.testing.assert_close(model.segment.second(model.segment.bn(model.embed(x).relu())), model(x))


def test_factors_start_semi_orthogonal():
    for layer in FTDNN(3, **SMALL_F).factorized:
        torch.testing.assert_close(squared_singular_values(layer), torch.ones(4))


@pytest.mark.parametrize(
    "before, after",
    [  # of a diagonal M: m - 4 nu / alpha^2 (m^2 - alpha^2) m, alpha^2 = sum m^4 / sum m^2
        ((1.0, 2.0), (1 + 0.25 / 3.4 * 2.4, 2 - 0.25 / 3.4 * 0.6 * 2)),  # far from equal: Kaldi's half speed, nu = 1/16
        ((1.0, 1.1), (1 + 0.5 * (2.4641 / 2.21 - 1) / (2.4641 / 2.21), 1.1 * (1 - 0.5 * (1.21 * 2.21 / 2.4641 - 1)))),
    ],
)
def test_one_step_of_the_constraint_by_hand(before, after):
    layer = FactorizedLayer(2, 3, bottleneck=2, shift=0).double()
    with torch.no_grad():
        layer.factor1.weight.copy_(torch.tensor(before).diag().unsqueeze(-1))
    layer.constrain()
    expected = torch.tensor(after, dtype=torch.float64).diag().unsqueeze(-1)
    torch.testing.assert_close(layer.factor1.weight.detach(), expected, rtol=1e-6, atol=1e-6)


def test_constrained_factors_become_semi_orthogonal_at_their_own_scale():
    torch.manual_seed(0)
    model = FTDNN(3, **SMALL_F)
    with torch.no_grad():
        for layer in model.factorized:
            layer.factor1.weight.add_(0.2 * torch.randn_like(layer.factor1.weight)).mul_(3)
    for _ in range(30):
        model.constrain()
    for layer in model.factorized:
        values = squared_singular_values(layer)
        assert values.mean() > 4  # the scale floats; it is not drawn to 1
        torch.testing.assert_close(values / values.mean(), torch.ones(4), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("model", [ETDNN(3, **SMALL_E), FTDNN(3, **SMALL_F)])
def test_traced_network_takes_other_lengths(model):
    traced, x = torch.jit.trace(model.eval(), torch.randn(1, 30, 3)), torch.randn(3, 47, 3)
    torch.testing.assert_close(traced(x), model(x))
