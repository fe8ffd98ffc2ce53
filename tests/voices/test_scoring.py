"""A packed system's scores are those of the score stage's own functions, by pairs and by matrix, with every norm."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre import SreError
from sre.backends import METHODS, Cohort, Pairs, fit, normalise, scores_of_pairs
from sre.backends.calibration import Calibration
from sre.backends.norm import cohort_means
from sre.backends.quality import MEASURES, side_measures, trial_measures
from sre.io.embeddings import Embeddings
from sre.voices import scoring
from sre.voices.scoring import Combined, Norm, Plain, System

D = 6
DRAW = np.random.default_rng(0)
SPEAKERS = np.repeat(np.arange(10), 6)
TRAINING = DRAW.normal(size=(10, D))[SPEAKERS] + 0.5 * DRAW.normal(size=(60, D))
COHORT = DRAW.normal(size=(15, D))
PLDA = fit({"type": "plda", "chain": ["centre", "lda:4", "length_norm"]}, TRAINING, SPEAKERS)
COSINE = fit({"type": "cosine"}, TRAINING, SPEAKERS)
WHOLE = slice(0, D)


def trials(models: int = 5, tests: int = 7) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    e, t = (index.ravel() for index in np.indices((models, tests)))
    return DRAW.normal(size=(models, D)), DRAW.normal(size=(tests, D)), e, t


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("top_n", [None, 4, 0])
def test_norms_are_those_of_the_score_stage(method: str, top_n: int | None) -> None:
    enrol, test, e, t = trials()
    pairs = Pairs(PLDA.enrol(enrol, np.arange(5)[:, None]), PLDA.test(test), e, t)
    cohort = Cohort.of(PLDA, Embeddings(np.array([f"{n:02}" for n in range(15)]), COHORT))
    expected, _ = normalise(scores_of_pairs(pairs), pairs, cohort, method, top_n)
    system = System([Plain("x", PLDA, WHOLE, Norm(method, top_n, COHORT))], D)
    one, other = system.enrol(enrol), system.test(test)
    np.testing.assert_allclose(system.pairs(one, other, e, t), expected, rtol=1e-12)
    np.testing.assert_allclose(system.scores(one, other).ravel(), expected, rtol=1e-12)


def test_a_fusion_on_paper(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cosine of both networks' halves, weighted, in blocks of one model; what is between is float32."""
    monkeypatch.setattr(scoring, "BLOCK_BYTES", 8)
    raw = fit({"type": "cosine", "chain": []}, TRAINING, SPEAKERS)
    nodes = [
        Plain("a", raw, slice(0, 2)),
        Plain("b", raw, slice(2, 4)),
        Combined("f", [0, 1], Calibration(np.array([2.0, 10.0]), 1.0)),
    ]
    system = System(nodes, 4)
    assert system.calibrated and system.name == "f"
    enrol, test = np.array([[1, 0, 1, 1], [0, 2, 1, 0]]), np.array([[3, 4, 0, 1.0]])
    half = float(np.float32(np.sqrt(0.5)))
    expected = [[2 * float(np.float32(0.6)) + 10 * half + 1], [2 * float(np.float32(0.8)) + 1]]
    np.testing.assert_allclose(system.scores(system.enrol(enrol), system.test(test)), expected, rtol=1e-12)


def test_models_of_several_utterances_and_some_of_them() -> None:
    enrol, test, _, _ = trials()
    system = System([Plain("x", PLDA, WHOLE, Norm("asnorm1", 4, COHORT))], D)
    groups = [np.array([0, 3]), np.array([4]), np.array([1, 2])]
    quality = {"speech_s": np.arange(5.0)}
    models, tests = system.enrol(enrol, groups, quality), system.test(test)
    assert models.qualities["speech_s"].tolist() == [1.5, 4.0, 1.5] and len(models) == 3
    whole = system.scores(models, tests)
    np.testing.assert_allclose(
        system.scores(models.take(slice(1, 3)), tests.take(np.array([6, 0]))), whole[1:][:, [6, 0]]
    )
    alone = system.enrol(enrol[[4]])
    np.testing.assert_allclose(system.scores(alone, tests), whole[[1]])


@given(seed=st.integers(0, 100), swap=st.booleans())
def test_a_symmetric_system_does_not_mind_who_is_enrolled(seed: int, swap: bool) -> None:
    one, other = np.random.default_rng(seed).normal(size=(2, 3, D))
    system = System([Plain("x", COSINE, WHOLE, Norm("snorm", 5, COHORT))], D)
    there = system.scores(system.enrol(one), system.test(other))
    back = system.scores(system.enrol(other), system.test(one))
    np.testing.assert_allclose(there, back.T, atol=1e-9)


@pytest.mark.parametrize("method", ["asnorm1", "znorm", scoring.NO_NORM])
def test_quality_measures_are_those_of_the_score_stage(method: str) -> None:
    """With norms whose statistics are the cohort means, with one that has those of one side, and without a norm."""
    vectors, test, e, t = trials()
    groups = [np.array([0, 3]), np.array([4]), np.array([1, 2])]
    e, t = np.arange(3).repeat(7), np.tile(np.arange(7), 3)
    heard, heard_test = ({"speech_s": DRAW.uniform(1, 9, n), "snr_db": DRAW.normal(10, 5, n)} for n in (5, 7))
    weights = np.append(1.0, DRAW.normal(size=12))
    ranges = [[0.5, 2.0], [5.0, 12.0], [-9.0, 9.0], [-9.0, 9.0]]
    nodes = [
        Plain("x", PLDA, WHOLE, Norm(method, 4, COHORT)),
        Combined("x+qmf", [0], Calibration(weights, 0.5), MEASURES, ranges),
    ]
    system = System(nodes, D)
    one, other = system.enrol(vectors, groups, heard), system.test(test, heard_test)

    pairs = Pairs(PLDA.enrol(vectors, groups), PLDA.test(test), e, t)
    cohort = Cohort.of(PLDA, Embeddings(np.array([f"{n:02}" for n in range(15)]), COHORT))
    raw = scores_of_pairs(pairs)
    scores = raw if method == scoring.NO_NORM else normalise(raw, pairs, cohort, method, 4)[0]
    sides = [
        side_measures(MEASURES, vectors, heard, groups),
        side_measures(MEASURES, test, heard_test, np.arange(7)[:, None]),
    ]
    sides = [{name: values[of] for name, values in side.items()} for side, of in zip(sides, (e, t), strict=True)]
    for side, mean in zip(sides, cohort_means(pairs, cohort, 4), strict=True):
        side["cohort_mean"] = mean
    scores = scores.astype(np.float32).astype(np.float64)
    columns = np.column_stack([scores, trial_measures(MEASURES, *sides, scores, ranges)])
    expected = columns @ weights + 0.5
    np.testing.assert_allclose(system.pairs(one, other, e, t), expected, rtol=1e-9)
    np.testing.assert_allclose(system.scores(one, other).ravel(), expected, rtol=1e-9)
    np.testing.assert_allclose(system.scores(one.take(slice(1, 3)), other).ravel(), expected[7:], rtol=1e-9)
    with pytest.raises(SreError, match="the quality measure duration is not known of 7 of 7 utterances; measure it"):
        system.test(test)


def test_another_dimension_is_refused() -> None:
    with pytest.raises(SreError, match="embeddings of 4 values, and the model's have 6"):
        System([Plain("x", COSINE, WHOLE)], D).enrol(np.ones((1, 4)))
