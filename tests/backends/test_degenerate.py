"""Whatever the data: finite scores, or one sentence that says why not."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import fitted, scores_of, shortest, small_data, speech

from sre import SreError
from sre.backends import KINDS
from sre.backends.cohort import Cohort, CohortRule
from sre.backends.lda import normalising_transform
from sre.backends.norm import METHODS, normalise
from sre.backends.sides import Pairs, scores_of_pairs
from sre.backends.splda import Subspace
from sre.backends.two_covariance import Gaussian
from sre.io.embeddings import Embeddings

TYPES = [
    *(shortest(kind, 1) for kind in KINDS),
    {"type": "plda", "scale": False, "enrol": "by_the_book"},
    {"type": "plda", "rank": 1, "enrol": "score_max"},
    {"type": "plda", "adapt": {"method": "kaldi"}},
    {"type": "plda", "adapt": {"method": "coral"}},
    {"type": "plda", "adapt": {"method": "coral_plus"}},
    {"type": "ht_plda", "rank": 2, "nu": 0.1, "enrol": "score_mean"},
]
STEPS = ["centre", "centre:adapt", "length_norm", "whiten:pca", "whiten:zca", "wccn", "lda:1", "lda:3"]
CHAINS = st.lists(st.sampled_from(STEPS), max_size=3)


def attempt(config: dict, data: tuple, other: np.ndarray, method: str | None = None) -> np.ndarray | SreError:
    """Scores of all pairs, `other` being the tests and the adaptation set, or the error."""
    x, speakers = data
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # where numpy divides by zero, NaN is not far
            backend = fitted(x, speakers, other, **config)
            groups = [np.flatnonzero(speakers == speaker) for speaker in np.unique(speakers)]
            if method is None:
                return scores_of(backend, x, groups, other)
            enrol, test = backend.enrol(x, groups), backend.test(other)
            pairs = Pairs(enrol, test, *(index.ravel() for index in np.indices((len(enrol), len(test)))))
            cohort = Cohort.of(backend, CohortRule("utterances").choose(Embeddings(np.arange(len(x)), x, speakers)))
            raw, own = scores_of_pairs(pairs), (np.unique(speakers), np.repeat("", len(test)))
            return normalise(raw, pairs, cohort, method, 2, own)[0]
    except SreError as error:
        return error


def is_fine(result: np.ndarray | SreError) -> bool:
    if isinstance(result, SreError):
        return "\n" not in str(result) and len(str(result)) > 20
    return bool(np.isfinite(result).all())


@pytest.mark.parametrize("config", TYPES, ids=lambda config: "_".join(map(str, config.values())))
@given(data=small_data(), chain=CHAINS, norm=st.sampled_from([None, *METHODS]), seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_finite_or_a_sentence(config: dict, data: tuple, chain: list[str], norm: str | None, seed: int) -> None:
    """Tests are other embeddings, and all that training has: also those of length 0, or equal to the mean."""
    x = data[0]
    random = np.random.default_rng(seed).normal(size=(3, x.shape[1]))
    with np.errstate(all="ignore"):
        other = np.vstack([x, x.mean(axis=0), (random * x.std() + x.mean()).astype(x.dtype)])
    assert is_fine(attempt({**config, "chain": chain}, data, other, norm))


DRAW = np.random.default_rng(0)
FEW = DRAW.normal(size=(3, 8)).repeat(4, axis=0) + DRAW.normal(size=(12, 8))
OF = np.repeat(["a", "b", "c"], 4)
CASES = {
    "one_speaker": (FEW, np.repeat("a", 12), "at least 2 speakers"),
    "one_utterance_each": (FEW, np.arange(12).astype(str), "one with 2 utterances"),
    "constant": (np.ones_like(FEW), OF, "all equal: the model has collapsed"),
    "equal_within_speakers": (FEW[[0] * 4 + [4] * 4 + [8] * 4], OF, "the embeddings of each speaker are all equal"),
    "nan": (np.where(np.arange(12)[:, None] == 5, np.nan, FEW), OF, "embedding number 5 has NaN"),
    "infinite": (np.where(np.arange(12)[:, None] == 5, np.inf, FEW), OF, "embedding number 5 has NaN or infinite"),
}


SPEAKERS = {
    "lda leaves 1 dimension of 2 speakers, where length_norm makes each 1 or -1; add speakers": (
        2,
        20,
        ["lda:128", "length_norm"],
    ),
    "15 embeddings of 5 speakers in 256 dimensions are too few for the chain centre, lda:128, length_norm: it makes all"
    " embeddings of a speaker equal; add utterances, shrink": (5, 3, ["centre", "lda:128", "length_norm"]),
    "needs at least 2 speakers and one with 2 utterances, there are 3 speakers of 3 utterances": (3, 1, ["centre"]),
}


@pytest.mark.parametrize("sentence", SPEAKERS)
def test_too_few_is_what_is_said(sentence: str) -> None:
    """And not that the embeddings are equal, or the model has collapsed: these are sound."""
    speakers, utterances, chain = SPEAKERS[sentence]
    x, of = speech(speakers, utterances, 256)
    with pytest.raises(SreError, match=sentence):
        fitted(x, of, type="plda", chain=chain)
    if utterances > 1:
        assert np.isfinite(attempt({"type": "plda", "chain": ["lda:128:0.05"]}, (x, of), x)).all()


def test_a_covariance_that_is_singular_by_rounding() -> None:
    """After adaptation, or where the unit matrices that EM starts from are large beside the data."""
    W = np.diag([1, 1e-3, -1e-18])
    T, psi = Gaussian(np.zeros(3), W, np.eye(3)).diagonalised()
    np.testing.assert_allclose(T @ np.diag([1, 1e-3, 1e-10]) @ T.T, np.eye(3), atol=1e-9)
    assert (psi > 0).all()
    P, omega, G = Subspace(np.zeros(3), np.ones((3, 1)), W).projection()
    assert all(np.isfinite(array).all() for array in (P, omega, G))


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("config", [{"type": "plda"}, {"type": "plda", "rank": 1}, {"type": "ht_plda", "rank": 1}])
def test_the_sentence(case: str, config: dict) -> None:
    x, speakers, sentence = CASES[case]
    with pytest.raises(SreError, match=sentence):
        fitted(x, speakers, **config)


@pytest.mark.parametrize("config", TYPES, ids=lambda config: "_".join(map(str, config.values())))
@pytest.mark.parametrize("chain", [[], ["centre", "length_norm"], ["whiten:zca", "lda:3"], ["lda:3", "wccn"]])
def test_more_dimensions_than_speakers(config: dict, chain: list[str]) -> None:
    """And duplicates: these are no errors, there are scores, and a speaker's own are the higher ones."""
    if "rank" in config and chain and chain[-1] != "length_norm":
        config = {**config, "rank": 1}  # 3 speakers differ in 2 dimensions
    x = FEW.copy()
    x[1] = x[0]
    scores = attempt({**config, "chain": chain}, (x, OF), x)
    assert not isinstance(scores, SreError), scores
    own = np.unique(OF)[:, None] == OF
    assert scores[own].mean() > scores[~own].mean()


def test_a_covariance_of_nothing() -> None:
    """What is left within speakers may cancel to 0, or to less, in float64."""
    for covariance in (np.zeros((2, 2)), np.diag([-1e-20, -1e-30])):
        with pytest.raises(SreError, match="a covariance is zero: the embeddings hardly differ"):
            normalising_transform(covariance)
