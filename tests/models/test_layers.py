"""Segment-level layers and heads by hand."""

import math

import pytest
import torch
from torch.nn import functional

from sre.losses import build_head
from sre.losses.classification import AAMSoftmax, Softmax
from sre.machine.device import memory_format
from sre.models import build


def test_xvector_embeddings_are_the_two_affines() -> None:
    first, second = (
        build("xvector", 4, {"channels": 4, "pooled_channels": 6, "embedding": e}) for e in ("first", "second")
    )
    second.load_state_dict(first.state_dict())
    first.eval(), second.eval()
    x = torch.randn(3, 20, 4)
    torch.testing.assert_close(first(x), second.embed(x))
    torch.testing.assert_close(first(x), first.segment2(first.segment1_bn(first.embed(x).relu())))


def test_softmax() -> None:
    head = build_head(3, 4, "softmax", scale=32)
    assert isinstance(head, Softmax)
    x, speakers = torch.randn(5, 3), torch.tensor([0, 1, 2, 3, 0])
    loss, logits = head(x, speakers)
    torch.testing.assert_close(loss, functional.cross_entropy(x @ head.linear.weight.T + head.linear.bias, speakers))
    assert logits.shape == (5, 4)


@pytest.fixture
def aam() -> AAMSoftmax:
    torch.manual_seed(0)
    return AAMSoftmax(3, 4, scale=30.0)


def cosines(head: AAMSoftmax, x: torch.Tensor) -> list[list[float]]:
    return [[float(functional.cosine_similarity(row, w, dim=0)) for w in head.weight.detach()] for row in x]


def test_aam_without_margin_is_softmax_of_scaled_cosines(aam: AAMSoftmax) -> None:
    x, speakers = torch.randn(6, 3), torch.tensor([0, 1, 2, 3, 0, 1])
    scaled = 30 * torch.tensor(cosines(aam, x))
    loss, logits = aam(x, speakers)
    torch.testing.assert_close(loss, functional.cross_entropy(scaled, speakers))
    torch.testing.assert_close(logits, scaled)


def test_aam_by_a_loop_on_both_branches(aam: AAMSoftmax) -> None:
    aam.margin = m = 0.3
    w = aam.weight.detach()
    x = torch.stack([w[0] + 0.3, -w[1], torch.randn(3), w[3]])  # -w: theta = pi, beyond pi - m
    speakers = torch.tensor([0, 1, 2, 3])
    losses = []
    for row, speaker in zip(cosines(aam, x), speakers, strict=True):
        theta = math.acos(max(-1.0, min(1.0, row[speaker])))
        pushed = math.cos(theta + m) if theta < math.pi - m else row[speaker] - 1 - math.cos(math.pi - m)
        logits = [30 * (pushed if s == speaker else c) for s, c in enumerate(row)]
        losses.append(math.log(sum(map(math.exp, logits))) - logits[speaker])
    assert math.acos(max(-1.0, cosines(aam, x)[1][1])) > math.pi - m
    loss, logits = aam(x, speakers)
    assert float(loss.detach()) == pytest.approx(sum(losses) / 4, rel=1e-3)
    torch.testing.assert_close(logits, 30 * torch.tensor(cosines(aam, x)))  # without the margin


def test_aam_gradient_is_finite_where_the_angle_is_0_or_pi(aam: AAMSoftmax) -> None:
    aam.margin = 0.2
    x = torch.stack([aam.weight[0], -aam.weight[1]]).detach().requires_grad_()
    aam(x, torch.tensor([0, 1]))[0].backward()
    assert torch.isfinite(x.grad).all() and torch.isfinite(aam.weight.grad).all()


def test_channels_last_only_where_torch_survives_it() -> None:
    """With 4 channels, training in channels_last ended in "free(): invalid next size"."""
    wide, narrow = (build("resnet34", 16, {"channels": channels, "blocks": (1, 1)}) for channels in (16, 4))
    assert memory_format(wide) is torch.channels_last
    assert memory_format(narrow) is memory_format(build("xvector", 16, {})) is torch.preserve_format
