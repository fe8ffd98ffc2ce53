"""Poolings against hand-computed cases and plain loops; masks, half precision."""

import pytest
import torch

from sre import SreError
from sre.models.pooling import ASP, ASTP, MHASTP, MQMHASTP, SAP, TAP, TSDP, TSTP, XiVector
from sre.models.quartznet import ContextPooling

X = torch.tensor([[[1.0, 3.0, 5.0], [2.0, 2.0, 2.0]]], dtype=torch.float64)  # (1, 2, 3)
POOLINGS = {
    "tap": lambda: TAP(8),
    "tsdp": lambda: TSDP(8),
    "tstp": lambda: TSTP(8),
    "astp": lambda: ASTP(8, 4),
    "astp with global context": lambda: ASTP(8, 4, global_context=True),
    "sap": lambda: SAP(8),
    "asp": lambda: ASP(8, 4),
    "asp of Okabe": lambda: ASP(8, 4, channelwise=False),
    "mhastp": lambda: MHASTP(8, bottleneck_dim=4),
    "mhastp, a query a head": lambda: MHASTP(8, heads=4, layers=1),
    "mqmhastp": lambda: MQMHASTP(8, heads=4, bottleneck_dim=4),
    "xi-vector": lambda: XiVector(8, 4),
    "of TitaNet": lambda: ContextPooling(8, 4),
}


def random_pooling(name: str) -> torch.nn.Module:
    """A pooling in evaluation mode with random parameters and running statistics, in float64."""
    torch.manual_seed(3)
    pool = POOLINGS[name]().double().eval()
    for tensor in pool.state_dict().values():
        if tensor.is_floating_point():
            tensor.uniform_(0.2, 1.0)
    return pool


def zeroed(pool: torch.nn.Module) -> torch.nn.Module:
    """All parameters zero: each frame has the same score."""
    with torch.no_grad():
        for parameter in pool.parameters():
            parameter.zero_()
    return pool.double().eval()


def assert_pools(pool: torch.nn.Module, x: torch.Tensor, expected: list[float]) -> None:
    torch.testing.assert_close(pool(x), torch.tensor([expected], dtype=x.dtype), rtol=1e-6, atol=1e-6)


def test_mean_of_three_frames():
    assert_pools(TAP(2), X, [3, 2])


def test_deviation_is_unbiased_with_an_offset():
    assert_pools(TSDP(2), X, [(4 + 1e-7) ** 0.5, 1e-7**0.5])


def test_statistics_are_means_then_deviations():
    assert_pools(TSTP(2), X, [3, 2, (4 + 1e-7) ** 0.5, 1e-7**0.5])


def test_statistics_of_a_map_with_bins_are_those_of_the_flat_map():
    x, mask = torch.randn(2, 4, 3, 5, dtype=torch.float64), torch.arange(5) < torch.tensor([[5], [2]])
    for given in (None, mask):
        torch.testing.assert_close(TSTP(12)(x, given), TSTP(12)(x.flatten(1, 2), given))


def test_one_frame_has_no_deviation():
    assert_pools(TSTP(2), X[..., :1], [1, 2, 1e-7**0.5, 1e-7**0.5])


@pytest.mark.parametrize(
    "pool, floor", [(ASTP(2, 3), 1e-7), (ASTP(2, 3, global_context=True), 1e-7), (ASP(2, 3), 1e-5)]
)
def test_equal_attention_gives_biased_statistics(pool, floor):
    assert_pools(zeroed(pool), X, [3, 2, (8 / 3) ** 0.5, floor**0.5])


def test_attention_on_one_frame_gives_that_frame():
    pool = zeroed(SAP(2))
    with torch.no_grad():
        pool.linear1.weight[0, 0] = 1.0  # tanh(1), tanh(3), tanh(5)
        pool.linear2.weight[0, 0] = -1e4  # the least of them wins
    assert_pools(pool, X, [1, 2])


