"""The loops of benchmarks/plain_loops.py on tiny input, against our losses and written-out rules; and the pages."""

from itertools import count

import numpy as np
import pytest
import torch
from torch.nn import functional

from benchmarks import originals, plain_loops, settings
from sre.io.embeddings import Embeddings
from sre.losses.metric import Triplet
from sre.models import build
from sre.models.resnet import DVectorResNet


def speech(utterances: int, least: int = 60, most: int = 160) -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [draw.normal(size=(draw.integers(least, most), 40)).astype(np.float32) for _ in range(utterances)]


def small_dvector() -> DVectorResNet:
    torch.manual_seed(0)
    return DVectorResNet(40, embedding_dim=8, channels=4)


def seconds_of_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loops' clock go on by a second at each look."""
    clock = count()
    monkeypatch.setattr(plain_loops.time, "perf_counter", lambda: next(clock))


def test_triplet_loss_is_that_of_our_trainings() -> None:
    embeddings = torch.randn(3 * 8, 16, generator=torch.Generator().manual_seed(1), requires_grad=True)
    ours = Triplet(mining="given")
    ours.margin = plain_loops.ALPHA
    expected, _ = ours(embeddings, torch.zeros(24, dtype=torch.long))
    loss = plain_loops.triplet_loss(embeddings)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5) and loss.item() > 0
    gradients = [torch.autograd.grad(one, embeddings)[0] for one in (loss, expected)]
    assert torch.allclose(*gradients, atol=1e-6)


def test_triplets_are_of_two_speakers() -> None:
    utts, draw = [np.array([0]), np.array([1, 2]), np.array([3, 4, 5])], np.random.default_rng(1)
    drawn = [tuple(plain_loops.triplet(utts, draw)) for _ in range(300)]
    owner = np.repeat(np.arange(3), [1, 2, 3])
    assert all(a != p and owner[a] == owner[p] != owner[n] for a, p, n in drawn)
    assert {owner[a] for a, _, _ in drawn} == {1, 2} and {n for _, _, n in drawn} == set(range(6))


def test_a_step_of_the_blstm_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is Adam's at 1e-4 on eight triplets of crops, by the gradient of our loss."""
    feats, labels = speech(8), np.arange(8) % 2
    networks = []
    for _ in range(2):
        torch.manual_seed(1)
        networks.append(build("blstm", 40, {"embedding_dim": 8, "layers": 1}))
    seconds_of_calls(monkeypatch)
    done = plain_loops.train_blstm(networks[0], feats, labels, 1, 2)
    assert (done.steps, done.chunks, done.frames) == (1, 24, 2400)
    draw, utts = np.random.default_rng(1), [np.arange(0, 8, 2), np.arange(1, 8, 2)]
    rows = [row for _ in range(8) for row in plain_loops.triplet(utts, draw)]
    chunks = torch.from_numpy(np.stack([plain_loops.crop(feats[row], draw) for row in rows]))
    optimizer, head = torch.optim.Adam(networks[1].parameters(), lr=1e-4), Triplet(mining="given")
    head.margin = 0.1
    head(networks[1](chunks), torch.zeros(24, dtype=torch.long))[0].backward()
    optimizer.step()
    for one, other in zip(networks[0].parameters(), networks[1].parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-6)


def test_the_dvector_loop_keeps_its_best_epoch_and_lowers_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    """After three epochs that are no better than the second, the rate is a tenth; the weights are the second's."""
    losses, weights = iter([2.0, 1.0, 1.1, 1.2, 1.0, 1.3]), []

    def validation_loss(network: DVectorResNet, *_: object) -> float:
        weights.append(network.conv1.weight.detach().clone())
        return next(losses)

    monkeypatch.setattr(plain_loops, "validation_loss", validation_loss)
    monkeypatch.setattr(plain_loops, "CHUNKS", 8)
    seconds_of_calls(monkeypatch)
    network = small_dvector()
    # 20 utterances: 18 to train on, 3 steps an epoch, which look at the clock once each, and once more to say the time
    done = plain_loops.train_dvector(network, speech(20), np.arange(20) % 4, 1, 4 * 6 + 1)
    assert (done.epochs, done.kept_epoch, done.rate_cuts) == (6, 2, 1)
    assert (done.steps, done.chunks) == (20, 6 * 18 + 16)
    assert torch.equal(network.conv1.weight, weights[1]) and not torch.equal(weights[1], weights[5])


