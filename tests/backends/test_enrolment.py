"""Models of several utterances, sides and files: what holds for every back-end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import PLAIN, fitted, scores_of, shortest, speech

from sre import SreError, backends
from sre.backends import Backend, Cosine, load, save, sides
from sre.backends.files import save_failure
from sre.backends.sides import Pairs, Side, score_matrix, scores_of_pairs

X, SPEAKERS = speech(12, 5, 6)
GROUPS = [[0, 1, 2], [5], [10, 11], [59, 3, 17, 20]]
TYPES = {kind: shortest(kind) for kind in backends.KINDS} | {
    "cosine": {"type": "cosine", "chain": ["centre", "wccn"]},
    "euclidean": {"type": "euclidean", "chain": ["length_norm"]},
    "plda": {"type": "plda", "chain": ["centre", "lda:4", "length_norm"]},
    "simplified": {"type": "plda", "rank": 2, "chain": []},
}
HOWS = ["mean", "by_the_book", "score_mean", "score_max"]
KINDS = [(name, how) for name, config in TYPES.items() for how in backends.KINDS[config["type"]].ENROL]


def backend(name: str, how: str) -> Backend:
    return fitted(X, SPEAKERS, **TYPES[name], enrol=how)


@pytest.mark.parametrize("name", TYPES)
def test_mean_and_largest_of_the_scores(name: str) -> None:
    alone = scores_of(backend(name, "mean"), X, np.arange(60)[:, None], X)
    mean, largest = (scores_of(backend(name, how), X, GROUPS, X) for how in ("score_mean", "score_max"))
    np.testing.assert_allclose(mean, [alone[group].mean(axis=0) for group in GROUPS], atol=1e-9)
    np.testing.assert_allclose(largest, [alone[group].max(axis=0) for group in GROUPS], atol=1e-9)


@pytest.mark.parametrize("name, how", KINDS)
def test_order_of_utterances_does_not_matter(name: str, how: str) -> None:
    model = backend(name, how)
    turned = [group[::-1] for group in GROUPS[:3]] + [[17, 59, 20, 3]]
    np.testing.assert_allclose(scores_of(model, X, GROUPS, X), scores_of(model, X, turned, X), atol=1e-9)


@pytest.mark.parametrize("name, how", KINDS)
def test_of_one_utterance_all_are_the_same(name: str, how: str) -> None:
    singles = np.arange(60)[:, None]
    expected = scores_of(backend(name, "mean"), X, singles, X)
    np.testing.assert_allclose(scores_of(backend(name, how), X, singles, X), expected, atol=1e-9)


def test_mean_on_paper() -> None:
    """Cosine: of unit vectors, so that length does not count; PLDA without a chain: that of the book."""
    x = np.array([[3.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    assert scores_of(Cosine(), x, [[0, 1]], x[2:])[0, 0] == pytest.approx(1)
    scores = [scores_of(fitted(X, SPEAKERS, **PLAIN | {"enrol": how}), X, GROUPS, X) for how in HOWS[:2]]
    np.testing.assert_allclose(*scores, atol=1e-9)


def test_number_of_utterances_is_told_where_asked() -> None:
    """Kaldi's --num-utts: without it a mean of three counts as one utterance."""
    chain = {"type": "plda", "chain": ["centre"]}
    told, untold = (fitted(X, SPEAKERS, **chain, num_utts=flag) for flag in (True, False))
    assert np.abs(scores_of(told, X, GROUPS[:1], X) - scores_of(untold, X, GROUPS[:1], X)).max() > 0.1
    means = np.stack([X[group].mean(axis=0) for group in GROUPS])
    as_one = scores_of(told, means, np.arange(4)[:, None], X)
    np.testing.assert_allclose(scores_of(untold, X, GROUPS, X), as_one, atol=1e-9)


