"""LSTM and Transformer encoders: sizes counted by hand, torch's own layers as oracles, order of the frames."""

import pytest
import torch
from torch import Tensor, nn

from sre import SreError
from sre.models.recurrent import BLSTM, GE2ELSTM, LSTM
from sre.models.transformer import Attention, DecoderLayer, EncoderLayer, Transformer

pytestmark = pytest.mark.filterwarnings(
    "ignore:LSTM with projections is not supported with oneDNN",
    "ignore:.*torch.jit.trace",
    "ignore:Converting a tensor",
)

TINY = {
    "ge2e": lambda: GE2ELSTM(12, 5, hidden_dim=8),
    "ge2e with projection": lambda: GE2ELSTM(12, 5, hidden_dim=8, projection_dim=3),
    "blstm": lambda: BLSTM(12, 6),
    "blstm of the last frame": lambda: BLSTM(12, 6, frames="last"),
    "transformer": lambda: Transformer(12, 8, heads=4, feedforward_dim=16),
}


@pytest.mark.parametrize(
    "network, parameters",
    [
        # 4 gates of 256, each with the input, the own past and two biases; the linear layer
        (lambda: GE2ELSTM(40), 4 * 256 * (40 + 256 + 2 + 2 * (256 + 256 + 2)) + 256 * 257),
        # the paper's: gates of 768 that read 256 of the own past, and the projections
        (
            lambda: GE2ELSTM(40, hidden_dim=768, projection_dim=256),
            4 * 768 * (40 + 256 + 2 + 2 * (256 + 256 + 2)) + 3 * 768 * 256 + 256 * 257,
        ),
        (lambda: LSTM(40), 93_696),  # 4 gates of 64, as above, 3 layers
        (lambda: BLSTM(40), 2 * 4 * 64 * (40 + 64 + 2 + 2 * (128 + 64 + 2))),
        # linear; four attentions; three feed-forward parts of 2048; 2 + 2 + 3 norms
        (lambda: Transformer(40), 32 * 41 + 4 * 4 * 32 * 33 + 3 * (2048 * 33 + 32 * 2049) + 7 * 64),
    ],
)
def test_number_of_parameters(network, parameters) -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in network().parameters()) == parameters


def test_ge2e_is_the_last_frame_and_of_unit_length() -> None:
    network = TINY["ge2e with projection"]().eval()
    x = torch.randn(2, 30, 12)
    last = network.segment1(network.lstm(x)[0][:, 29])
    torch.testing.assert_close(network(x), last / last.norm(dim=1, keepdim=True))


def test_ge2e_without_projection_in_the_recurrence_is_the_same_function() -> None:
    network = TINY["ge2e with projection"]().double().eval()
    x = torch.randn(3, 30, 12, dtype=torch.double)
    torch.testing.assert_close(network._folded(x), network.lstm(x)[0], rtol=1e-12, atol=1e-12)


def test_blstm_reads_the_frames_in_both_orders() -> None:
    """With both directions' weights alike, reversed frames give the two halves swapped."""
    network = BLSTM(4, 6, layers=1).eval()
    forward = {key: value for key, value in network.lstm.state_dict().items() if not key.endswith("_reverse")}
    network.lstm.load_state_dict(forward | {f"{key}_reverse": value for key, value in forward.items()})
    x = torch.randn(2, 30, 4)
    torch.testing.assert_close(network(x.flip(1)), network(x).roll(3, dims=1))


def test_lstm_is_torchs_of_one_direction() -> None:
    ours, theirs = LSTM(12, 6), nn.LSTM(12, 6, num_layers=3, batch_first=True)
    ours.lstm.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 30, 12)
    outputs, (hidden, _) = theirs(x, (torch.zeros(3, 2, 6), torch.zeros(3, 2, 6)))
    torch.testing.assert_close(ours(x), hidden[-1])
    ours.frames = "mean"
    torch.testing.assert_close(ours(x), outputs.mean(dim=1))


def test_blstm_mean_and_last_by_hand() -> None:
    mean, last = BLSTM(4, 6).eval(), BLSTM(4, 6, frames="last").eval()
    last.load_state_dict(mean.state_dict())
    x = torch.randn(2, 30, 4)
    outputs = mean.lstm(x)[0]
    torch.testing.assert_close(mean(x), sum(outputs[:, t] for t in range(30)) / 30)
    torch.testing.assert_close(last(x), outputs[:, 29])


def attention_state(ours: Attention, prefix: str) -> dict[str, Tensor]:
    parts = (ours.query, ours.key, ours.value)
    return {
        f"{prefix}.in_proj_weight": torch.cat([p.weight for p in parts]),
        f"{prefix}.in_proj_bias": torch.cat([p.bias for p in parts]),
        f"{prefix}.out_proj.weight": ours.out.weight,
        f"{prefix}.out_proj.bias": ours.out.bias,
    }


def layer_state(ours: nn.Module, norms: int) -> dict[str, Tensor]:
    parts = {"linear1": ours.feedforward[0], "linear2": ours.feedforward[3]}
    parts |= {f"norm{i}": getattr(ours, f"norm{i}") for i in range(1, norms + 1)}
    return {f"{name}.{key}": value for name, part in parts.items() for key, value in part.state_dict().items()}


def randomise(module: nn.Module) -> None:
    for parameter in module.parameters():
        nn.init.normal_(parameter)


def test_encoder_layer_is_torchs() -> None:
    ours = EncoderLayer(8, 4, 16, 0.1).double().eval()
    randomise(ours)
    theirs = nn.TransformerEncoderLayer(8, 4, 16, batch_first=True).double().eval()
    theirs.load_state_dict(attention_state(ours.attention, "self_attn") | layer_state(ours, 2))
    x = torch.randn(2, 30, 8, dtype=torch.double)
    torch.testing.assert_close(ours(x), theirs(x))


def test_decoder_layer_is_torchs() -> None:
    ours = DecoderLayer(8, 4, 16, 0.1).double().eval()
    randomise(ours)
    theirs = nn.TransformerDecoderLayer(8, 4, 16, batch_first=True).double().eval()
    theirs.load_state_dict(
        attention_state(ours.attention, "self_attn")
        | attention_state(ours.cross_attention, "multihead_attn")
        | layer_state(ours, 3)
    )
    x, memory = torch.randn(2, 3, 8, dtype=torch.double), torch.randn(2, 30, 8, dtype=torch.double)
    torch.testing.assert_close(ours(x, memory), theirs(x, memory))


def test_transformer_does_not_know_the_order_of_the_frames() -> None:
    network = TINY["transformer"]().double().eval()
    x = torch.randn(2, 30, 12, dtype=torch.double)
    torch.testing.assert_close(network(x[:, torch.randperm(30)]), network(x))
    assert not torch.allclose(network(x.roll(1, dims=2)), network(x))


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: GE2ELSTM(12, hidden_dim=8, projection_dim=8), "projection_dim 8 is not below hidden_dim 8"),
        (lambda: BLSTM(12, 5), "embedding_dim 5 is odd"),
        (lambda: Transformer(12, 12), "embedding_dim 12 is not a multiple of the 8 heads"),
    ],
)
def test_sizes_that_cannot_be(make, message) -> None:
    with pytest.raises(SreError, match=message):
        make()
