"""Score normalisation against the formulas written out trial by trial, every score by itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pytest
from simulated import fitted, speech

from sre import SreError
from sre.backends import Backend, Cosine, norm
from sre.backends.cohort import Cohort, CohortRule
from sre.backends.norm import METHODS, normalise, top_statistics
from sre.backends.sides import Pairs, Side, score_matrix, scores_of_pairs
from sre.io.embeddings import Embeddings

TRAIN, TRAIN_SPEAKERS = speech(12, 4, 4, seed=1)  # s00 to s11
IDS = np.array([f"{speaker}_{n}" for n, speaker in enumerate(TRAIN_SPEAKERS)])
EVAL, _ = speech(10, 5, 4, seed=2)  # 50 utterances
EVAL_SPEAKERS = np.repeat([f"s{n:02}" for n in range(8, 18)], 5)  # the first 4 are in the cohort too
GROUPS = [np.array(rows) for rows in ([0], [1, 2], [5, 6, 7], [10], [15, 16], [20], [25, 26, 27], [30], [35, 36], [45])]
TESTS = np.setdiff1d(np.arange(50), np.concatenate(GROUPS))
PAIRS = np.array([(e, t) for e in range(len(GROUPS)) for t in range(e % 4, len(TESTS), 4)]).T
SPEAKERS = EVAL_SPEAKERS[[group[0] for group in GROUPS]], EVAL_SPEAKERS[TESTS]

BACKENDS = {
    "cosine": {"type": "cosine", "chain": ["centre"]},
    "plda": {"type": "plda", "chain": ["centre", "lda:3", "length_norm"]},
    "plda_by_the_book": {"type": "plda", "enrol": "by_the_book"},
    "plda_score_max": {"type": "plda", "chain": [], "enrol": "score_max"},
    "ht_plda": {"type": "ht_plda", "chain": ["centre"], "rank": 2},
}


@cache
def backend(name: str) -> Backend:
    return fitted(TRAIN, TRAIN_SPEAKERS, **BACKENDS[name])


def one(backend: Backend, enrolment: np.ndarray, test: np.ndarray) -> float:
    return score_matrix(backend.enrol(enrolment, [np.arange(len(enrolment))]), backend.test(test[None]))[0, 0]


@dataclass
class Scores:
    """Each score by a call of its own, made once: (model or cohort member, test or cohort member) -> score."""

    backend: Backend
    cohort: np.ndarray
    known: dict[tuple, float] = field(default_factory=dict)

    def __call__(self, e: tuple[str, int], t: tuple[str, int]) -> float:
        if (e, t) not in self.known:
            enrolment = self.cohort[[e[1]]] if e[0] == "cohort" else EVAL[GROUPS[e[1]]]
            test = self.cohort[t[1]] if t[0] == "cohort" else EVAL[TESTS[t[1]]]
            self.known[e, t] = one(self.backend, enrolment, test)
        return self.known[e, t]


def nearest(scores: Mapping[int, float], top_n: int) -> list[int]:
    return sorted(scores, key=lambda c: -scores[c])[: top_n or None]


def standard(score: float, others: Sequence[float]) -> float:
    return (score - np.mean(others)) / np.std(others)


def trial_by_trial(scores: Scores, method: str, top_n: int, codes: Sequence, speakers: tuple | None) -> list[float]:
    """`codes`: what each cohort member's speaker is called; `speakers`: of models and tests, or None."""
    members = range(len(codes))

    @cache
    def others(c: int) -> list[float]:  # of a cohort model, without its own speaker
        found = {d: scores(("cohort", c), ("cohort", d)) for d in members if codes[d] != codes[c]}
        return [found[d] for d in nearest(found, top_n)]

    out = []
    for e, t in PAIRS.T:
        own = () if speakers is None else (speakers[0][e], speakers[1][t])
        left = [c for c in members if codes[c] not in own]
        of_e = {c: scores(("model", e), ("cohort", c)) for c in left}
        of_t = {c: scores(("cohort", c), ("test", t)) for c in left}
        raw, by_e, by_t = scores(("model", e), ("test", t)), nearest(of_e, top_n), nearest(of_t, top_n)
        znorm, tnorm = standard(raw, [of_e[c] for c in by_e]), standard(raw, [of_t[c] for c in by_t])
        if method == "ztnorm":
            of_t = {c: standard(of_t[c], others(c)) for c in left}
            tnorm = standard(znorm, [of_t[c] for c in nearest(of_t, top_n)])
        if method == "asnorm2":
            znorm, tnorm = standard(raw, [of_e[c] for c in by_t]), standard(raw, [of_t[c] for c in by_e])
        out.append({"znorm": znorm, "tnorm": tnorm, "ztnorm": tnorm}.get(method, (znorm + tnorm) / 2))
    return out


