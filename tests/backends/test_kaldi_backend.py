"""Back-ends fitted on Kaldi's training embeddings score as Kaldi does."""

import re
from pathlib import Path

import kaldiio
import numpy as np
import pytest

from sre.backends import Backend, fit
from sre.backends.base import scores_of_pairs
from sre.io.ark import read_vectors
from sre.io.tables import read_table
from sre.io.trials import align_scores, read_enroll_map, read_trials
from sre.scoring import Evaluation

PLDA = {"type": "plda", "centre": True, "length_norm": True, "iterations": 10}


@pytest.fixture(scope="module")
def kaldi(shared: Path) -> Path:
    return shared / "reference/kaldi-backend"


@pytest.fixture(scope="module")
def evaluation(kaldi: Path) -> Evaluation:
    trials = read_trials(kaldi / "trials")
    return Evaluation.of(trials, read_enroll_map(kaldi / "enroll.spk2utt", trials), *read_vectors(kaldi / "test.ark"))


@pytest.fixture(scope="module")
def train(kaldi: Path) -> tuple[np.ndarray, np.ndarray]:
    ids, embeddings = read_vectors(kaldi / "train.ark")
    utt2spk = read_table(kaldi / "train.utt2spk")
    return embeddings, np.array([utt2spk[utt] for utt in ids])


@pytest.fixture(scope="module")
def lda_plda(train: tuple[np.ndarray, np.ndarray]) -> Backend:
    return fit({**PLDA, "lda_dim": 128}, *train)


def difference(evaluation: Evaluation, backend: Backend, kaldi: Path, scores: str, **options: bool) -> float:
    enrol, test = backend.enrol(evaluation.embeddings, evaluation.groups, **options), evaluation.sides(backend)[1]
    ours = scores_of_pairs(enrol, test, evaluation.trials.enrol, evaluation.trials.test)
    return np.abs(ours - align_scores(kaldi / f"scores.{scores}", kaldi / "trials")[0]).max()


def test_cosine(evaluation: Evaluation, kaldi: Path, train: tuple) -> None:
    assert difference(evaluation, fit({"type": "cosine", "centre": False}, *train), kaldi, "cosine") < 1e-5


def test_lda_plda(evaluation: Evaluation, kaldi: Path, lda_plda: Backend) -> None:
    assert difference(evaluation, lda_plda, kaldi, "lda_plda", num_utts=False) < 1e-3
    assert difference(evaluation, lda_plda, kaldi, "lda_plda_numutts") < 1e-3


def test_plda_without_lda(evaluation: Evaluation, kaldi: Path, train: tuple) -> None:
    """These embeddings lie in a subspace: the within-speaker covariance is singular."""
    assert difference(evaluation, fit({**PLDA, "lda_dim": 0}, *train), kaldi, "plda_nolda", num_utts=False) < 1e-3


def test_parameters(kaldi: Path, lda_plda: Backend) -> None:
    """Each up to the signs of the rows of the two transforms."""
    lda, ours = kaldiio.load_mat(str(kaldi / "lda.mat"))[:, :-1], lda_plda.parts["lda"][:, :-1]
    signs = row_signs(ours, lda)
    assert relative(signs * ours, lda) < 1e-4
    text = (kaldi / "plda.txt").read_text()
    mean, transform, psi = (np.array(part.split(), float) for part in re.findall(r"\[([^\]]*)\]", text))
    assert relative(lda_plda.parts["plda_mean"] * signs[:, 0], mean) < 1e-4
    assert relative(lda_plda.parts["plda_psi"], psi) < 1e-4
    transform, ours = transform.reshape(128, 128), lda_plda.parts["plda_transform"] * signs.T
    assert relative(row_signs(ours, transform) * ours, transform) < 1e-4


def row_signs(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    return np.sign(np.sum(ours * theirs, axis=1, keepdims=True))


def relative(ours: np.ndarray, theirs: np.ndarray) -> float:
    return np.abs(ours - theirs).max() / np.abs(theirs).max()


def test_likelihood_never_falls(lda_plda: Backend) -> None:
    likelihoods = np.array(lda_plda.facts["log_likelihood"])
    assert len(likelihoods) == 10
    assert (np.diff(likelihoods) > 0).all()
