"""Adaptation of PLDA against the formulas, written out another way, and on paper."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import linalg
from simulated import PLAIN, backend_config, fitted, scores_of, speech

from sre import SreError
from sre.backends import fit
from sre.backends.adapt import adapt
from sre.backends.two_covariance import Gaussian, fit_two_covariance

D = 5


def source(seed: int) -> Gaussian:
    draw = np.random.default_rng(seed)
    W, B = (square @ square.T / D for square in draw.normal(size=(2, D, D + 3)))
    return Gaussian(draw.normal(size=D), W, B)


def target(covariance: np.ndarray, mean: np.ndarray | float = 0.0, seed: int = 0) -> np.ndarray:
    """(40, D) embeddings that have exactly this covariance and mean."""
    x = np.random.default_rng(seed).normal(size=(40, len(covariance)))
    x = linalg.solve_triangular(linalg.cholesky(np.cov(x.T, bias=True), lower=True), (x - x.mean(axis=0)).T, lower=True)
    return (linalg.cholesky(covariance, lower=True) @ x).T + mean


def random_target(seed: int) -> np.ndarray:
    square = np.random.default_rng(100 + seed).normal(size=(D, D + 3))
    return target(2 * square @ square.T / D, mean=np.arange(D), seed=seed)


def raised(X: np.ndarray, Y: np.ndarray, weight: float) -> np.ndarray:
    """X plus `weight` of the generalised eigenvalues of (Y, X) over 1."""
    values, V = linalg.eigh(Y, X)  # V' X V = 1, V' Y V = diag(values)
    inverse = linalg.inv(V)
    return X + weight * inverse.T @ np.diag(np.maximum(values - 1, 0)) @ inverse


def least(matrix: np.ndarray) -> float:
    return np.linalg.eigvalsh(matrix).min()


@pytest.mark.parametrize("seed", range(3))
def test_coral(seed: int) -> None:
    model, x = source(seed), random_target(seed)
    C = np.cov(x.T, bias=True)
    A = linalg.sqrtm(C) @ linalg.inv(linalg.sqrtm(model.W + model.B))
    new = adapt(model, x, "coral", 0, 0)
    np.testing.assert_allclose(new.W, A @ model.W @ A.T, atol=1e-9)
    np.testing.assert_allclose(new.B, A @ model.B @ A.T, atol=1e-9)
    np.testing.assert_allclose(new.W + new.B, C, atol=1e-9)  # what CORAL is for
    np.testing.assert_allclose(new.mean, np.arange(D), atol=1e-12)


@pytest.mark.parametrize("within, between", [(0.75, 0.25), (1.0, 1.0), (0.0, 0.5)])
def test_coral_plus(within: float, between: float) -> None:
    model, x = source(1), random_target(1)
    coral = adapt(model, x, "coral", 0, 0)
    new = adapt(model, x, "coral_plus", within, between)
    np.testing.assert_allclose(new.W, raised(model.W, coral.W, within), atol=1e-9)
    np.testing.assert_allclose(new.B, raised(model.B, coral.B, between), atol=1e-9)
    assert not np.allclose(coral.W, raised(model.W, coral.W, 1))  # some variance would have been taken away


@given(st.integers(0, 500), st.sampled_from(["coral_plus", "kaldi"]), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_no_variance_is_taken_away(seed: int, method: str, within: float, between: float) -> None:
    model, x = source(seed), random_target(seed + 1)
    new = adapt(model, x, method, within, between)
    assert least(new.W - model.W) >= -1e-9 and least(new.B - model.B) >= -1e-9
    for covariance in (new.W, new.B):
        np.testing.assert_array_equal(covariance, covariance.T)


@pytest.mark.parametrize("method", ["coral_plus", "kaldi"])
def test_a_target_inside_changes_the_mean_only(method: str) -> None:
    model = source(2)
    new = adapt(model, target(0.5 * (model.W + model.B), model.mean), method, 0.75, 0.25)
    for ours, theirs in zip((new.mean, new.W, new.B), (model.mean, model.W, model.B), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_coral_plus_on_paper() -> None:
    """Total variances 2, 2; target 8, 0.5: CORAL scales W = B = 1 by 4 and 1/4, CORAL+ adds half of 3 and nothing."""
    model = Gaussian(np.zeros(2), np.eye(2), np.eye(2))
    x = target(np.diag([8.0, 0.5]))
    np.testing.assert_allclose(adapt(model, x, "coral", 0, 0).W, np.diag([4, 0.25]), atol=1e-9)
    new = adapt(model, x, "coral_plus", 0.5, 1.0)
    np.testing.assert_allclose(new.W, np.diag([2.5, 1]), atol=1e-9)
    np.testing.assert_allclose(new.B, np.diag([4, 1]), atol=1e-9)


def test_kaldi_on_paper() -> None:
    """Target 6 + the mean's 2² against a total of 2: 8 beyond it, shared out three to one."""
    model = Gaussian(np.zeros(2), np.eye(2), np.eye(2))
    new = adapt(model, target(np.diag([6.0, 0.5]), mean=np.array([2.0, 0])), "kaldi", 0.75, 0.25)
    np.testing.assert_allclose(new.W, np.diag([1 + 6, 1]), atol=1e-9)
    np.testing.assert_allclose(new.B, np.diag([1 + 2, 1]), atol=1e-9)


