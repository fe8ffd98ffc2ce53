"""Back-ends fitted on Kaldi's training embeddings have Kaldi's parameters and score as Kaldi does."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from simulated import fitted

from sre.backends import Backend, Cosine, Plda, load
from sre.backends.kaldi import from_kaldi
from sre.backends.sides import score_matrix, scores_of_pairs
from sre.io.ark import read_vectors
from sre.io.kaldi_plda import read_kaldi_matrix, read_kaldi_plda, read_kaldi_vector
from sre.io.tables import read_table
from sre.io.trials import align_scores, read_trials
from sre.scoring.evaluation import Evaluation

CHAIN = ["centre", "lda:128", "length_norm"]
SRE16 = {"method": "kaldi", "within": 0.75, "between": 0.25}


@pytest.fixture(scope="module")
def kaldi(shared: Path) -> Path:
    return shared / "reference/kaldi-backend"


@pytest.fixture(scope="module")
def evaluation(kaldi: Path) -> Evaluation:
    trials = read_trials(kaldi / "trials")
    return Evaluation.read(trials, kaldi / "enroll.spk2utt", [kaldi / "test.ark"])


@pytest.fixture(scope="module")
def train(kaldi: Path) -> tuple[np.ndarray, np.ndarray]:
    ids, embeddings = read_vectors(kaldi / "train.ark")
    utt2spk = read_table(kaldi / "train.utt2spk")
    return embeddings, np.array([utt2spk[utt] for utt in ids])


@pytest.fixture(scope="module")
def lda_plda(train: tuple[np.ndarray, np.ndarray]) -> Plda:
    return fitted(*train, type="plda", chain=CHAIN)


@pytest.fixture(scope="module")
def adapted(train: tuple[np.ndarray, np.ndarray], kaldi: Path) -> Plda:
    target = read_vectors(kaldi / "adapt.ark")[1]
    return fitted(*train, target, type="plda", chain=["centre:adapt", *CHAIN[1:]], adapt=SRE16)


def difference(evaluation: Evaluation, backend: Backend, kaldi: Path, scores: str) -> float:
    ours = scores_of_pairs(evaluation.pairs(backend))
    return np.abs(ours - align_scores(kaldi / f"scores.{scores}", kaldi / "trials")[0]).max()


def test_cosine(evaluation: Evaluation, kaldi: Path) -> None:
    assert difference(evaluation, Cosine(), kaldi, "cosine") < 1e-5


def test_lda_plda(evaluation: Evaluation, kaldi: Path, lda_plda: Plda) -> None:
    assert difference(evaluation, lda_plda, kaldi, "lda_plda_numutts") < 1e-3
    without = replace(lda_plda, options=replace(lda_plda.options, num_utts=False))
    assert difference(evaluation, without, kaldi, "lda_plda") < 1e-3


def test_plda_without_lda(evaluation: Evaluation, kaldi: Path, train: tuple) -> None:
    """These embeddings lie in a subspace: the within-speaker covariance is singular."""
    backend = fitted(*train, type="plda", chain=["centre", "length_norm"], num_utts=False)
    assert difference(evaluation, backend, kaldi, "plda_nolda") < 1e-3


def test_adapted(evaluation: Evaluation, kaldi: Path, adapted: Plda) -> None:
    assert difference(evaluation, adapted, kaldi, "lda_plda_adapt_numutts") < 1e-3


def test_means(kaldi: Path, lda_plda: Plda, adapted: Plda) -> None:
    assert relative(lda_plda.chain.arrays[0], read_kaldi_vector(kaldi / "mean.vec")) < 1e-5
    assert relative(adapted.chain.arrays[0], read_kaldi_vector(kaldi / "adapt_mean.vec")) < 1e-5


@pytest.mark.parametrize("name", ["plda", "plda.txt", "plda_adapt"])
def test_parameters(kaldi: Path, lda_plda: Plda, adapted: Plda, name: str) -> None:
    """Each up to the signs of the rows of the two transforms."""
    backend = adapted if name == "plda_adapt" else lda_plda
    ours, theirs = backend.chain.arrays[1][:, :-1], read_kaldi_matrix(kaldi / "lda.mat")[:, :-1]
    signs = row_signs(ours, theirs)
    assert relative(signs * ours, theirs) < 1e-4
    mean, transform, psi = read_kaldi_plda(kaldi / name)
    assert relative(backend.parts["plda_mean"] * signs[:, 0], mean) < 1e-4
    assert relative(backend.parts["plda_psi"], psi) < 1e-4
    ours = backend.parts["plda_transform"] * signs.T
    assert relative(row_signs(ours, transform) * ours, transform) < 1e-4


def row_signs(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return np.sign(np.sum(ours * theirs, axis=1, keepdims=True))


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def test_likelihood_never_falls(lda_plda: Plda) -> None:
    likelihoods = np.array(lda_plda.facts["log_likelihood"])
    assert len(likelihoods) == 11  # of the start, and after each iteration
    assert (np.diff(likelihoods) > 0).all()


@pytest.mark.parametrize("name", ["plda", "plda.txt"])
def test_kaldi_plda_as_a_backend(kaldi: Path, evaluation: Evaluation, name: str) -> None:
    """Of embeddings that went through Kaldi's chain it makes what the whole chain makes of the others."""
    whole = from_kaldi(kaldi / "plda", kaldi / "mean.vec", kaldi / "lda.mat", length_norm=True)
    x, each = evaluation.embeddings.vectors, np.arange(20)[:, None]
    prepared, plda = whole.chain.apply(x), load(kaldi / name)
    expected = score_matrix(whole.enrol(x, each), whole.test(x))
    np.testing.assert_allclose(score_matrix(plda.enrol(prepared, each), plda.test(prepared)), expected, atol=1e-3)
