"""Losses that pull a network's output to its speaker's mean: in float64 against loops, and what a target is made of."""

import math

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from sre import SreError
from sre.losses import HEADS, build_head
from sre.losses.targets import TargetLoss

D, SPEAKERS, ROWS = 5, 3, 8  # utterances of each speaker
NAMES = [name for name, kind in HEADS.items() if kind.needs_inputs]
FORMS = [(name, {"target": target}) for name in NAMES for target in ("mean_of_units", "unit_mean")]
FORMS += [("session_mmd_cosine", {"sigma": 0.1}), ("session_mmd_mse", {"sigma": 0.1})]
SPEAKER_OF = np.repeat(np.arange(SPEAKERS), ROWS)


def vectors(dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """(SPEAKERS ROWS, D), of lengths between 1 and 8."""
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(len(SPEAKER_OF), D, generator=draw, dtype=torch.float64) + 2 * torch.eye(D)[SPEAKER_OF].double()
    return (x * torch.linspace(1, 3, len(x))[:, None]).to(dtype)


def head_of(name: str, options: dict) -> TargetLoss:
    torch.manual_seed(2)
    head = build_head(D, SPEAKERS, name, 1.0, **options).double()
    head.take(vectors(), torch.from_numpy(SPEAKER_OF))
    return head


def unit(x: np.ndarray) -> np.ndarray:
    return x / math.sqrt(x @ x)


def mean(rows: list[np.ndarray], kind: str) -> np.ndarray:
    return np.mean([unit(row) for row in rows], axis=0) if kind == "mean_of_units" else unit(np.mean(rows, axis=0))


def expected(head: TargetLoss, name: str, y: np.ndarray) -> float:
    """The loss by Jung's formulas, with targets of the other utterances."""
    x, kind = vectors().numpy(), head.target
    targets = [
        mean([x[j] for j in range(len(x)) if SPEAKER_OF[j] == SPEAKER_OF[i] and j != i], kind) for i in range(len(x))
    ]
    means = [mean(list(x[s == SPEAKER_OF]), kind) for s in range(SPEAKERS)]
    mse = np.mean([(a - b) ** 2 for a, b in zip(y, targets, strict=True)])
    cosine = 1 - np.mean([unit(a) @ unit(b) for a, b in zip(y, targets, strict=True)])
    if name == "target_mae":
        return float(np.mean([abs(a - b) for a, b in zip(y, targets, strict=True)]))
    if name == "target_mse_softmax":
        logits = y @ head.linear.weight.detach().numpy().T + head.linear.bias.detach().numpy()
        own = [math.log(sum(map(math.exp, row))) - row[s] for row, s in zip(logits, SPEAKER_OF, strict=True)]
        return float(mse + np.mean(own))
    if name == "target_triplet":
        others = [
            unit(a) @ unit(means[o]) for a, s in zip(y, SPEAKER_OF, strict=True) for o in range(SPEAKERS) if o != s
        ]
        return float(cosine + np.mean(others))
    alone = {"target_mse": mse, "target_cosine": cosine, "target_mse_cosine": mse + cosine}
    if name in alone:
        return float(alone[name])
    of_cosine, discrepancies = name == "session_mmd_cosine", []
    for rows in np.split(y, SPEAKERS):
        pairs = [(rows[k], rows[k + 1]) for k in range(0, ROWS, 2)]
        d = [1 - unit(a) @ unit(b) if of_cosine else math.sqrt(np.mean((a - b) ** 2)) for a, b in pairs]
        same, other = d[: ROWS // 4], d[ROWS // 4 :]

        def kernel(one: list[float], two: list[float]) -> float:
            return np.mean([math.exp(-((a - b) ** 2) / (2 * head.sigma**2)) for a in one for b in two])

        discrepancies.append(kernel(same, same) + kernel(other, other) - 2 * kernel(same, other))
    return float(np.mean(discrepancies) + (cosine if of_cosine else mse))


@pytest.mark.parametrize("name, options", FORMS)
def test_by_the_formula_and_its_gradient(name: str, options: dict) -> None:
    head, speakers = head_of(name, options), torch.from_numpy(SPEAKER_OF)
    y = torch.randn(len(speakers), D, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    assert head(y, speakers, vectors())[0].item() == pytest.approx(expected(head, name, y.numpy()), rel=1e-10)
    assert torch.autograd.gradcheck(lambda y: head(y, speakers, vectors())[0], y.requires_grad_())


@pytest.mark.parametrize("target", ["mean_of_units", "unit_mean"])
def test_no_utterance_is_in_its_own_target(target: str) -> None:
    """In use the target of an unseen utterance is of all that were taken. Means of unit vectors are shorter than 1."""
    head, x, speakers = head_of("target_mse", {"target": target}), vectors(), torch.from_numpy(SPEAKER_OF)
    own = head.targets_of(x, speakers)
    without = build_head(D, SPEAKERS, "target_mse", 1.0, target=target)
    without.take(x[1:], speakers[1:])
    torch.testing.assert_close(own[0], without.eval().targets_of(x[:1], speakers[:1])[0])
    changed = torch.cat([torch.randn(1, D, dtype=torch.float64), x[1:]])
    other = build_head(D, SPEAKERS, "target_mse", 1.0, target=target)
    other.take(changed, speakers)
    torch.testing.assert_close(other.targets_of(changed, speakers)[0], own[0])
    assert not torch.allclose(other.targets_of(changed, speakers)[1], own[1])
    lengths = own.norm(dim=1)
    assert (lengths < 0.99).any() if target == "mean_of_units" else torch.allclose(lengths, torch.ones_like(lengths))
    of_all = head.eval().targets_of(x, speakers)
    assert torch.equal(of_all[0], of_all[1]) and torch.equal(of_all[0], head.means(torch.float64)[0])


def test_cosines_are_along_the_dimensions_of_a_vector() -> None:
    """Of one utterance too, where Jung normalised over the batch of one, which leaves signs alone."""
    head, speakers = head_of("target_cosine", {}).eval(), torch.tensor([1])
    t = head.means(torch.float64)[1]
    y = t.sign() * torch.linspace(0.1, 3, D, dtype=torch.float64)  # of the signs of the target, and not along it
    loss, logits = head(y[None], speakers, vectors()[:1])
    assert loss.item() == pytest.approx(1 - unit(y.numpy()) @ unit(t.numpy())) and loss > 0.05
    assert logits.shape == (1, SPEAKERS)


def test_what_is_judged_is_the_distance_to_the_target_alone() -> None:
    """Sessions are of pairs, which single utterances that are held out are not."""
    x, speakers = vectors()[:3], torch.tensor([0, 0, 0])
    for name, alone in (("session_mmd_cosine", "target_cosine"), ("session_mmd_mse", "target_mse")):
        losses = [head_of(one, {}).eval()(x, speakers, x)[0] for one in (name, alone)]
        assert torch.equal(*losses)


def test_accuracy_is_that_of_the_nearest_mean() -> None:
    head, speakers = head_of("target_mae", {}).eval(), torch.tensor([0, 1, 2])
    y = head.means(torch.float64)
    logits = head(y, speakers, vectors()[:3])[1]
    assert torch.equal(logits.argmax(dim=1), speakers) and not logits.requires_grad
    torch.testing.assert_close(logits.diagonal(), torch.ones(3, dtype=torch.float64))


def test_equal_utterances_of_a_pair_have_a_gradient() -> None:
    """The root of 0 has none; Jung's loss is NaN from there on."""
    head, x = head_of("session_mmd_mse", {}), vectors()
    y = x.clone()
    y[1] = y[0]
    y.requires_grad_()
    head(y, torch.from_numpy(SPEAKER_OF), x)[0].backward()
    assert torch.isfinite(y.grad).all()


@pytest.mark.parametrize("speakers", [[0] * 8 + [1] * 4, [0] * 6 + [1] * 6, [0, 1] * 6])
def test_batches_without_pairs_are_refused(speakers: list[int]) -> None:
    x = vectors()[:12]
    with pytest.raises(SreError, match="utterances of its speakers: this loss needs as many .*sampler: sessions"):
        head_of("session_mmd_mse", {})(x, torch.tensor(speakers), x)


def test_embeddings_of_another_length_are_refused() -> None:
    with pytest.raises(
        SreError, match="embeddings of 4 values are targets of outputs of 5; set options.embedding_dim: 4"
    ):
        head_of("target_mse", {}).take(torch.zeros(2, 4), torch.tensor([0, 1]))


@pytest.mark.parametrize("name", NAMES)
def test_an_update_does_not_ask_the_device(name: str) -> None:
    """A tensor without numbers refuses to tell one, where a GPU's would make the host wait."""
    with FakeTensorMode():
        head = build_head(D, SPEAKERS, name, 1.0)
        head.chunks_per_speaker = ROWS
        y = torch.randn(len(SPEAKER_OF), D, requires_grad=True)
        with torch.autocast("cpu", torch.bfloat16):
            loss, logits = head(y.bfloat16(), torch.arange(24) // 8, torch.randn(24, D))
        loss.backward()
    assert loss.dtype == logits.dtype == torch.float32 and logits.shape == (24, SPEAKERS)
