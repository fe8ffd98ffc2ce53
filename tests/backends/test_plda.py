"""PLDA against the joint Gaussian it stands for, and what it says of data it cannot be fitted on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from sre import SreError
from sre.backends import LdaPlda, fit, load, save
from sre.backends.base import score_matrix
from sre.backends.files import save_failure

PLAIN = {"type": "plda", "centre": False, "lda_dim": 0, "length_norm": False, "iterations": 10}


def speech(speakers: int, utterances: int, dimension: int, rank: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of speakers + noise; of the given rank."""
    draw = np.random.default_rng(speakers)
    rank = rank or dimension
    x = np.repeat(2 * draw.normal(size=(speakers, rank)), utterances, axis=0)
    x = (x + draw.normal(size=x.shape)) @ draw.normal(size=(rank, dimension))
    return x + 0.3, np.repeat([f"s{s:02}" for s in range(speakers)], utterances)


def joint_ratio(model: LdaPlda, enrol: np.ndarray, test: np.ndarray) -> float:
    """log p(test, enrol | one speaker) - log p(test) p(enrol), all utterances of it in one Gaussian vector."""
    inverse = np.linalg.inv(model.parts["plda_transform"])
    W, B = inverse @ inverse.T, inverse @ np.diag(model.parts["plda_psi"]) @ inverse.T
    x = np.vstack([enrol, test[None]]) - model.parts["plda_mean"]
    n, D = x.shape

    def log_density(rows: np.ndarray) -> float:
        covariance = np.kron(np.ones((len(rows), len(rows))), B) + np.kron(np.eye(len(rows)), W)
        return multivariate_normal(np.zeros(len(rows) * D), covariance).logpdf(rows.ravel())

    return log_density(x) - log_density(x[:-1]) - log_density(x[-1:])


@pytest.mark.parametrize("enrolment", [1, 3])
def test_score_is_the_joint_likelihood_ratio(enrolment: int) -> None:
    x, speakers = speech(20, 5, 4)
    model = fit(PLAIN, x, speakers)
    groups = [np.arange(enrolment), np.arange(5, 5 + enrolment)]
    scores = score_matrix(model.enrol(x, groups), model.test(x[[4, 50]]))
    expected = [[joint_ratio(model, x[group], x[test]) for test in (4, 50)] for group in groups]
    np.testing.assert_allclose(scores, expected, rtol=1e-8, atol=1e-8)


@given(st.integers(0, 99), st.integers(0, 99), st.booleans())
@settings(max_examples=20, deadline=None)
def test_symmetric(a: int, b: int, length_norm: bool) -> None:
    x, speakers = speech(20, 5, 4)
    model = fit({**PLAIN, "length_norm": length_norm, "centre": True}, x, speakers)
    scores = score_matrix(model.enrol(x, [[a], [b]]), model.test(x[[a, b]]))
    assert scores[0, 1] == pytest.approx(scores[1, 0], abs=1e-9)


def test_the_true_covariances_are_found() -> None:
    draw = np.random.default_rng(0)
    speaker, residual = np.array([4.0, 0.25]), np.array([1.0, 0.5])  # standard deviations 2, 1/2; 1, 0.7
    x = np.repeat(draw.normal(size=(2000, 2)) * np.sqrt(speaker), 4, axis=0)
    x = x + draw.normal(size=x.shape) * np.sqrt(residual)
    model = fit({**PLAIN, "iterations": 30}, x, np.repeat(np.arange(2000), 4))
    np.testing.assert_allclose(model.parts["plda_psi"], speaker / residual, rtol=0.1)


@pytest.mark.parametrize("lda_dim", [0, 3])
@pytest.mark.parametrize(
    "embeddings, speakers, sentence",
    [
        (np.eye(4), ["a", "a", "a", "a"], "needs at least 2 speakers and one with 2 utterances, there are 1 speakers"),
        (np.eye(4), ["a", "b", "c", "d"], "there are 4 speakers of 4 utterances"),
        (np.where(np.eye(4) == 1, np.nan, 0), ["a", "a", "b", "b"], "embedding number 0 has NaN"),
        (np.full((4, 3), 0.1, np.float32), ["a", "a", "b", "b"], "the model has collapsed"),
        (np.eye(2).repeat(2, axis=0), ["a", "a", "b", "b"], "the within-class covariance is zero"),
    ],
    ids=["one_speaker", "one_utterance_each", "nan", "constant", "constant_in_speaker"],
)
def test_cannot_be_fitted(embeddings: np.ndarray, speakers: list[str], sentence: str, lda_dim: int) -> None:
    with pytest.raises(SreError, match=sentence):
        fit({**PLAIN, "lda_dim": lda_dim}, embeddings, np.array(speakers))


def test_singular_within_covariance() -> None:
    """It was numpy's LinAlgError: without variance W shrinks by speakers/utterances an iteration.

    Embeddings turned into a space of more dimensions score as before, but for a constant.
    """
    x, speakers = speech(4, 100, 6)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(20, 6)))[0]
    scores = []
    for embeddings, floored in ((x, 0), (x @ rotation.T, 14)):
        model = fit({**PLAIN, "iterations": 100}, embeddings, speakers)
        assert model.facts["within_floored"] == floored
        scores.append(score_matrix(model.enrol(embeddings, [[0], [100], [200]]), model.test(embeddings)))
    np.testing.assert_allclose(scores[1] - scores[1].mean(), scores[0] - scores[0].mean(), atol=1e-5)
    fit({**PLAIN, "length_norm": True, "iterations": 100}, x @ rotation.T, speakers)


def test_lda_dimension_is_that_of_the_data() -> None:
    model = fit({**PLAIN, "lda_dim": 128}, *speech(5, 4, 30))  # fewer utterances than dimensions
    assert (model.facts["lda_dim_asked"], model.facts["lda_dim"]) == (128, 4)  # 5 speakers differ in 4 directions
    assert fit({**PLAIN, "lda_dim": 9}, *speech(20, 5, 30, rank=6)).facts["lda_dim"] == 6


def test_file_gives_the_same_scores(tmp_path) -> None:
    x, speakers = speech(10, 4, 6)
    model = fit({**PLAIN, "lda_dim": 3, "centre": True, "length_norm": True}, x, speakers)
    save(tmp_path / "plda.npz", model)
    again = load(tmp_path / "plda.npz")
    groups = [np.array([0, 1]), np.array([5])]
    np.testing.assert_array_equal(
        score_matrix(model.enrol(x, groups), model.test(x)), score_matrix(again.enrol(x, groups), again.test(x))
    )
    with pytest.raises(SreError, match="embeddings of dimension 5, the plda back-end was fitted on 6"):
        again.test(x[:, :5])
    save_failure(tmp_path / "failed.npz", "too few speakers")
    with pytest.raises(SreError, match="^too few speakers$"):
        load(tmp_path / "failed.npz")
    (tmp_path / "damaged.npz").write_bytes((tmp_path / "plda.npz").read_bytes()[:200])
    with pytest.raises(SreError, match="not a back-end file"):
        load(tmp_path / "damaged.npz")
