"""Score normalisation against the formula written out trial by trial."""

import numpy as np
import pytest

from sre import SreError
from sre.backends import Backend, Cosine, LdaPlda, fit
from sre.backends.base import score_matrix, scores_of_pairs
from sre.backends.norm import Cohort, normalise

D, SPEAKERS, UTTERANCES = 4, 7, 3
draw = np.random.default_rng(0)
TRAIN = np.repeat(draw.normal(size=(SPEAKERS, D)), UTTERANCES, axis=0) + draw.normal(size=(SPEAKERS * UTTERANCES, D))
TRAIN_SPEAKERS = np.repeat([f"s{n}" for n in range(SPEAKERS)], UTTERANCES)
EVAL = draw.normal(size=(6, D))
GROUPS = [np.array([0]), np.array([1, 2])]  # the second model has two utterances
PAIRS = np.array([0, 0, 1, 1]), np.array([0, 1, 1, 2])
TESTS = EVAL[3:]


def one(backend: Backend, enrolment: np.ndarray, test: np.ndarray) -> float:
    return score_matrix(backend.enrol(enrolment, [np.arange(len(enrolment))]), backend.test(test[None]))[0, 0]


def by_a_loop(backend: Backend, method: str, top_n: int) -> list[float]:
    cohort = [TRAIN[speaker == TRAIN_SPEAKERS].mean(axis=0) for speaker in sorted(set(TRAIN_SPEAKERS))]
    scores = []
    for e, t in zip(*PAIRS, strict=True):
        enrolment, test = EVAL[GROUPS[e]], TESTS[t]
        of_enrol = sorted(one(backend, enrolment, c) for c in cohort)
        of_test = sorted(one(backend, c[None], test) for c in cohort)
        if method == "asnorm1":
            of_enrol, of_test = of_enrol[-top_n:], of_test[-top_n:]
        s = one(backend, enrolment, test)
        scores.append(((s - np.mean(of_enrol)) / np.std(of_enrol) + (s - np.mean(of_test)) / np.std(of_test)) / 2)
    return scores


def ours(backend: Backend, method: str, top_n: int) -> tuple[np.ndarray, dict]:
    enrol, test = backend.enrol(EVAL, GROUPS), backend.test(TESTS)
    raw = scores_of_pairs(enrol, test, *PAIRS)
    return normalise(raw, enrol, test, *PAIRS, Cohort.of(backend, TRAIN, TRAIN_SPEAKERS), method, top_n)


PLDA: LdaPlda = fit({"type": "plda", "lda_dim": 3}, TRAIN, TRAIN_SPEAKERS)


@pytest.mark.parametrize("backend", [Cosine(), PLDA], ids=["cosine", "plda"])
@pytest.mark.parametrize("method, top_n", [("snorm", 0), ("asnorm1", 3), ("asnorm1", 300)])
def test_as_the_formula(backend: Backend, method: str, top_n: int) -> None:
    scores, facts = ours(backend, method, top_n)
    np.testing.assert_allclose(scores, by_a_loop(backend, method, top_n), atol=1e-9)
    assert facts["cohort"] == 7
    assert facts["top_n"] == (3 if top_n == 3 else 7)


def test_asnorm_of_the_whole_cohort_is_snorm() -> None:
    scores, facts = ours(PLDA, "asnorm1", 300)
    np.testing.assert_array_equal(scores, ours(PLDA, "snorm", 0)[0])
    assert (facts["top_n_asked"], facts["top_n"]) == (300, 7)


def test_cohort_of_one() -> None:
    enrol, test = Cosine().enrol(EVAL, GROUPS), Cosine().test(TESTS)
    cohort = Cohort.of(Cosine(), TRAIN[:3], TRAIN_SPEAKERS[:3])
    with pytest.raises(SreError, match="the cohort has 1 speaker, .* at least 2"):
        normalise(np.zeros(4), enrol, test, *PAIRS, cohort, "snorm")


def test_cohort_without_spread() -> None:
    enrol, test = Cosine().enrol(EVAL, GROUPS), Cosine().test(TESTS)
    cohort = Cohort.of(Cosine(), np.ones((5, D)), None)
    with pytest.raises(SreError, match="all equal, so they cannot be normalised"):
        normalise(np.zeros(4), enrol, test, *PAIRS, cohort, "asnorm1", 3)