def ours(backend: Backend, chosen: Embeddings, method: str, top_n: int, speakers: tuple | None) -> tuple:
    pairs = Pairs(backend.enrol(EVAL, GROUPS), backend.test(EVAL[TESTS]), *PAIRS)
    return normalise(scores_of_pairs(pairs), pairs, Cohort.of(backend, chosen), method, top_n, speakers)


@cache
def case(name: str, of: str, known: bool) -> tuple[Embeddings, Scores]:
    """Of a cohort of utterances every other one is taken, so that it is as quick."""
    rows = slice(None) if of == "speakers" else slice(None, None, 2)
    chosen = CohortRule(of).choose(Embeddings(IDS[rows], TRAIN[rows], TRAIN_SPEAKERS[rows] if known else None))
    return chosen, Scores(backend(name), chosen.vectors)


@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("top_n", [0, 4])
def test_as_the_formula(name: str, method: str, top_n: int, monkeypatch) -> None:
    for of, known, speakers in [
        ("speakers", True, None),
        ("speakers", True, SPEAKERS),
        ("utterances", True, SPEAKERS),
        ("utterances", True, None),  # a cohort model still leaves out its own speaker
        ("utterances", False, SPEAKERS),  # nobody knows whose they are: only itself
    ]:
        chosen, scores = case(name, of, known)
        codes = np.arange(len(chosen.ids)) if chosen.speakers is None else chosen.speakers
        expected = trial_by_trial(scores, method, top_n, codes, speakers)
        for block_bytes in (64 << 20, 700):  # a few rows, and fewer trials than a row has
            monkeypatch.setattr(norm, "BLOCK_BYTES", block_bytes)
            values, facts = ours(scores.backend, chosen, method, top_n, speakers)
            np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9, err_msg=f"{of} {known} {speakers}")
            assert (facts["cohort"], facts["top_n"]) == (len(codes), top_n or len(codes))


def test_the_trial_s_speakers_matter() -> None:
    """Else the test above would show nothing by leaving them out."""
    chosen = case("plda", "speakers", True)[0]
    with_all, without = (ours(backend("plda"), chosen, "asnorm1", 4, who)[0] for who in (None, SPEAKERS))
    in_cohort = np.isin(SPEAKERS[0], TRAIN_SPEAKERS)[PAIRS[0]] | np.isin(SPEAKERS[1], TRAIN_SPEAKERS)[PAIRS[1]]
    assert np.array_equal(with_all[~in_cohort], without[~in_cohort]) and (~in_cohort).any()
    assert np.abs(with_all - without)[in_cohort].max() > 0.1


def test_asnorm_of_the_whole_cohort_is_snorm() -> None:
    chosen = case("plda", "speakers", True)[0]
    snorm, _ = ours(backend("plda"), chosen, "snorm", 0, SPEAKERS)
    for method in ("asnorm1", "asnorm2"):
        scores, facts = ours(backend("plda"), chosen, method, 300, SPEAKERS)
        np.testing.assert_allclose(scores, snorm, rtol=1e-12)
        assert (facts["top_n_asked"], facts["top_n"]) == (300, 12)


@pytest.mark.parametrize("method", METHODS)
def test_duplicated_cohort_members(method: str) -> None:
    """Each counts by itself, and of a tie so many count as top_n asks for."""
    rows = np.repeat(np.arange(6), 2)
    chosen = Embeddings(IDS[:12], TRAIN[4 * rows], np.array([f"c{n}" for n in range(12)]))
    expected = trial_by_trial(Scores(Cosine(), chosen.vectors), method, 3, chosen.speakers, None)
    np.testing.assert_allclose(ours(Cosine(), chosen, method, 3, None)[0], expected, rtol=1e-9)


