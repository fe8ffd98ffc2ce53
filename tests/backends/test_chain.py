"""Each step of a chain does what its name says, in the order of the config, and says what it could not do."""

import numpy as np
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import fitted, shortest, speech
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from sre import SreError
from sre.backends import KINDS
from sre.backends.chain import STEPS as REGISTERED
from sre.backends.chain import Step, apply_step, fit_chain

X, SPEAKERS = speech(12, 6, 5)


def within(x: np.ndarray, speakers: np.ndarray) -> np.ndarray:
    """Mean over all embeddings of (x - its speaker's mean)(…)'."""
    total = np.zeros((x.shape[1], x.shape[1]))
    for speaker in np.unique(speakers):
        difference = x[speakers == speaker] - x[speakers == speaker].mean(axis=0)
        total += difference.T @ difference
    return total / len(x)


@pytest.mark.parametrize("step", ["whiten:pca", "whiten:zca"])
def test_whitening_makes_the_covariance_the_unit_matrix(step: str) -> None:
    out = fit_chain([step], X, SPEAKERS)
    np.testing.assert_allclose(np.cov(out.train.T, bias=True), np.eye(5), atol=1e-9)
    np.testing.assert_allclose(out.train.mean(axis=0), 0, atol=1e-9)
    assert out.facts["whiten_floored"] == 0


def test_pca_along_its_axes_and_zca_turned_back() -> None:
    pca, zca = (fit_chain([f"whiten:{kind}"], X, SPEAKERS).chain.arrays[0][:, :-1] for kind in ("pca", "zca"))
    covariance = np.cov(X.T, bias=True)
    along = pca @ covariance @ np.linalg.pinv(pca)  # diagonal where the rows are eigenvectors
    np.testing.assert_allclose(along, np.diag(np.diag(along)), atol=1e-9 * np.abs(along).max())
    np.testing.assert_allclose(zca, zca.T, atol=1e-12)
    np.testing.assert_allclose(zca @ zca, np.linalg.inv(covariance), rtol=1e-8, atol=1e-10)
    assert (np.linalg.eigvalsh(zca) > 0).all()  # so it is the inverse square root


def test_wccn_makes_the_within_class_covariance_the_unit_matrix() -> None:
    out = fit_chain(["wccn"], X, SPEAKERS)
    np.testing.assert_allclose(within(out.train, SPEAKERS), np.eye(5), atol=1e-9)
    assert out.facts["wccn_floored"] == 0


def test_lda_is_sklearn_s_up_to_signs() -> None:
    rows = np.r_[0:6, 6:9, 12:72]  # unequal counts
    x, speakers = X[rows], SPEAKERS[rows]
    out = fit_chain(["lda:3"], x, speakers)
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(x, speakers)
    expected = (x - x.mean(axis=0)) @ theirs.scalings_[:, :3]
    signs = np.sign(np.sum(out.train * expected, axis=0))
    np.testing.assert_allclose(signs * out.train, expected, atol=1e-8)
    np.testing.assert_allclose(within(out.train, speakers), np.eye(3), atol=1e-9)