@pytest.mark.parametrize("name, how", KINDS)
def test_cohort_of_the_same_vectors_is_the_transposed_matrix(name: str, how: str) -> None:
    """Every back-end is symmetric in single utterances, which score normalisation relies on."""
    scores = scores_of(backend(name, how), X, np.arange(60)[:, None], X)
    np.testing.assert_allclose(scores, scores.T, atol=1e-6)


@given(st.data(), st.sampled_from(["mean", "score_max"]))
@settings(max_examples=60, deadline=None)
def test_pairs_are_those_of_the_matrix(data: st.DataObject, how: str) -> None:
    """In blocks of the whole matrix where the list is dense, else gathered; in blocks of any size."""
    model = backend("plda", how)
    groups = [data.draw(st.lists(st.integers(0, 59), min_size=1, max_size=3)) for _ in range(7)]
    enrol, test = model.enrol(X, [np.array(group) for group in groups]), model.test(X)
    pairs = data.draw(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 59)), min_size=1, max_size=80))
    e, t = np.array(pairs).T
    expected = score_matrix(enrol, test)[e, t]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sides, "BLOCK_BYTES", data.draw(st.sampled_from([1, 1000, 2000, 1 << 20])))
        for dense_pairs in (0, 1 << 20):
            patch.setattr(sides, "DENSE_PAIRS", dense_pairs)
            np.testing.assert_allclose(scores_of_pairs(Pairs(enrol, test, e, t)), expected, rtol=1e-10, atol=1e-10)


def test_sparse_lists_are_gathered(monkeypatch) -> None:
    """A matrix of 10,000 x 10,000 for three trials would take 800 MB."""
    monkeypatch.setattr(sides, "score_matrix", None)
    side = Side(np.arange(20_000.0).reshape(10_000, 2), np.ones(10_000))
    pairs = Pairs(side, side, np.array([0, 1, 9]), np.array([0, 2, 9_999]))
    assert scores_of_pairs(pairs).tolist() == [3, 25, 739947]


@pytest.mark.parametrize("part", [slice(1, 3), np.array([3, 0, 0]), np.array([2]), slice(0, 0)], ids=str)
def test_a_part_of_a_side(part: slice | np.ndarray) -> None:
    """Of several rows a model, and of one."""
    for how in ("mean", "score_max"):
        model = backend("plda", how)
        enrol, test = model.enrol(X, [np.array(group) for group in GROUPS]), model.test(X)
        np.testing.assert_allclose(score_matrix(enrol.take(part), test), score_matrix(enrol, test)[part], atol=1e-12)
        assert len(enrol.take(part)) == len(np.arange(4)[part])


@pytest.mark.parametrize("name, how", KINDS)
def test_file_gives_the_same_scores(tmp_path, name: str, how: str) -> None:
    model = backend(name, how)
    save(tmp_path / "b.npz", model)
    again = load(tmp_path / "b.npz")
    assert (again.kind, again.facts, again.chain.steps) == (model.kind, model.facts, model.chain.steps)
    np.testing.assert_array_equal(scores_of(model, X, GROUPS, X), scores_of(again, X, GROUPS, X))


def test_files_that_are_none(tmp_path) -> None:
    save(tmp_path / "plda.npz", backend("plda", "mean"))
    save_failure(tmp_path / "failed.npz", "too few speakers")
    with pytest.raises(SreError, match="^too few speakers$"):
        load(tmp_path / "failed.npz")
    (tmp_path / "damaged.npz").write_bytes((tmp_path / "plda.npz").read_bytes()[:200])
    with pytest.raises(SreError, match="damaged.npz: not a back-end file"):
        load(tmp_path / "damaged.npz")
    (tmp_path / "e.scp").write_text("a e.ark:2\n")
    with pytest.raises(SreError, match=r"e.scp: not a back-end file \(an npz is needed, or Kaldi's plda, whole\); tr"):
        load(tmp_path / "e.scp")
    with pytest.raises(SreError, match="nowhere.npz: no such back-end; train it first, or write cosine"):
        load(tmp_path / "nowhere.npz")
