"""Optimisers: NovoGrad by its paper, which weights decay, and what is left out."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sre import SreError
from sre.losses import build_head
from sre.models import build
from sre.training.optimizers import NovoGrad, build_optimizer
from sre.training.options import TrainingOptions
from tests.training.test_schedule import options


def asked(**keys: object) -> TrainingOptions:
    return replace(options(), **{"weight_decay": 0.1, "momentum": 0.9, **keys})


def xvector() -> tuple[nn.Module, nn.Module]:
    network = build("ecapa", 8, {"embedding_dim": 8, "channels": 16})
    return network, build_head(network.embedding_dim, 4, "sphereface2", 32.0)


def test_two_updates_of_novograd_by_hand() -> None:
    """A gradient (3, 4) has length 5: m = (0.6, 0.8) + 0.5 w; then v = 12.5 + 50 and m = 0.9 m + g / sqrt(v)."""
    weights = nn.Parameter(torch.tensor([1.0, 0.0]))
    optimizer = NovoGrad([weights], lr=0.1, betas=(0.9, 0.5), weight_decay=0.5, eps=0)
    weights.grad = torch.tensor([3.0, 4.0])
    optimizer.step()
    torch.testing.assert_close(weights.data, torch.tensor([1 - 0.11, -0.08]))
    weights.grad = torch.tensor([0.0, 10.0])
    optimizer.step()
    second = 0.9 * 0.8 + 10 / 62.5**0.5 + 0.5 * -0.08
    torch.testing.assert_close(weights.data, torch.tensor([0.89 - 0.1 * (0.99 + 0.445), -0.08 - 0.1 * second]))


def test_novograd_as_algorithm_1_of_its_paper() -> None:
    """Of two tensors, in float64, with another rate at each update."""
    draw = np.random.default_rng(1)
    layers = [draw.normal(size=(3, 2)), draw.normal(size=4)]
    tensors = [nn.Parameter(torch.tensor(w)) for w in layers]
    optimizer = NovoGrad(tensors, lr=1.0, weight_decay=0.01)
    v, m, d, beta1, beta2 = [0.0, 0.0], [0.0, 0.0], 0.01, 0.95, 0.5
    for t in range(6):
        optimizer.param_groups[0]["lr"] = rate = 0.1 / (t + 1)
        for layer in range(2):
            g = draw.normal(size=layers[layer].shape)
            tensors[layer].grad = torch.tensor(g)
            length = np.linalg.norm(g) ** 2
            v[layer] = beta2 * v[layer] + (1 - beta2) * length if t else length
            m[layer] = beta1 * m[layer] + (g / (np.sqrt(v[layer]) + 1e-8) + d * layers[layer])
            layers[layer] = layers[layer] - rate * m[layer]
        optimizer.step()
    for own, by_paper in zip(tensors, layers, strict=True):
        np.testing.assert_allclose(own.detach().numpy(), by_paper, rtol=1e-12)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "novograd"])
def test_without_no_decay_there_is_one_group_in_the_order_of_before(name: str) -> None:
    network, head = xvector()
    (group,) = build_optimizer(asked(optimizer=name), network, head).param_groups
    assert [id(p) for p in group["params"]] == [id(p) for p in (*network.parameters(), *head.parameters())]
    assert group["weight_decay"] == 0.1 and group["lr"] == 0.1


def spared(*names: str) -> set[str]:
    """Names of the parameters that do not decay; all others do."""
    network, head = xvector()
    optimizer = build_optimizer(asked(no_decay=names), network, head)
    decays, free = optimizer.param_groups
    assert (decays["weight_decay"], free["weight_decay"], free["momentum"]) == (0.1, 0.0, 0.9)
    both = [("", network), ("head.", head)]
    named = {id(p): f"{prefix}{name}" for prefix, whole in both for name, p in whole.named_parameters()}
    assert {id(p) for p in (*decays["params"], *free["params"])} == named.keys()
    return {named[id(p)] for p in free["params"]}


def test_weights_that_do_not_decay() -> None:
    network, head = xvector()
    names = {name for name, _ in network.named_parameters()}
    heads = {f"head.{name}" for name, _ in head.named_parameters()}
    norms = {f"{path}.{name}" for path, module in network.named_modules() if "BatchNorm" in type(module).__name__
             for name, _ in module.named_parameters()}  # fmt: skip
    biases = {name for name in names | heads if name.endswith("bias")}
    assert spared("head") == heads and spared("biases") == biases and "head.bias" in biases
    assert spared("norms") == norms and norms
    part = next(name for name, _ in network.named_children())
    assert spared(part, "head") == heads | {name for name in names if name.startswith(f"{part}.")}


def test_weights_without_gradient_are_in_no_group() -> None:
    network, head = xvector()
    frozen = next(iter(network.children()))
    frozen.requires_grad_(False)
    for no_decay in ((), ("norms",)):
        groups = build_optimizer(asked(no_decay=no_decay), network, head).param_groups
        found = {id(p) for group in groups for p in group["params"]}
        assert not found & {id(p) for p in frozen.parameters()} and found


def test_an_unknown_part_is_a_sentence_with_the_nearest() -> None:
    with pytest.raises(SreError, match=r"^training.no_decay: 'norm' is no part of .*; the nearest is 'norms'$"):
        build_optimizer(asked(no_decay=("norm",)), *xvector())
    softmax = build_head(8, 4, "triplet", 1.0)
    with pytest.raises(SreError, match="no_decay: 'head': the network and its loss have no such weights; take it out"):
        build_optimizer(asked(no_decay=("head",)), xvector()[0], softmax)