def test_kaldi_takes_up_all_of_the_excess() -> None:
    """Shares that sum to one: in no direction has the target more variance than the model."""
    model, x = source(3), random_target(3)
    new = adapt(model, x, "kaldi", 0.75, 0.25)
    shift = np.outer(new.mean - model.mean, new.mean - model.mean)
    covariance = np.cov(x.T, bias=True) + shift
    np.testing.assert_allclose(new.W + new.B, raised(model.W + model.B, covariance, 1), atol=1e-9)
    assert least(new.W + new.B - covariance) >= -1e-9


@pytest.mark.parametrize("rank", [0, 2], ids=["two_covariance", "subspace"])
@pytest.mark.parametrize("method", ["kaldi", "coral", "coral_plus"])
def test_as_a_back_end(method: str, rank: int) -> None:
    """What the config asks for is what is scored with: the model in the chain's space, adapted there."""
    (x, speakers), (other, _) = speech(20, 5, D), speech(10, 4, D, seed=9)
    plain = fitted(x, speakers, **PLAIN, rank=rank)
    adapted = fitted(x, speakers, other, **PLAIN, rank=rank, adapt={"method": method})
    assert adapted.facts["adapt"] == {"method": method, "within": 0.75, "between": 0.25}
    assert adapted.facts["adapt_embeddings"] == 40
    np.testing.assert_allclose(adapted.parts["plda_mean"], other.mean(axis=0))
    assert np.abs(scores_of(adapted, x, [[0]], x) - scores_of(plain, x, [[0]], x)).max() > 0.1
    if not rank:
        model = adapt(fit_two_covariance(x, speakers, 10)[0], other, method, 0.75, 0.25)
        np.testing.assert_allclose(adapted.parts["plda_psi"], model.diagonalised()[1])


def test_without_an_adaptation_set() -> None:
    x, speakers = speech(20, 5, D)
    with pytest.raises(SreError, match="^PLDA's adaptation needs an adaptation set; give its embeddings"):
        fit(backend_config(type="plda", adapt={"method": "coral"}), x, speakers)


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_embeddings(rows: int) -> None:
    x, speakers = speech(20, 5, D)
    with pytest.raises(SreError, match=f"^the adaptation set has {rows} embeddings; give at least two"):
        fitted(x, speakers, x[:rows], type="plda", adapt={"method": "kaldi"})


def test_fewer_embeddings_than_dimensions() -> None:
    """The target's covariance is singular: CORAL must not make the model so."""
    x, speakers = speech(20, 5, D)
    for method in ("kaldi", "coral", "coral_plus"):
        model = fitted(x, speakers, x[:3], type="plda", adapt={"method": method})
        assert np.isfinite(scores_of(model, x, [[0], [1, 2]], x)).all()