def test_validation_is_of_whole_utterances_repeated_to_the_longest() -> None:
    feats, labels, classifier = speech(20), np.arange(20) % 4, torch.nn.Linear(8, 4)
    network = small_dvector().eval()
    total = 0.0
    for first in (0, 16):
        longest = max(map(len, feats[first : first + 16]))
        for row in range(first, min(20, first + 16)):
            repeated = np.concatenate([feats[row]] * 4)[:longest]
            logits = classifier(network(torch.from_numpy(repeated[None])))
            total += functional.cross_entropy(logits, torch.tensor([labels[row]])).item()
    assert plain_loops.validation_loss(network, classifier, feats, labels) == pytest.approx(total / 20, rel=1e-4)


def test_pieces_in_use() -> None:
    """d-vectors of 100, 100 and 50 frames are added up; of the LSTM's windows the last whole one begins at 150."""
    feats, dvector = speech(1, 250, 251)[0], small_dvector().eval()
    parts = [dvector.embed(torch.from_numpy(feats[None, a:b])) for a, b in ((0, 100), (100, 200), (200, 250))]
    expected = functional.normalize(torch.cat(parts).sum(dim=0), dim=0).detach().numpy()
    np.testing.assert_allclose(plain_loops.embed_dvector(dvector, feats), expected, atol=1e-6)
    blstm = build("blstm", 40, {"embedding_dim": 8, "layers": 1}).eval()
    windows = [blstm(torch.from_numpy(feats[None, at : at + 100])) for at in (0, 50, 100, 150)]
    np.testing.assert_allclose(
        plain_loops.embed_blstm(blstm, feats), torch.cat(windows).mean(dim=0).detach().numpy(), atol=1e-6
    )


def test_crops_reach_both_ends_and_short_utterances_are_repeated() -> None:
    draw, feats = np.random.default_rng(0), np.arange(103)[:, None]
    assert {int(plain_loops.crop(feats, draw)[0, 0]) for _ in range(99)} == {0, 1, 2, 3}
    short = plain_loops.crop(feats[:40], draw).ravel()
    assert short.tolist() == [(short[0] + frame) % 40 for frame in range(100)]


def test_a_training_has_ten_epochs_however_long_it_is() -> None:
    config = {"loss": {}, "training": {"steps": 1000, "interval": 100, "lr": 0.1}}
    changed = originals.with_steps(config, 333)["training"]
    assert changed == {"steps": 333, "interval": 33, "lr": 0.1} and config["training"]["steps"] == 1000


def test_page() -> None:
    def told(rate: float, low: float | None) -> dict:
        lists = {"trials": [rate, low, rate + 1], "trials_enroll5": [rate / 2, low, rate]}
        rates = {"cosine": lists, "lda_cosine+asnorm_utts": lists}
        return {"seconds": 390.2, "steps": 1500, "chunks": 39020, "frames": 7.8e6, "eer": rates, "machine": "a machine"}

    runs = {
        (1, "theirs"): told(12, 9),
        (2, "theirs"): told(14, 9),
        (1, "ours"): told(10, 8),
        (2, "ours"): told(11, None),
    }
    lines = list(originals.page({"dvector": runs}, 390, "--work W"))
    (row,) = [line for line in lines if line.startswith("| ours | 1 ")]
    assert row.startswith("| ours | 1 | 390 | 1,500 | 100 | 7.8 | 10.00 (8.00 to 11.00) | 5.00 (8.00 to 10.00) |")
    (last,) = [line for line in lines if line.startswith("| **ours / theirs**")]
    assert last.split("|")[7].strip() == f"**{10.5 / 13:.2f}**"


def test_settings_are_judged_on_pairs_and_on_models() -> None:
    """Three speakers in three directions; one utterance, the last of the first speaker, lies with the second."""
    utts = [f"s{speaker}_{number}" for speaker in range(3) for number in range(7)]
    vectors = np.repeat(np.eye(3, dtype=np.float32), 7, axis=0) + np.linspace(0, 0.1, 21, dtype=np.float32)[:, None]
    owners = {utt: utt[:2] for utt in utts}
    assert settings.judged(Embeddings(np.array(utts), vectors), owners) == {"pairs": 0, "models": 0}
    vectors[6] = vectors[8]
    wrong = settings.judged(Embeddings(np.array(utts), vectors), owners)
    # 1 of 6 targets misses its model and 1 of 12 others passes; 6 of 63 pairs of a speaker, and 7 of 147 others
    assert 100 / 12 <= wrong["models"] <= 100 / 6 and 700 / 147 <= wrong["pairs"] <= 600 / 63


def test_what_differs_from_a_yaml() -> None:
    model = {"loss": {"type": "softmax"}, "training": {"steps": 100, "interval": 10, "lr": 0.1}}
    other = {"loss": {"type": "aam", "margin": 0.2}, "training": {"steps": 50, "interval": 10, "lr": 0.1}}
    assert settings.difference(other, model) == "loss.type aam; loss.margin 0.2"
    assert settings.difference(model, model) == "nothing"
