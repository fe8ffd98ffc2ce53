"""Two-covariance PLDA against the joint Gaussian it stands for, and what it says of data it cannot be fitted on."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from simulated import PLAIN, fitted, joint_ratio, likelihood, scores_of, small_data, speech

from sre import SreError
from sre.backends import Plda
from sre.backends.sides import check_speakers
from sre.backends.two_covariance import WITHIN_FLOOR, fit_two_covariance


def covariances(model: Plda) -> tuple[np.ndarray, np.ndarray]:
    """W and B of the transform that makes them 1 and psi."""
    inverse = np.linalg.inv(model.parts["plda_transform"])
    return inverse @ inverse.T, inverse @ np.diag(model.parts["plda_psi"]) @ inverse.T


@pytest.mark.parametrize("enrolment", [1, 3])
def test_score_is_the_joint_likelihood_ratio(enrolment: int) -> None:
    x, speakers = speech(20, 5, 4)
    model = fitted(x, speakers, **PLAIN)
    groups = [np.arange(enrolment), np.arange(5, 5 + enrolment)]
    parameters = model.parts["plda_mean"], *covariances(model)
    expected = [[joint_ratio(x[group], x[test], *parameters) for test in (4, 50)] for group in groups]
    np.testing.assert_allclose(scores_of(model, x, groups, x[[4, 50]]), expected, rtol=1e-8, atol=1e-8)


@given(st.integers(0, 99), st.integers(0, 99), st.booleans(), st.booleans())
@settings(max_examples=20, deadline=None)
def test_symmetric(a: int, b: int, length_norm: bool, scale: bool) -> None:
    x, speakers = speech(20, 5, 4)
    chain = ["centre"] + ["length_norm"] * length_norm
    scores = scores_of(fitted(x, speakers, type="plda", chain=chain, scale=scale), x, [[a], [b]], x[[a, b]])
    assert scores[0, 1] == pytest.approx(scores[1, 0], abs=1e-9)


def test_the_true_covariances_are_found() -> None:
    draw = np.random.default_rng(0)
    speaker, residual = np.array([4.0, 0.25]), np.array([1.0, 0.5])  # standard deviations 2, 1/2; 1, 0.7
    x = np.repeat(draw.normal(size=(2000, 2)) * np.sqrt(speaker), 4, axis=0)
    x = x + draw.normal(size=x.shape) * np.sqrt(residual)
    model = fitted(x, np.repeat(np.arange(2000), 4), **PLAIN, iterations=30)
    np.testing.assert_allclose(model.parts["plda_psi"], speaker / residual, rtol=0.1)


def test_last_likelihood_is_that_of_the_data() -> None:
    counts = [1, 4, 2, 1, 3]  # unequal, and speakers of one utterance
    x, speakers = speech(5, 4, 3)
    rows = np.concatenate([4 * speaker + np.arange(count) for speaker, count in enumerate(counts)])
    x, speakers = x[rows], speakers[rows]
    model, facts = fit_two_covariance(x, speakers, 3)
    expected = likelihood(x, speakers, model.mean, model.W, model.B)
    assert facts["log_likelihood"][-1] == pytest.approx(expected, rel=1e-10)


@given(small_data(["none", "duplicates", "constant_dimension", "offset", "one_line"]))
@settings(max_examples=60, deadline=None)
def test_likelihood_never_falls(data: tuple[np.ndarray, np.ndarray]) -> None:
    x, speakers = data[0].astype(np.float64), data[1]
    try:
        check_speakers(x, speakers, "PLDA")
    except SreError:
        assume(False)
    model, facts = fit_two_covariance(x, speakers, 20)
    rounding = 1e-9 if np.linalg.cond(model.W) < 1e6 else 1e-6
    assert (np.diff(facts["log_likelihood"]) >= -rounding * np.abs(facts["log_likelihood"][1:])).all()


@pytest.mark.parametrize("chain", [[], ["lda:3"]], ids=["plda", "lda"])
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
def test_cannot_be_fitted(embeddings: np.ndarray, speakers: list[str], sentence: str, chain: list[str]) -> None:
    with pytest.raises(SreError, match=sentence):
        fitted(embeddings, np.array(speakers), type="plda", chain=chain)


def test_singular_within_covariance() -> None:
    """It was numpy's LinAlgError: without variance W shrinks by speakers/utterances an iteration.

    Embeddings turned into a space of more dimensions score as before, but for a constant.
    """
    x, speakers = speech(4, 100, 6)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(20, 6)))[0]
    scores = []
    for embeddings, floored in ((x, 0), (x @ rotation.T, 14)):
        model = fitted(embeddings, speakers, **PLAIN, iterations=100)
        assert model.facts["within_floored"] == floored
        scores.append(scores_of(model, embeddings, [[0], [100], [200]], embeddings))
    np.testing.assert_allclose(scores[1] - scores[1].mean(), scores[0] - scores[0].mean(), atol=1e-5)
    W = covariances(model)[0]
    assert np.linalg.eigvalsh(W).max() * WITHIN_FLOOR <= 1.01 * np.linalg.eigvalsh(W).min()
    fitted(x @ rotation.T, speakers, type="plda", chain=["length_norm"], iterations=100)


def test_facts_say_what_was_asked_and_used() -> None:
    x, speakers = speech(5, 4, 30)  # fewer utterances than dimensions
    facts = fitted(x, speakers, type="plda", chain=["centre", "lda:128", "length_norm"], num_utts=False).facts
    assert (facts["embeddings"], facts["speakers"], facts["lda_dim_asked"]) == (20, 5, 128)
    assert facts["lda_dim"] == 4  # 5 speakers differ in 4 directions
    assert (facts["enrol"], facts["scale"], facts["num_utts"]) == ("mean", True, False)