@pytest.mark.parametrize("sign, expected", [(1, -1), (-1, 0)])
def test_of_a_tie_the_first_on_paper(sign: int, expected: float) -> None:
    """The model's nearest are [1, 0] and, of two that score 0.6, the first: the test scores 0 and ±0.8 against them.

    The test's nearest score 0 and 0.6 against the model: (0 - 0.3) / 0.3 and (0 -+ 0.4) / 0.4.
    """
    vectors = np.array([[0.0, 1.0], [0.6, 0.8 * sign], [0.6, -0.8 * sign], [1.0, 0.0]])
    cohort = Cohort.of(Cosine(), Embeddings(np.arange(4), vectors))
    model, test, pair = Cosine().enrol(np.eye(2)[:1], [[0]]), Cosine().test(np.eye(2)[1:]), np.array([0])
    scores, _ = normalise(np.zeros(1), Pairs(model, test, pair, pair), cohort, "asnorm2", 2)
    assert scores[0] == pytest.approx(expected, abs=1e-12)


def test_top_statistics_on_paper() -> None:
    scores = np.array([[1.0, 5.0, 3.0, 5.0], [-np.inf, 2.0, 4.0, -np.inf]])
    mean, std = top_statistics(scores, 3)
    np.testing.assert_allclose(mean, [13 / 3, 3])
    np.testing.assert_allclose(std, [np.sqrt(8) / 3, 1])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    "vectors, speakers, sentence",
    [
        (TRAIN[:1], ["s00"], "^the cohort has 1 member, score normalisation needs at least 2; add training speakers$"),
        (np.ones((5, 4)), None, "^a model's scores against the cohort are all equal, so they cannot be normalised"),
        (TRAIN[[0, 32]], ["s00", "s08"], "^fewer than 2 cohort members are left for some trials, after"),
    ],
    ids=["one_member", "no_spread", "too_few_left"],
)
def test_cannot_be_normalised(method: str, vectors: np.ndarray, speakers: list[str] | None, sentence: str) -> None:
    chosen = Embeddings(np.arange(len(vectors)), vectors, None if speakers is None else np.array(speakers))
    with pytest.raises(SreError, match=sentence):
        ours(Cosine(), chosen, method, 2, SPEAKERS)


def test_cohort_is_chosen_by_rule_and_seed() -> None:
    training = Embeddings(IDS, TRAIN, TRAIN_SPEAKERS)
    means = CohortRule().choose(training)
    np.testing.assert_allclose(means.vectors[3], TRAIN[12:16].mean(axis=0))
    assert means.ids.tolist() == means.speakers.tolist() == sorted(set(TRAIN_SPEAKERS))
    first = CohortRule(first=3).choose(training)
    np.testing.assert_allclose(first.vectors[3], TRAIN[12:15].mean(axis=0))
    assert CohortRule("utterances", first=2).choose(training).ids.tolist() == [
        i for n, i in enumerate(IDS) if n % 4 < 2
    ]
    drawn = [CohortRule("utterances", 5, seed).choose(training) for seed in (1, 1, 2)]
    assert drawn[0].ids.tolist() == drawn[1].ids.tolist() != drawn[2].ids.tolist()
    for cohort in drawn:
        rows = np.searchsorted(IDS, cohort.ids)
        assert len(set(cohort.ids)) == 5 and np.array_equal(cohort.speakers, TRAIN_SPEAKERS[rows])
        np.testing.assert_array_equal(cohort.vectors, TRAIN[rows])


@pytest.mark.parametrize("top_n", [1, -5])
def test_a_top_n_without_deviation_is_refused(top_n: int) -> None:
    side = Side(np.ones((1, 1)), np.zeros(1))
    with pytest.raises(SreError, match=f"top_n is {top_n}, .* give 2 or more, or 0"):
        normalise(np.zeros(1), Pairs(side, side, np.zeros(1, int), np.zeros(1, int)), None, "asnorm1", top_n)


def test_a_cohort_of_speakers_that_nobody_knows() -> None:
    with pytest.raises(SreError, match="^a cohort of speakers needs the training embeddings' speakers; give their"):
        CohortRule("speakers").choose(Embeddings(IDS, TRAIN))
