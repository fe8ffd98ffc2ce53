"""Losses in float64 against loops over their papers' formulas, their gradients, and what a batch may look like."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call

from sre import SreError
from sre.io.ark import read_record
from sre.io.tables import invert, read_table
from sre.losses import HEADS, Head, build_head
from sre.losses.metric import Prototypical
from sre.models.xvector import XVector
from sre.training.sources import crop

D, CLASSES, SCALE, MARGIN = 4, 7, 8.0, 0.3
OWN = [name for name, kind in HEADS.items() if not kind.needs_inputs]  # the others: test_targets.py
CLASSIFIERS = {name for name in OWN if HEADS[name].classifies}
OPTIONS = {"subcentre_aam": {"centres": 3, "top_k": 2, "penalty": 0.1}}
FORMS = [(name, OPTIONS.get(name, {})) for name in OWN if name != "triplet"]
FORMS += [("ge2e", {"form": "contrast"}), ("triplet", {"mining": "semi_hard"}), ("triplet", {"mining": "random"})]
LABELS = {2: [4, 1, 6, 1, 4, 6], 3: [3, 3, 0, 5, 0, 5, 3, 5, 0]}


def batch(M: int, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, torch.Tensor]:
    speakers = torch.tensor(LABELS[M])
    return torch.randn(len(speakers), D, generator=torch.Generator().manual_seed(M), dtype=dtype), speakers


def head_of(name: str, options: dict, dtype: torch.dtype = torch.float64) -> Head:
    torch.manual_seed(5)
    head = build_head(D, CLASSES, name, SCALE, **options).to(dtype)
    with torch.no_grad():
        for parameter in head.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, dtype=dtype)
    head.margin = MARGIN
    return head


def steady(head: Head) -> Head:
    """A loss that gives the same twice: one with a buffer, which training changes, is in eval."""
    return head.train(next(head.buffers(), None) is None)


def cos(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / math.sqrt(a @ a) / math.sqrt(b @ b))


def cross_entropy(logits: list[float], target: int) -> float:
    return math.log(sum(math.exp(logit) for logit in logits)) - logits[target]


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def margin_softmax(head: Head, x: np.ndarray, y: list[int], target_logit: Callable[[float], float]) -> float:
    weight = head.weight.detach().numpy()
    rows = [[cos(e, w) for w in weight] for e in x]
    return np.mean(
        [
            cross_entropy([SCALE * (target_logit(c) if j == s else c) for j, c in enumerate(row)], s)
            for row, s in zip(rows, y, strict=True)
        ]
    )


def softmax(head: Head, x: np.ndarray, y: list[int]) -> float:
    weight, bias = head.linear.weight.detach().numpy(), head.linear.bias.detach().numpy()
    return np.mean([cross_entropy(list(weight @ e + bias), s) for e, s in zip(x, y, strict=True)])


def am(head: Head, x: np.ndarray, y: list[int]) -> float:
    return margin_softmax(head, x, y, lambda c: c - MARGIN)


def arm(head: Head, x: np.ndarray, y: list[int]) -> float:
    weight, losses = head.weight.detach().numpy(), []
    for e, s in zip(x, y, strict=True):
        logits = [SCALE * (cos(e, w) - MARGIN * (j == s)) for j, w in enumerate(weight)]
        losses.append(cross_entropy([logit if logit >= logits[s] else 0.0 for logit in logits], s))
    return np.mean(losses)


def arc(c: float) -> float:
    over = math.acos(c) > math.pi - MARGIN
    return c - 1 - math.cos(math.pi - MARGIN) if over else math.cos(math.acos(c) + MARGIN)


def aam(head: Head, x: np.ndarray, y: list[int]) -> float:
    return margin_softmax(head, x, y, arc)


def subcentre_aam(head: Head, x: np.ndarray, y: list[int]) -> float:
    weight = head.weight.detach().numpy().reshape(CLASSES, 3, D)
    losses = []
    for e, s in zip(x, y, strict=True):
        cosines = [max(cos(e, w) for w in centres) for centres in weight]
        others = sorted((j for j in range(CLASSES) if j != s), key=lambda j: -cosines[j])
        logits = list(cosines)
        logits[s] = arc(cosines[s])
        for j in others[:2]:
            logits[j] = math.cos(math.acos(cosines[j]) - 0.1 * MARGIN / 0.2)
        losses.append(cross_entropy([SCALE * logit for logit in logits], s))
    return np.mean(losses)


def sphereface(head: Head, x: np.ndarray, y: list[int]) -> float:
    weight, lam, m = head.weight.detach().numpy(), 1 / MARGIN - 1, 4
    losses = []
    for e, s in zip(x, y, strict=True):
        logits = [cos(e, w) for w in weight]
        theta = math.acos(logits[s])
        k = next(k for k in range(m) if k * math.pi / m <= theta <= (k + 1) * math.pi / m)
        psi = (-1) ** k * math.cos(m * theta) - 2 * k
        logits[s] = (lam * logits[s] + psi) / (1 + lam)
        losses.append(cross_entropy([math.sqrt(e @ e) * logit for logit in logits], s))
    return np.mean(losses)


def sphereface2(head: Head, x: np.ndarray, y: list[int]) -> float:
    weight, b, lam, t = head.weight.detach().numpy(), float(head.bias.detach()), 0.7, 3
    losses = []
    for e, s in zip(x, y, strict=True):
        loss = 0.0
        for j, w in enumerate(weight):
            g = 2 * ((cos(e, w) + 1) / 2) ** t - 1
            own, other = softplus(-SCALE * (g - MARGIN) - b), softplus(SCALE * (g + MARGIN) + b)
            loss += lam * own if j == s else (1 - lam) * other
        losses.append(loss)
    return np.mean(losses)


def circle(head: Head, x: np.ndarray, y: list[int], weights_at: np.ndarray | None = None) -> float:
    weight, m = head.weight.detach().numpy(), MARGIN
    losses = []
    for e, e0, s in zip(x, x if weights_at is None else weights_at, y, strict=True):
        c, c0 = [cos(e, w) for w in weight], [cos(e0, w) for w in weight]
        own = SCALE * max(0, 1 + m - c0[s]) * (c[s] - (1 - m))
        others = [SCALE * max(0, c0[j] + m) * (c[j] - m) for j in range(CLASSES) if j != s]
        losses.append(math.log(1 + sum(math.exp(other) for other in others) * math.exp(-own)))  # equation 6, L = 1
    return np.mean(losses)


def groups(x: np.ndarray, y: list[int]) -> list[np.ndarray]:
    return [np.array([e for e, s in zip(x, y, strict=True) if s == speaker]) for speaker in sorted(set(y))]


def unit(x: np.ndarray) -> np.ndarray:
    return np.array([e / math.sqrt(e @ e) for e in x])


def ge2e(head: Head, x: np.ndarray, y: list[int]) -> float:
    w, b, speakers = float(head.affine.w.detach()), float(head.affine.b.detach()), groups(unit(x), y)
    losses = []
    for j, own in enumerate(speakers):
        for i, e in enumerate(own):
            S = []
            for k, other in enumerate(speakers):
                centroid = np.mean([u for n, u in enumerate(other) if k != j or n != i], axis=0)
                S.append(w * cos(e, centroid) + b)
            p = [1 / (1 + math.exp(-value)) for value in S]
            contrast = 1 - p[j] + max(p[k] for k in range(len(p)) if k != j)
            losses.append(cross_entropy(S, j) if head.form == "softmax" else contrast)
    return np.mean(losses)


def prototypes(x: np.ndarray, y: list[int], similarity: Callable[[np.ndarray, np.ndarray], float]) -> float:
    speakers = groups(x, y)
    rows = [[similarity(own[0], other[1:].mean(axis=0)) for other in speakers] for own in speakers]
    return np.mean([cross_entropy(row, j) for j, row in enumerate(rows)])


def prototypical(head: Head, x: np.ndarray, y: list[int]) -> float:
    return prototypes(x, y, lambda a, b: -((a - b) @ (a - b)))


def angular_prototypical(head: Head, x: np.ndarray, y: list[int]) -> float:
    w, b = float(head.affine.w.detach()), float(head.affine.b.detach())
    return prototypes(x, y, lambda query, prototype: w * cos(query, prototype) + b)


def softmax_angular_prototypical(head: Head, x: np.ndarray, y: list[int]) -> float:
    return softmax(head, x, y) + angular_prototypical(head.prototypes, x, y)


def aam_softmax_angular_prototypical(head: Head, x: np.ndarray, y: list[int]) -> float:
    return (softmax(head, x, y) + angular_prototypical(head.prototypes, x, y) + aam(head.aam, x, y)) / 3


def triplet(head: Head, x: np.ndarray, y: list[int]) -> float:
    torch.manual_seed(9)
    pairs = [(a, p) for a in range(len(y)) for p in range(len(y)) if a != p and y[a] == y[p]]
    drawn = torch.rand(len(pairs), len(y)).numpy() if head.mining == "random" else None
    losses = []
    for row, (a, p) in enumerate(pairs):
        negatives = [n for n in range(len(y)) if y[n] != y[a]]
        similar = {n: cos(x[a], x[n]) for n in negatives}
        below = [n for n in negatives if similar[n] < cos(x[a], x[p])]
        if drawn is not None:
            n = max(negatives, key=lambda n: drawn[row, n])
        else:
            n = max(below, key=similar.get) if below else min(negatives, key=similar.get)
        losses.append(max(0, similar[n] - cos(x[a], x[p]) + MARGIN))
    return np.mean(losses)


def contrastive(head: Head, x: np.ndarray, y: list[int]) -> float:
    e, same, other = unit(x), [], []
    for i in range(len(y)):
        for j in range(i):
            d = math.sqrt((e[i] - e[j]) @ (e[i] - e[j]))
            (same if y[i] == y[j] else other).append(d**2 / 2 if y[i] == y[j] else max(0, head.margin - d) ** 2 / 2)
    return np.mean(same) + np.mean(other)


def supcon(head: Head, x: np.ndarray, y: list[int]) -> float:
    losses, tau = [], 0.1
    for i in range(len(y)):
        others = [a for a in range(len(y)) if a != i]
        positives = [p for p in others if y[p] == y[i]]
        total = sum(math.exp(cos(x[i], x[a]) / tau) for a in others)
        losses.append(-sum(math.log(math.exp(cos(x[i], x[p]) / tau) / total) for p in positives) / len(positives))
    return np.mean(losses)


@pytest.mark.parametrize("M", [2, 3])
@pytest.mark.parametrize("name, options", FORMS)
def test_by_the_papers_formula(name: str, options: dict, M: int) -> None:
    head, (x, speakers) = head_of(name, options), batch(M)
    if head.classifies and "margin" in head.takes:
        x[0] = 0.1 * x[0] - getattr(head, "aam", head).weight.detach()[speakers[0]]  # an angle near pi
    if name == "contrastive":
        head.margin = 1.0
    expected = globals()[name](head, x.numpy(), speakers.tolist())
    torch.manual_seed(9)
    assert head(x, speakers)[0].item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name, options", [form for form in FORMS if form[0] != "circle"])
def test_gradient(name: str, options: dict) -> None:
    head, (x, speakers) = steady(head_of(name, options)), batch(3)
    names, parameters = zip(*head.named_parameters(), strict=True) if list(head.parameters()) else ((), ())

    def loss(x: torch.Tensor, *values: torch.Tensor) -> torch.Tensor:
        torch.manual_seed(9)
        return functional_call(head, dict(zip(names, values, strict=True)), (x, speakers))[0]

    inputs = [value.detach().clone().requires_grad_() for value in (x, *parameters)]
    assert torch.autograd.gradcheck(loss, inputs)


def test_gradient_of_circle_with_constant_weights() -> None:
    head, (x, speakers) = head_of("circle", {}), batch(2)
    x.requires_grad_()
    head(x, speakers)[0].backward()
    x0, step, numeric = x.detach().numpy(), 1e-6, np.zeros(x.shape)
    for place in np.ndindex(*x.shape):
        change = np.zeros(x.shape)
        change[place] = step
        above, below = (circle(head, x0 + sign * change, speakers.tolist(), weights_at=x0) for sign in (1, -1))
        numeric[place] = (above - below) / (2 * step)
    np.testing.assert_allclose(x.grad.numpy(), numeric, atol=1e-8)


@pytest.mark.parametrize("name, options", FORMS)
def test_float32_under_bf16_autocast(name: str, options: dict) -> None:
    head, (x, speakers) = steady(head_of(name, options, torch.float32)), batch(3, torch.bfloat16)
    torch.manual_seed(9)
    plain, logits = head(x.float(), speakers)
    x.requires_grad_()
    torch.manual_seed(9)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, mixed_logits = head(x, speakers)
    assert torch.equal(plain, mixed) and torch.equal(logits, mixed_logits)
    assert mixed.dtype == mixed_logits.dtype == torch.float32
    mixed.backward()
    assert all(torch.isfinite(value.grad).all() for value in (x, *head.parameters()))


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
def test_logits_of_classes_are_without_margin(name: str) -> None:
    head, (x, speakers) = head_of(name, {}), batch(3)
    logits = head(x, speakers)[1]
    assert head.classifies and logits.shape == (len(speakers), CLASSES)
    assert torch.equal(head.targets(speakers), speakers)
    head.margin = 0.0
    assert torch.equal(head(x, speakers.roll(1))[1], logits)


@pytest.mark.parametrize("name, options", [form for form in FORMS if form[0] not in CLASSIFIERS])
def test_largest_logit_of_a_metric_loss_is_at_its_target(name: str, options: dict) -> None:
    """Speakers apart from each other; then one chunk of the last speaker goes to the first speaker's side."""
    head, (x, speakers) = head_of(name, options), batch(3)
    x = torch.eye(D, dtype=torch.float64)[speakers // 2] + 0.1 * x
    assert torch.equal(head(x, speakers)[1].argmax(dim=1), head.targets(speakers))
    stray = speakers.tolist().index(5)
    x[stray] = torch.tensor([1.0, 0, 0, 1])
    right = head(x, speakers)[1].argmax(dim=1) == head.targets(speakers)
    row = 2 if isinstance(head, Prototypical) else stray  # a row for each first chunk, in the order of the labels
    assert not head.classifies and not right[row]
    assert right.sum() == len(right) - 1


def test_aam_goes_on_beyond_pi_minus_m_without_clovaais_jump() -> None:
    """ClovaAI's voxceleb_trainer has cos - m sin(pi - m) there: the same gradient, 0.02 lower where m is 0.2."""
    head = build_head(D, CLASSES, "aam", SCALE)
    head.margin = m = 0.2
    angle = torch.linspace(0, math.pi, 10001, dtype=torch.float64)
    ours = head.pushed(angle.cos())
    theirs = torch.where(angle.cos() > math.cos(math.pi - m), (angle + m).cos(), angle.cos() - m * math.sin(m))
    beyond = angle > math.pi - m
    torch.testing.assert_close(ours[~beyond], theirs[~beyond], atol=1e-4, rtol=0)  # ours has a floor of the sine at 0
    assert (ours - theirs)[beyond].numpy() == pytest.approx(m * math.sin(m) - 1 + math.cos(m), abs=1e-6)
    assert ours.diff().abs().max() < 4e-4 and theirs.diff().min() == pytest.approx(-0.0198, abs=1e-3)


def test_speakers_that_keep_the_margin_have_no_gradient_with_arm() -> None:
    head = build_head(2, 3, "arm", SCALE)
    head.margin = 0.3
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.0], [0.9, 0.3], [0.0, 1.0]]))
    head(torch.tensor([[1.0, 0.1]]), torch.tensor([0]))[0].backward()
    assert head.weight.grad[:2].norm(dim=1).min() > 0.1 and not head.weight.grad[2].any()


