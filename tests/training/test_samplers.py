"""Who is in a batch: by properties, and by all that can be drawn; the same after a resume."""

from collections import Counter
from itertools import permutations, product
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sre import SreError
from sre.config.resolve import resolve_features, resolve_model_config
from sre.config.schema import Schema
from sre.losses.metric import Triplet
from sre.training.batches import Batches, SpeakerBatches
from sre.training.samplers import BalancedBatches, CappedBatches, SessionBatches, SpeakerSessions, TripletBatches

ROOT = Path(__file__).resolve().parents[2]
COUNTS = st.lists(st.integers(1, 9), min_size=2, max_size=8)


def labels_of(counts: list[int]) -> np.ndarray:
    """Speakers in turn, not one after the other."""
    rows = [(u, s) for s, count in enumerate(counts) for u in range(count)]
    return np.array([s for _, s in sorted(rows)])


def indices(batches: Batches) -> np.ndarray:
    """(epochs, S, B) utterance indices."""
    found = np.array([[index for index, _, _ in items] for items in batches])
    return found.reshape(batches.epochs, batches.steps_per_epoch, -1)


def made(kind: type[Batches], counts: list[int], size: int = 6, epochs: int = 3, **options: object) -> Batches:
    return kind(size, epochs, (20, 30), 3, labels=labels_of(counts), **options)