def test_global_context_is_the_mean_and_deviation_beside_each_frame():
    pool = random_pooling("astp with global context")
    x = torch.randn(2, 8, 5, dtype=torch.float64)
    beside = [s.unsqueeze(-1).expand_as(x) for s in (x.mean(-1), (x.var(-1) + 1e-7).sqrt())]
    weights = pool.linear2(pool.linear1(torch.cat([x, *beside], dim=1)).tanh()).softmax(-1)
    mean = (weights * x).sum(-1)
    std = ((weights * x**2).sum(-1) - mean**2).sqrt()
    torch.testing.assert_close(pool(x), torch.cat([mean, std], dim=1))


@pytest.mark.parametrize("channelwise", [False, True])
def test_heads_are_attentions_over_their_own_channels(channelwise):
    torch.manual_seed(0)
    pool = MHASTP(6, heads=2, channelwise=channelwise, bottleneck_dim=4).double()
    x, expected = torch.randn(2, 6, 5, dtype=torch.float64), []
    first, second = pool.layers
    for h in range(2):
        part, k, o = x[:, 3 * h : 3 * h + 3], slice(4 * h, 4 * h + 4), slice(3 * h, 3 * h + 3) if channelwise else h
        hidden = torch.einsum("kc,bct->bkt", first.weight[k, :, 0], part) + first.bias[k, None]
        score = torch.einsum("...k,bkt->b...t", second.weight[o, :, 0], hidden.tanh()) + second.bias[o, None]
        weights = score.softmax(-1) if channelwise else score.softmax(-1).unsqueeze(1)
        mean = (weights * part).sum(-1)
        expected += [mean, ((weights * part**2).sum(-1) - mean**2).sqrt()]
    torch.testing.assert_close(pool(x), torch.cat(expected, dim=1))


def test_queries_are_joined():
    pool = random_pooling("mqmhastp")
    x = torch.randn(2, 8, 5, dtype=torch.float64)
    torch.testing.assert_close(pool(x), torch.cat([pool.queries[0](x), pool.queries[1](x)], dim=1))


def test_heads_that_do_not_divide_the_channels_are_refused():
    with pytest.raises(SreError, match="3 attention heads do not divide 8 channels"):
        MHASTP(8, heads=3)


def test_xi_vector_is_the_posterior_mean():
    pool = zeroed(XiVector(2))
    with torch.no_grad():
        pool.prior_mean.copy_(torch.tensor([10.0, -1.0]))
        pool.prior_log_precision.copy_(torch.tensor([2.0, 3.0]).log())
    precision = torch.tensor(2.0, dtype=torch.float64).log() ** 2  # softplus(0)^2, of each frame
    assert_pools(pool, X, [(9 * precision + 20) / (3 * precision + 2), (6 * precision - 3) / (3 * precision + 3)])


@pytest.mark.parametrize("name", POOLINGS)
def test_masked_batch_is_each_utterance_by_itself(name):
    pool, lengths = random_pooling(name), [7, 1, 4]
    x = torch.randn(3, 8, 7, dtype=torch.float64) * 3
    mask = torch.arange(7) < torch.tensor(lengths).unsqueeze(1)
    alone = torch.cat([pool(x[i : i + 1, :, :n]) for i, n in enumerate(lengths)])
    assert alone.shape == (3, pool.out_dim)
    torch.testing.assert_close(pool(x, mask), alone, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", POOLINGS)
def test_statistics_are_float32_under_bfloat16(name):
    pool = zeroed(POOLINGS[name]()).float()
    x = (100 + torch.randn(4, 8, 300)).bfloat16().requires_grad_()  # sums in bfloat16 would lose all of the deviation
    with torch.autocast("cpu", torch.bfloat16):
        y = pool(x)
    assert y.dtype == torch.float32
    torch.testing.assert_close(y, pool(x.float()))
    y.sum().backward()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("name", POOLINGS)
def test_traced_pooling_takes_other_lengths(name):
    pool = random_pooling(name)
    traced = torch.jit.trace(pool, torch.randn(1, 8, 5, dtype=torch.float64))
    x = torch.randn(2, 8, 9, dtype=torch.float64)
    torch.testing.assert_close(traced(x), pool(x))
