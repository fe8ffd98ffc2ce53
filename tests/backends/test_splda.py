"""PLDA of a subspace: Gaussian against the joint Gaussian, heavy-tailed against its formula and its Gaussian limit."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from simulated import PLAIN, fitted, joint_ratio, likelihood, scores_of, small_data, speech

from sre import SreError
from sre.backends import HeavyTailed, splda
from sre.backends.sides import check_speakers
from sre.backends.splda import Subspace, fit_subspace, precisions

HEAVY = {"type": "ht_plda", "chain": [], "rank": 2}
X, SPEAKERS = speech(20, 5, 5)
GROUPS = [[0], [5], [0, 1, 2], [10, 11, 12], [25, 3, 77]]
OUTLIER = X.mean(axis=0) + 30 * (X[7] - X.mean(axis=0))


@pytest.mark.parametrize("rank", [1, 2, 5])
def test_score_is_the_joint_likelihood_ratio(rank: int) -> None:
    model, _ = fit_subspace(X, SPEAKERS, rank, 10)
    expected = [
        [joint_ratio(X[group], X[test], model.mean, model.W, model.F @ model.F.T) for test in (4, 50)]
        for group in GROUPS
    ]
    scores = scores_of(fitted(X, SPEAKERS, **PLAIN, rank=rank), X, GROUPS, X[[4, 50]])
    np.testing.assert_allclose(scores, expected, rtol=1e-8, atol=1e-8)


def test_last_likelihood_is_that_of_the_data() -> None:
    rows = np.r_[0, 5:9, 10:12, 15, 20:23]  # 1, 4, 2, 1 and 3 utterances
    model, facts = fit_subspace(X[rows], SPEAKERS[rows], 2, 3)
    expected = likelihood(X[rows], SPEAKERS[rows], model.mean, model.W, model.F @ model.F.T)
    assert facts["log_likelihood"][-1] == pytest.approx(expected, rel=1e-10)


@given(small_data(["none", "duplicates", "constant_dimension", "offset", "one_line"]))
@settings(max_examples=60, deadline=None)
def test_likelihood_never_falls(data: tuple[np.ndarray, np.ndarray]) -> None:
    x, speakers = data[0].astype(np.float64), data[1]
    try:
        check_speakers(x, speakers, "PLDA")
    except SreError:
        assume(False)
    model, facts = fit_subspace(x, speakers, min(2, x.shape[1], len(np.unique(speakers)) - 1), 20)
    rounding = 1e-9 if np.linalg.cond(model.W) < 1e6 else 1e-6
    assert (np.diff(facts["log_likelihood"]) >= -rounding * np.abs(facts["log_likelihood"][1:])).all()


def test_flooring_costs_rounding_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """With W inverted, 8 utterances in 7 dimensions lost up to 1e5 nats in an iteration, and EM had to end there."""
    falls = []

    def all_steps(model: Subspace, step: Callable, iterations: int, floored: int) -> tuple[Subspace, dict]:
        likelihoods = []
        for _ in range(iterations):
            model, likelihood, _ = step(model)
            likelihoods.append(likelihood)
        falls.append(-np.diff(likelihoods).min())
        return model, {}

    monkeypatch.setattr(splda, "climb", all_steps)
    for seed in range(100):
        fit_subspace(*speech(4, 2, 7, seed=seed), 2, 20)
    assert max(falls) < 1e-3


def test_singular_within_covariance() -> None:
    """Embeddings turned into a space of more dimensions score as before, but for a constant."""
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(20, 5)))[0]
    scores = []
    for x, floored in ((X, 0), (X @ rotation.T, 15)):
        model = fitted(x, SPEAKERS, **PLAIN, rank=2)
        assert model.facts["within_floored"] == floored
        scores.append(scores_of(model, x, GROUPS, x))
    np.testing.assert_allclose(scores[1] - scores[1].mean(), scores[0] - scores[0].mean(), atol=1e-5)


def simulated(nu: float, speakers: int = 2000, utterances: int = 5) -> tuple[np.ndarray, np.ndarray, Subspace]:
    """Embeddings of a model of rank 2 in 6 dimensions, the residuals Student's t of nu degrees of freedom."""
    draw = np.random.default_rng(1)
    F, square = draw.normal(size=(6, 2)), draw.normal(size=(6, 6))
    W = square @ square.T / 6 + 0.1 * np.eye(6)
    z = np.repeat(draw.normal(size=(speakers, 2)), utterances, axis=0)
    precision = draw.gamma(nu / 2, 2 / nu, size=(len(z), 1)) if np.isfinite(nu) else 1
    x = z @ F.T + draw.normal(size=(len(z), 6)) @ np.linalg.cholesky(W).T / np.sqrt(precision)
    return x, np.repeat(np.arange(speakers), utterances), Subspace(np.zeros(6), F, W)


def speaker_error(model: Subspace, truth: Subspace) -> float:
    difference = model.F @ model.F.T - truth.F @ truth.F.T
    return np.linalg.norm(difference) / np.linalg.norm(truth.F @ truth.F.T)


def test_the_true_subspace_is_found() -> None:
    x, speakers, truth = simulated(np.inf)
    model, _ = fit_subspace(x, speakers, 2, 30)
    assert speaker_error(model, truth) < 0.1
    np.testing.assert_allclose(model.W, truth.W, atol=0.05 * np.abs(truth.W).max())