def test_shrunk_lda_solves_its_eigenproblem() -> None:
    """B v = lambda W v for the W that was asked for: v' W v is the unit matrix, v' B v diagonal and falling."""
    out = fit_chain(["lda:3:0.2"], X, SPEAKERS)
    W = within(X, SPEAKERS)
    shrunk = 0.8 * W + 0.2 * np.trace(W) / 5 * np.eye(5)
    values = scipy.linalg.eigh(np.cov(X.T, bias=True) - W, shrunk, eigvals_only=True)
    V = out.chain.arrays[0][:, :-1]
    np.testing.assert_allclose(V @ shrunk @ V.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(V @ (np.cov(X.T, bias=True) - W) @ V.T, np.diag(values[::-1][:3]), atol=1e-9)
    assert out.facts["lda_shrinkage"] == 0.2


def test_lda_dimension_is_that_of_the_data() -> None:
    assert fit_chain(["lda:9"], *speech(5, 4, 30)).facts["lda_dim"] == 4  # 5 speakers differ in 4 directions
    assert fit_chain(["lda:9"], *speech(20, 5, 30, rank=6)).facts["lda_dim"] == 6


def test_order() -> None:
    """On paper: mean [1, 1]; the lengths are 2 and 4, and 1 and 1 after centring."""
    x, speakers = np.array([[2.0, 0.0], [0.0, 2.0], [0.0, 4.0]])[[0, 1]], np.array(["a", "b"])
    one = fit_chain(["centre", "length_norm"], x, speakers)
    np.testing.assert_allclose(one.train, [[1, -1], [-1, 1]])
    other = fit_chain(["length_norm", "centre"], 2 * x + [[0, 0], [0, 4]], speakers)  # [4, 0], [0, 8]
    np.testing.assert_allclose(other.train, np.sqrt(0.5) * np.array([[1, -1], [-1, 1]]))
    assert (other.chain.steps, other.facts["chain"]) == (["length_norm", "centre"],) * 2


STEPS = ["centre", "length_norm", "whiten:pca", "whiten:zca", "wccn", "lda:4", "lda:2", "lda:3:0.1"]


@given(st.lists(st.sampled_from(STEPS), max_size=4))
@settings(max_examples=40, deadline=None)
def test_any_chain_is_its_steps_one_by_one(steps: list[str]) -> None:
    """Each is fitted on the output of the last, and training goes the way that embeddings of a test go."""
    out, x, adapt = fit_chain(steps, X, SPEAKERS, X[:9] + 1), X, X[:9] + 1
    for step in steps:
        one = fit_chain([step], x, SPEAKERS)
        x, adapt = one.train, one.chain.apply(adapt)
    np.testing.assert_allclose(out.train, x, atol=1e-9)
    np.testing.assert_allclose(out.adapt, adapt, atol=1e-9)
    np.testing.assert_allclose(out.chain.apply(X), x, atol=1e-9)
    assert out.chain.steps == steps and out.chain.dimension in (None, 5)


def test_centre_adapt() -> None:
    """Training by its own mean, the rest by the adaptation set's."""
    adapt = X[:9] + 3
    out = fit_chain(["centre:adapt", "lda:2"], X, SPEAKERS, adapt)
    np.testing.assert_allclose(out.train, fit_chain(["centre", "lda:2"], X, SPEAKERS).train)
    np.testing.assert_allclose(out.adapt.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_array_equal(out.chain.arrays[0], adapt.mean(axis=0))
    np.testing.assert_allclose(out.chain.apply(adapt), out.adapt)
    with pytest.raises(SreError, match="^chain step centre:adapt needs an adaptation set; give its embeddings"):
        fit_chain(["centre:adapt"], X, SPEAKERS)


def test_floors_are_recorded() -> None:
    """Of 30 dimensions, 6 have variance; what is raised to 1e-6 of the largest is counted, and nothing is infinite."""
    x, speakers = speech(20, 5, 30, rank=6)
    out = fit_chain(["whiten:pca", "wccn"], x, speakers)
    assert (out.facts["whiten_floored"], out.facts["wccn_floored"]) == (24, 24)
    assert np.isfinite(out.train).all()
    assert fit_chain(["lda:3"], x, speakers).facts["lda_floored"] == 24
    covariance = np.cov(x.T, bias=True)
    transform = fit_chain(["whiten:pca"], x, speakers).chain.arrays[0][:, :-1]
    scale = np.linalg.norm(transform, axis=1).max() ** 2  # 1 / the least variance that is believed
    assert scale == pytest.approx(1 / (1e-6 * np.linalg.eigvalsh(covariance).max()))


@pytest.mark.parametrize("chain", [["centre"], ["length_norm", "whiten:zca"], ["lda:2"], ["length_norm"], []])
@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.SHAPES])
def test_embeddings_of_another_dimension(chain: list[str], kind: str) -> None:
    backend = fitted(X, SPEAKERS, **shortest(kind, 1), chain=chain)
    sentence = "^embeddings of dimension 4, the back-end was fitted on 5; fit it on embeddings of this model$"
    with pytest.raises(SreError, match=sentence):
        backend.test(X[:, :4])
    with pytest.raises(SreError, match=sentence):
        backend.enrol(X[:, :4], [np.array([0, 1])])


@pytest.mark.parametrize("chain", [["centre"], ["centre:adapt"], ["length_norm"], []])
def test_adaptation_set_of_another_dimension(chain: list[str]) -> None:
    with pytest.raises(SreError, match="^adaptation embeddings of dimension 4, those of training have 5; give both"):
        fitted(X, SPEAKERS, X[:, :4], type="plda", chain=chain, adapt={"method": "coral"})


def test_a_step_without_an_array_is_not_taken_for_length_norm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REGISTERED, "wccn", Step(lambda *_: (np.empty(0), {}), 1, ("wccn",)))
    with pytest.raises(ValueError, match=r"^chain_1 of shape \(0,\) is none of step 'wccn'"):
        fit_chain(["centre", "wccn"], X, SPEAKERS)


def test_length_norm_of_nothing() -> None:
    with pytest.raises(SreError, match="^embedding number 1 has length 0, so it has no direction"):
        apply_step(np.empty(0), np.array([[1.0, 2.0], [0.0, 0.0]]))


@pytest.mark.parametrize("step", ["lda:2", "wccn"])
def test_needs_speakers(step: str) -> None:
    with pytest.raises(SreError, match="needs at least 2 speakers and one with 2 utterances, there are 3 speakers"):
        fit_chain([step], X[:3], np.array(["a", "b", "c"]))