@given(COUNTS, st.integers(1, 5), st.integers(2, 12))
def test_few_utterances_of_a_speaker(counts: list[int], most: int, size: int) -> None:
    labels, batches = labels_of(counts), made(CappedBatches, counts, size, most=most)
    total = sum(min(count, most) for count in counts)
    assert batches.steps_per_epoch == max(1, total // size) and batches.chunks == min(size, total)
    for epoch in indices(batches):
        assert epoch.shape[1] == batches.chunks
        assert max(Counter(epoch.flatten().tolist()).values()) == 1
        assert max(Counter(labels[epoch.flatten()].tolist()).values()) <= most


def test_few_utterances_are_others_in_each_epoch() -> None:
    epochs = indices(made(CappedBatches, [30, 30, 30], size=3, epochs=100, most=3))
    assert epochs.shape == (100, 3, 3)
    times = Counter(epochs.flatten().tolist())
    assert len(times) == 90 and max(times.values()) < 25  # each 10 times in the mean


def test_groups_of_few_utterances() -> None:
    """N x M with at most k: a speaker's groups are of k utterances an epoch, others in the next one."""
    batches = made(SpeakerBatches, [9, 9, 9], size=4, epochs=20, chunks_per_speaker=2, most=4)
    labels, epochs = labels_of([9, 9, 9]), indices(batches)
    assert batches.steps_per_epoch == 3 and batches.repeated == 0
    for epoch in epochs:
        of_speaker = [set(epoch[labels[epoch] == speaker].tolist()) for speaker in range(3)]
        assert all(len(utts) <= 4 for utts in of_speaker)
    assert len(set(epochs.flatten().tolist())) == 27


@given(COUNTS, st.integers(2, 12))
def test_each_speaker_equally_often(counts: list[int], size: int) -> None:
    labels, batches = labels_of(counts), made(BalancedBatches, counts, size)
    assert batches.steps_per_epoch == max(1, sum(counts) // size)
    for epoch in indices(batches):
        times = Counter(labels[epoch.flatten()].tolist())
        assert max(times.values()) - min(times[s] for s in range(len(counts))) <= 1


def test_each_utterance_of_a_speaker_is_equally_likely() -> None:
    times = Counter(indices(made(BalancedBatches, [1, 4, 15], size=4, epochs=600)).flatten().tolist())
    labels = labels_of([1, 4, 15])
    total = sum(times.values())
    for utt, speaker in enumerate(labels):
        share = 1 / 3 / [1, 4, 15][speaker]
        assert times[utt] / total == pytest.approx(share, abs=4 * np.sqrt(share / total))


@given(COUNTS.filter(lambda counts: max(counts) > 1), st.integers(1, 4))
def test_triplets(counts: list[int], triplets: int) -> None:
    labels, batches = labels_of(counts), made(TripletBatches, counts, 3 * triplets)
    assert batches.steps_per_epoch == max(1, sum(counts) // (3 * triplets))
    a, p, n = indices(batches).reshape(-1, 3).T
    assert (a != p).all() and (labels[a] == labels[p]).all() and (labels[a] != labels[n]).all()


def test_triplets_are_drawn_as_the_seed_draws_them() -> None:
    """Two speakers uniformly, drawn again where the first has one utterance; then their utterances."""
    counts = [3, 1, 2]
    labels, expected = labels_of(counts), Counter()
    utts = [np.flatnonzero(labels == speaker).tolist() for speaker in range(3)]
    for first, second in permutations(range(3), 2):
        for a, p, n in product(utts[first], utts[first], utts[second]):
            if a != p:
                pairs = counts[first] * (counts[first] - 1)
                expected[a, p, n] = 1 / 4 / pairs / counts[second]  # 4 pairs of speakers, of 6, whose first has two
    found = Counter(map(tuple, indices(made(TripletBatches, counts, epochs=6000)).reshape(-1, 3).tolist()))
    total = sum(found.values())
    assert total == 12000 and found.keys() == expected.keys()
    for triplet, share in expected.items():
        assert found[triplet] / total == pytest.approx(share, abs=4 * np.sqrt(share / total))


def test_a_triplet_has_one_copy() -> None:
    draws = np.array([[row for _, _, row in items] for items in made(TripletBatches, [4, 4], num_draws=2)])
    assert (draws[:, :3, 1] == draws[:, :1, 1]).all() and (draws[:, 0, 1] != draws[:, 3, 1]).all()
    assert len(set(draws[:, :, 0].flatten())) == draws[:, :, 0].size  # the places are not the same


@pytest.mark.parametrize("kind", [CappedBatches, BalancedBatches, TripletBatches])
@pytest.mark.parametrize("step", [1, 4, 5])
def test_the_same_batches_from_a_step_on(kind: type[Batches], step: int) -> None:
    options = {"most": 4} if kind is CappedBatches else {}
    whole, rest = (list(made(kind, [6, 5, 4, 9], first_step=first, **options)) for first in (0, step))
    assert len(rest) == len(whole) - step
    for items, again in zip(whole[step:], rest, strict=True):
        assert [item[:2] for item in items] == [item[:2] for item in again]
        assert all(np.array_equal(a[2], b[2]) for a, b in zip(items, again, strict=True))


def test_what_cannot_be_drawn() -> None:
    with pytest.raises(SreError, match="training.batch_size 8 is no multiple of 3, as triplets need; change it"):
        made(TripletBatches, [3, 3], 8)
    with pytest.raises(SreError, match="one of them with two utterances; there are 2, 0 with two utterances"):
        made(TripletBatches, [1, 1])
    with pytest.raises(SreError, match="triplets need two speakers, .*; there are 1, 1 with two utterances"):
        made(TripletBatches, [5])


def test_the_loss_of_given_triplets_is_the_formula() -> None:
    head, e = Triplet("given"), torch.randn(9, 5, generator=torch.Generator().manual_seed(0)).double()
    head.margin = 0.1
    loss, logits = head(e, torch.tensor([4, 4, 1] * 3))
    cos = torch.nn.functional.cosine_similarity
    rows = [(cos(e[i], e[i + 1], dim=0), cos(e[i], e[i + 2], dim=0)) for i in (0, 3, 6)]
    assert float(loss) == pytest.approx(sum(max(0.0, float(n - p) + 0.1) for p, n in rows) / 3)
    torch.testing.assert_close(logits, torch.tensor(rows).double())
    assert head.targets(torch.zeros(9)).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ({"training": {"sampler": "triplets"}}, "triplets and loss triplet with loss.options.mining given need each"),
        (
            {"loss": {"type": "triplet", "options": {"mining": "given"}}, "training": {"chunks_per_speaker": 2}},
            "loss.options.mining given need each other; set both, or none",
        ),
        (
            {"training": {"sampler": "balanced", "chunks_per_speaker": 2}},
            "training.chunks_per_speaker would do nothing with sampler balanced",
        ),
    ],
)
def test_samplers_that_do_not_go_with_the_rest(model: dict, told: str) -> None:
    schema = Schema(ROOT / "recipes/config.schema.yaml")
    features = {"f": resolve_features(schema, {}, 16000, "f")}
    with pytest.raises(SreError, match=told):
        resolve_model_config(schema, {"features": "f", "architecture": "xvector", **model}, "m", features, 1)
    loss = {"type": "triplet", "options": {"mining": "given"}}
    training = {"sampler": "triplets", "batch_size": 126}
    good = {"features": "f", "architecture": "xvector", "loss": loss, "training": training}
    assert resolve_model_config(schema, good, "m", features, 1)["training"]["sampler"] == "triplets"


@given(st.lists(st.lists(st.integers(1, 4), min_size=1, max_size=4), min_size=1, max_size=6), st.integers(1, 3))
def test_pairs_within_a_session_and_across_two(sessions_of: list[list[int]], pairs: int) -> None:
    """sessions_of : of each speaker, the utterances of each session; of some speakers one kind of pairs is missing."""
    counts = [sum(sizes) for sizes in sessions_of]
    labels = labels_of(counts)
    sessions = np.zeros(len(labels), np.int64)
    for speaker, sizes in enumerate(sessions_of):
        sessions[labels == speaker] = 10 * speaker + np.repeat(np.arange(len(sizes)), sizes)
    able = [number for number, sizes in enumerate(sessions_of) if len(sizes) > 1 and max(sizes) > 1]
    size = 4 * pairs * min(2, max(1, len(able)))
    options = {"labels": labels, "sessions": sessions, "chunks_per_speaker": 4 * pairs}
    if not able:
        with pytest.raises(SreError, match=f"1 speakers, and 0 of {len(counts)} have utterances of one session and of"):
            SessionBatches(size, 3, (1, 1), 3, **options)
        return
    batches = SessionBatches(size, 3, (1, 1), 3, **options)
    assert batches.unable == len(counts) - len(able) and bool(batches.remark) == (batches.unable > 0)
    for batch in indices(batches).reshape(-1, size):
        rows = batch.reshape(-1, 2, pairs, 2)  # speakers, within or across, pairs, two
        speakers = labels[rows].reshape(len(rows), -1)
        assert (
            (speakers == speakers[:, :1]).all() and len({*speakers[:, 0]}) == len(rows) and {*speakers[:, 0]} <= {*able}
        )
        assert (rows[..., 0] != rows[..., 1]).all()
        same = sessions[rows[..., 0]] == sessions[rows[..., 1]]
        assert same[:, 0].all() and not same[:, 1].any()
    later = SessionBatches(size, 3, (1, 1), 3, first_step=1, **options)
    assert [list(map(str, items)) for items in later] == [list(map(str, items)) for items in batches][1:]


def test_each_pair_of_sessions_is_as_likely_as_its_utterances() -> None:
    speaker = SpeakerSessions.of(np.arange(5), np.array([7, 3, 7, 3, 5]))
    drawn = speaker.pairs(20000, np.random.default_rng(0)).reshape(2, -1, 2)
    within, across = (Counter(map(tuple, pairs.tolist())) for pairs in drawn)
    assert within.keys() == {(0, 2), (2, 0), (1, 3), (3, 1)} and max(within.values()) < 5300
    assert across.keys() == {(a, b) for a, b in permutations(range(5), 2)} - within.keys()