def test_sphereface_falls_without_a_jump_from_1_to_1_minus_2m() -> None:
    head = build_head(D, CLASSES, "sphereface", SCALE, multiple=3)
    head.margin = 1.0  # psi alone
    cosine = torch.linspace(0, math.pi, 10001, dtype=torch.float64).cos().requires_grad_()
    psi = head.pushed(cosine)
    assert (psi[0].item(), psi[-1].item()) == pytest.approx((1, -5))
    assert (psi.diff() < 0).all() and psi.diff().abs().max() < 3 * 1.01 * math.pi / 10000
    psi.sum().backward()
    assert (cosine.grad[0].item(), cosine.grad[-1].item()) == pytest.approx((9, 9))  # m^2 at both ends


def test_softmax_with_prototypes_is_softmax_on_single_chunks() -> None:
    head = head_of("softmax_angular_prototypical", {}).eval()
    x, speakers = batch(2)[0][:3], torch.tensor([0, 1, 2])
    assert head(x, speakers)[0].item() == pytest.approx(softmax(head, x.numpy(), speakers.tolist()))


@pytest.mark.parametrize("name", ["ge2e", "angular_prototypical"])
def test_learnt_scale_stays_positive_and_comes_back(name: str) -> None:
    head, (x, speakers) = head_of(name, {}), batch(2)
    with torch.no_grad():
        head.affine.w.fill_(-3.0)
        x = torch.eye(D, dtype=torch.float64)[speakers // 2] + 0.1 * x  # separable: a larger w is better
    loss, logits = head(x, speakers)
    loss.backward()
    assert head.affine.w.grad < 0
    assert torch.equal(logits.argmax(dim=1), head.targets(speakers))


@pytest.mark.parametrize("name", [name for name in OWN if HEADS[name].needs_batches])
@pytest.mark.parametrize(
    "speakers, message",
    [
        ([0, 0, 1, 1, 2], "a batch of 3 speakers with 1 to 2 chunks each: this loss needs"),
        ([0, 1, 2, 3, 4], "a batch of 5 speakers with 1 to 1 chunks each: .* set training.chunks_per_speaker"),
        ([0, 0, 0, 1, 1], "a batch of 2 speakers with 2 to 3 chunks each"),
        ([3, 3, 3, 3, 3], "a batch of 1 speakers with 5 to 5 chunks each"),
    ],
)
def test_batches_that_do_not_go(name: str, speakers: list[int], message: str) -> None:
    with pytest.raises(SreError, match=message):
        head_of(name, {})(torch.randn(5, D, dtype=torch.float64), torch.tensor(speakers))


@pytest.mark.parametrize("name, options", [form for form in FORMS if HEADS[form[0]].needs_batches])
def test_the_same_where_the_chunks_of_a_speaker_are_known(name: str, options: dict) -> None:
    """Then the host need not look: a tensor without numbers refuses to tell any, where a GPU's would make it wait."""
    x, speakers = batch(3)
    losses = []
    for known in (0, 3):
        head = head_of(name, options)
        head.chunks_per_speaker = known
        losses.append((*head(x, speakers), head.targets(speakers)))
    assert all(torch.equal(a, b) for a, b in zip(*losses, strict=True))
    with FakeTensorMode():
        head = build_head(D, CLASSES, name, SCALE, **options)
        head.chunks_per_speaker = 3
        loss, _ = head(torch.randn(9, D, requires_grad=True), torch.arange(9) // 3)
        loss.backward()
        assert len(head.targets(torch.arange(9) // 3)) in (3, 9)


def test_fewer_other_speakers_than_top_k() -> None:
    torch.manual_seed(0)
    head = build_head(D, 3, "subcentre_aam", SCALE, top_k=5)
    head.margin = MARGIN
    x, speakers = torch.randn(4, D), torch.tensor([0, 1, 2, 0])
    harder = head(x, speakers)[0]
    head.top_k = 0
    assert harder > head(x, speakers)[0]


@pytest.fixture(scope="module")
def speech(shared: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """4 chunks of each of 8 speakers, (32, 100, 40)."""
    folder = shared / "corpora/ko-fbank40/train"
    places = read_table(folder / "feats.scp")
    utts = [utt for utts in list(invert(read_table(folder / "utt2spk")).values())[:8] for utt in utts[:4]]
    feats = [read_record(utt, str(folder / Path(places[utt]).name)) for utt in utts]
    return torch.stack([torch.from_numpy(crop(x, 100, 0.5)) for x in feats]), torch.arange(8).repeat_interleave(4)


@pytest.mark.parametrize("name, options", FORMS)
def test_learns_eight_speakers(name: str, options: dict, speech: tuple[torch.Tensor, torch.Tensor]) -> None:
    chunks, speakers = speech
    torch.manual_seed(0)
    network = XVector(40, embedding_dim=32, channels=32, pooled_channels=64, embedding="first")
    head = build_head(32, 8, name, 16.0, **options)
    optimizer = torch.optim.Adam([*network.parameters(), *head.parameters()], 3e-3)
    right = []
    for step in range(60):
        head.margin = MARGIN if step > 20 or name not in CLASSIFIERS else 0.0
        loss, logits = head(network(chunks), speakers)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        right.append((logits.argmax(dim=1) == head.targets(speakers)).float().mean().item())
        if right[-3:] == [1, 1, 1]:
            break
    assert right[-1] == 1 > right[0]