def test_heavy_tails_are_no_speakers() -> None:
    """Of residuals without a variance the Gaussian model takes outliers for speakers."""
    x, speakers, truth = simulated(2.0)
    assert speaker_error(fit_subspace(x, speakers, 2, 30, nu=2.0)[0], truth) < 0.1
    assert speaker_error(fit_subspace(x, speakers, 2, 30)[0], truth) > 0.2


def direct(model: HeavyTailed, subspace: Subspace, x: list[np.ndarray], test: np.ndarray) -> float:
    """Phi(a_e + a_t, b_e + b_t) - Phi(a_e, b_e) - Phi(a_t, b_t), not diagonalised, as in the paper."""
    F, precision, nu = subspace.F, np.linalg.inv(subspace.W), model.facts["nu"]
    B = F.T @ precision @ F
    G = precision - precision @ F @ np.linalg.inv(B) @ F.T @ precision

    def evidence(x: np.ndarray) -> tuple[np.ndarray, float]:
        d = x - subspace.mean
        b = np.clip((nu + len(d) - F.shape[1]) / (nu + d @ G @ d), *model.parts["b_range"])
        return b * F.T @ precision @ d, b

    def phi(a: np.ndarray, b: float) -> float:
        posterior = np.eye(len(a)) + b * B
        return 0.5 * (a @ np.linalg.solve(posterior, a) - np.linalg.slogdet(posterior)[1])

    enrol = [evidence(row) for row in x]
    (a_e, b_e), (a_t, b_t) = (sum(a for a, _ in enrol), sum(b for _, b in enrol)), evidence(test)
    return phi(a_e + a_t, b_e + b_t) - phi(a_e, b_e) - phi(a_t, b_t)


@pytest.mark.parametrize("nu", [0.5, 2.0, 100.0])
def test_heavy_tailed_is_the_direct_formula(nu: float) -> None:
    """Also of 3 utterances, of outliers, and with outliers in training, which widen the range of b."""
    x = np.vstack([X, OUTLIER])
    for rows in (slice(100), slice(101)):
        speakers = np.append(SPEAKERS, "s01")[rows]
        model = fitted(x[rows], speakers, **HEAVY, nu=nu)
        subspace, _ = fit_subspace(x[rows], speakers, 2, 10, nu)
        tests = np.vstack([X[[4, 50]], OUTLIER, 3 * OUTLIER, subspace.mean])
        groups = [*GROUPS, [100], [0, 1, 100]]
        expected = np.array([[direct(model, subspace, x[group], test) for test in tests] for group in groups])
        scores = scores_of(model, x, groups, tests)
        np.testing.assert_allclose(scores, expected, rtol=1e-7, atol=1e-7)


def test_heavy_tailed_tends_to_gaussian() -> None:
    gaussian = scores_of(fitted(X, SPEAKERS, **PLAIN, rank=2), X, GROUPS, X)
    differences = []
    for nu in (1e2, 1e4, 1e6, 1e8):
        heavy = scores_of(fitted(X, SPEAKERS, **HEAVY, nu=nu), X, GROUPS, X)
        differences.append(np.abs(heavy - gaussian).max())
    assert (np.diff(differences) < 0).all() and differences[-1] < 1e-4


def test_an_outlier_counts_for_little() -> None:
    subspace, _ = fit_subspace(X, SPEAKERS, 2, 10, nu=2.0)
    G = subspace.projection()[2]
    b = precisions(np.vstack([X, OUTLIER]) - subspace.mean, G, 2, 2.0)
    assert b[-1] < 0.1 * b[:-1].min()


def test_gram_of_the_projection() -> None:
    subspace, _ = fit_subspace(X, SPEAKERS, 2, 10)
    P, omega, G = subspace.projection()
    np.testing.assert_allclose(P @ subspace.W @ P.T, np.eye(2), atol=1e-9)
    np.testing.assert_allclose(G @ subspace.F, 0, atol=1e-9)  # nothing is far from the subspace within it
    assert omega[0] >= omega[1]


@pytest.mark.parametrize(
    "config, rank",
    [
        ({"type": "plda", "rank": 6}, 5),  # of the embeddings' dimension
        ({"type": "ht_plda", "rank": 5}, 4),  # one dimension is left to tell outliers
        ({"type": "plda", "rank": 3, "chain": ["lda:2"]}, 2),
    ],
)
def test_rank_is_that_of_the_data(config: dict, rank: int) -> None:
    facts = fitted(X, SPEAKERS, **config).facts
    assert (facts["rank_asked"], facts["rank"]) == (config["rank"], rank)
    assert fitted(X[:15], SPEAKERS[:15], **config).facts["rank"] <= 2  # 3 speakers


def test_no_subspace() -> None:
    with pytest.raises(SreError, match="no speaker subspace fits in 1 dimensions"):
        fitted(X, SPEAKERS, type="ht_plda", rank=1, chain=["lda:1"])


def test_precisions_stay_near_those_of_training() -> None:
    """The scores are interpolated in b; what is further out than training counts as its furthest there, times 2."""
    model = fitted(X, SPEAKERS, **HEAVY)
    subspace, _ = fit_subspace(X, SPEAKERS, 2, 10, nu=2.0)
    b = precisions(X - subspace.mean, subspace.projection()[2], 2, 2.0)
    np.testing.assert_allclose(model.parts["b_range"], [b.min() / 2, b.max() * 2])
