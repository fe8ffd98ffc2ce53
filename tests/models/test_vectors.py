"""Networks on vectors: sizes as published, and each option by a written-out computation."""

import pytest
import torch
from torch import nn

from sre import SreError
from sre.models.cost import Spec, parameters, receptive_field
from sre.models.vectors import MLP

PUBLISHED = {  # S. Jung, Speaker embedding enhancement: MyLinearNet and its v3, v4
    (1024, 2048, 2048, 1024): 9_443_840,
    (1024, 1024): 2_099_712,
    (1024, 1024, 2048, 2048, 1024, 1024): 11_543_040,
}


@pytest.mark.parametrize("widths", PUBLISHED)
def test_parameters_as_published(widths: tuple[int, ...]) -> None:
    assert parameters(Spec("mlp", 512, {"widths": widths})) == PUBLISHED[widths]


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("activation", ["relu", "elu"])
def test_each_layer_has_its_activation(activation: str, last: bool) -> None:
    torch.manual_seed(0)
    network = MLP(5, 3, (4,), activation, (), last_activation=last).eval()
    x = torch.randn(7, 1, 5)
    first, second = (module for module in network.modules() if isinstance(module, nn.Linear))
    act = {"relu": torch.relu, "elu": nn.functional.elu}[activation]
    expected = second(act(first(x[:, 0])))
    torch.testing.assert_close(network(x), act(expected) if last else expected)


def test_dropout_is_of_values_after_the_layers_that_are_named() -> None:
    layers = [type(layer).__name__ for layer in MLP(5, 3, (4, 4, 4), "relu", (0, 0.5), True, False).layers]
    block = ["Linear", "BatchNorm1d", "ReLU"]
    assert layers == [*block, *block, "Dropout", *block, "Linear", "BatchNorm1d"]


def test_a_residual_network_begins_as_no_change() -> None:
    network, x = MLP(24, 24, [8], unit_length=True, residual=True, last_activation=False), torch.randn(3, 1, 24)
    torch.testing.assert_close(network(x), torch.nn.functional.normalize(x[:, 0]))
    assert receptive_field(Spec("mlp", 40, {"embedding_dim": 40, "residual": True, "last_activation": False})) is None
    with pytest.raises(SreError, match="residual adds inputs of 24 values to outputs of 12; set embedding_dim: 24"):
        MLP(24, 12, residual=True)
    with pytest.raises(SreError, match="a ReLU has no gradient, .* set last_activation: false"):
        MLP(24, 24, residual=True, activation="relu")
