"""SpeakerNet and TitaNet: published sizes, parts by hand, and what every network must do."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from sre.models.quartznet import Block, ContextPooling, SpeakerNet, SqueezeExcite, TitaNet

TINY = {
    "speakernet": lambda: SpeakerNet(12, 5, channels=8, pooled_channels=16),
    "speakernet of two segment layers": lambda: SpeakerNet(12, 5, channels=8, pooled_channels=16, segment_layers=2),
    "titanet": lambda: TitaNet(12, 5, channels=8, pooled_channels=16),
}


def parameters(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(
    "network, speakers, bias, published, decimals",
    [
        (lambda: SpeakerNet(64), 7205, False, 5, 0),  # M; angular, so that the classes have no bias
        (lambda: SpeakerNet(64, 512, segment_layers=2), 7205, True, 8, 0),  # L
        (lambda: TitaNet(80, channels=256, pooled_channels=1536), 16681, True, 6.4, 1),  # S
        (lambda: TitaNet(80, channels=512), 16681, True, 13.4, 1),  # M
        (lambda: TitaNet(80), 16681, True, 25.3, 1),  # L
    ],
)
def test_published_number_of_parameters(network, speakers, bias, published, decimals) -> None:
    """In millions, cut, with the classification layer of the authors' training speakers."""
    with torch.device("meta"):
        built = network()
    total = parameters(built) + speakers * (built.embedding_dim + bias)
    assert total * 10**decimals // 10**6 == pytest.approx(published * 10**decimals)


def test_titanet_large_is_as_big_as_its_public_file() -> None:
    """102 MB of float32 with 16,681 speakers; the first release, with 7,205, had 94.8 MB."""
    with torch.device("meta"):
        network = TitaNet(80)
    floats = parameters(network) + sum(b.numel() for b in network.buffers())
    for speakers, megabytes in ((16681, 102), (7205, 94.8)):
        assert 4e-6 * (floats + speakers * 193) == pytest.approx(megabytes, rel=0.01)


def test_squeeze_excite_by_hand() -> None:
    squeeze = SqueezeExcite(2, reduction=2)
    squeeze.load_state_dict(
        {"squeeze.weight": torch.tensor([[1.0, 2.0]]), "excite.weight": torch.tensor([[1.0], [0.0]])}
    )
    x = torch.tensor([[[0.0, 2.0], [-1.0, 2.0]]])  # means 1 and 0.5, squeezed to 2
    scale = torch.tensor([2.0, 0.0]).sigmoid()
    torch.testing.assert_close(squeeze(x), x * scale[:, None])


def test_block_of_a_unit_impulse_reaches_as_far_as_its_kernels() -> None:
    """Two kernels of 7 frames see 6 frames to each side, and every output channel sees every input channel."""
    block = Block(2, 3, 7, repeat=2).eval()
    for convolution in (layer for layer in block.layers if isinstance(layer, nn.Conv1d)):
        nn.init.ones_(convolution.weight)
    x = torch.zeros(1, 2, 41)
    x[0, 1, 20] = 1
    seen = block(x)[0].ne(0)
    assert seen.all(dim=0).nonzero().flatten().tolist() == seen.any(dim=0).nonzero().flatten().tolist()
    assert seen[0].nonzero().flatten().tolist() == list(range(14, 27))


def test_shortcut_alone_is_what_remains_of_a_silenced_block() -> None:
    block = Block(4, 4, 3, residual=True).eval()
    nn.init.zeros_(block.layers[1].weight)
    block.shortcut[0].weight.data = torch.eye(4).unsqueeze(-1)
    x = torch.randn(2, 4, 9)
    torch.testing.assert_close(block(x), x.relu() / (1 + 1e-3) ** 0.5)


def test_context_pooling_without_attention_is_mean_and_standard_deviation() -> None:
    pool = ContextPooling(3).eval()
    nn.init.zeros_(pool.attention[-1].weight)
    x = torch.randn(2, 3, 30)
    torch.testing.assert_close(pool(x), torch.cat([x.mean(-1), x.std(-1, correction=0)], dim=1))


def test_context_pooling_by_a_loop() -> None:
    pool = ContextPooling(2, bottleneck=4).double().eval()
    for parameter in pool.parameters():
        nn.init.normal_(parameter)
    x = torch.randn(1, 2, 6, dtype=torch.double)
    everywhere = torch.cat([x.mean(-1), x.std(-1, correction=0)], dim=1)[0]
    energies = [pool.attention(torch.cat([frame, everywhere]).reshape(1, 6, 1)).flatten() for frame in x[0].T]
    pooled = pool(x)[0]
    for channel in range(2):
        weights = functional.softmax(torch.stack([energy[channel] for energy in energies]), dim=0)
        mean = (weights * x[0, channel]).sum()
        std = (weights * x[0, channel] ** 2).sum() - mean**2
        torch.testing.assert_close(pooled[[channel, 2 + channel]], torch.stack([mean, std.sqrt()]))


def test_speakernet_trains_on_what_the_embedding_keeps_positive() -> None:
    network = TINY["speakernet of two segment layers"]().eval()
    x = torch.randn(3, 40, 12)
    assert (network.embed(x) < 0).any()
    torch.testing.assert_close(network(x), network.embed(x).relu())


def test_pooling_statistics_of_bf16_are_float32() -> None:
    pool = ContextPooling(3).eval()
    with torch.autocast("cpu", torch.bfloat16):
        assert pool(torch.randn(2, 3, 30).bfloat16()).dtype == torch.float32
