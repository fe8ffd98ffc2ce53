"""The two-covariance model of PLDA and its EM, as Kaldi's ivector/plda.cc (S. Ioffe, ECCV 2006).

An embedding is m + y + e with speaker part y ~ N(0, B) and residual e ~ N(0, W). A transform makes W the unit matrix
and B diagonal: psi.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from sre import SreError
from sre.backends.lda import eigh, floor_eigenvalues
from sre.backends.sides import speaker_means

Model = TypeVar("Model")
WITHIN_FLOOR = 1e-10  # of the largest: only what is rounding. At 1e-6 the scores of a singular W are not Kaldi's


@dataclass
class Gaussian:
    """A model of mean (D,), within-class covariance W and between-class covariance B, both (D, D)."""

    mean: np.ndarray
    W: np.ndarray
    B: np.ndarray

    def diagonalised(self) -> tuple[np.ndarray, np.ndarray]:
        """Return T (D, D) and psi (D,) falling, with T W T' = 1 and T B T' = diag(psi); a singular W is floored."""
        try:
            psi, vectors = eigh(self.B, self.W)
        except np.linalg.LinAlgError:  # W has grown so much that what it was floored to is rounding
            self.W, _ = floor_eigenvalues(self.W, WITHIN_FLOOR * np.linalg.norm(self.W, 2))
            psi, vectors = eigh(self.B, self.W)
        order = np.argsort(-psi, kind="stable")
        return vectors.T[order], np.maximum(psi[order], 0)


def fit_two_covariance(x: np.ndarray, speakers: np.ndarray, iterations: int) -> tuple[Gaussian, dict[str, object]]:
    """Fit the model on (N, D) embeddings of (N,) speakers; its mean is that of the speaker means. Facts as `climb`.

    EM starts from unit matrices, as in Kaldi's PldaEstimator. Raises SreError where the likelihood falls.
    """
    _, means, counts = speaker_means(x, speakers)
    start = Gaussian(means.mean(axis=0), np.eye(x.shape[1]), np.eye(x.shape[1]))
    x, centred = x - start.mean, means - start.mean  # what is far from 0 would leave rounding only
    scatter = x.T @ x - (centred * counts[:, None]).T @ centred  # within speakers, about their own means

    floor = WITHIN_FLOOR * np.linalg.norm(scatter, 2) / len(x)

    def step(model: Gaussian) -> tuple[Gaussian, float, int]:
        model, likelihood = em_step(model, scatter, means, counts)
        # where the data has no variance each step shrinks W, until it could not be inverted
        model.W, floored = floor_eigenvalues(model.W, floor)
        return model, likelihood, floored

    return climb(start, step, iterations)


def climb(
    model: Model, step: Callable[[Model], tuple[Model, float, int]], iterations: int, floored_at_start: int = 0
) -> tuple[Model, dict[str, object]]:
    """Do EM by `step`: a model -> the next, the log-likelihood of what came in, eigenvalues of W floored in the next.

    Flooring is no part of EM: a floored step that lowers the likelihood is the last and is not taken. The facts are the
    log_likelihood of the start and after each step taken, and the eigenvalues floored (within_floored). Raises SreError
    where any other step lowers the likelihood.
    """
    candidate, likelihood, floored = step(model)
    likelihoods, taken = [likelihood], floored_at_start
    for _ in range(iterations):
        after, likelihood, next_floored = step(candidate)
        if floored and likelihood < likelihoods[-1]:
            break
        if likelihood < likelihoods[-1] - 1e-6 * abs(likelihoods[-1]):
            raise SreError(
                f"PLDA's log-likelihood fell during EM, from {likelihoods[-1]:.9g} to {likelihood:.9g}: the covariances"
                " are nearly singular; put an lda step with fewer dimensions into the chain"
            )
        model, taken = candidate, floored
        candidate, floored = after, next_floored
        likelihoods.append(likelihood)
    return model, {"within_floored": taken, "log_likelihood": likelihoods}


def em_step(model: Gaussian, scatter: np.ndarray, means: np.ndarray, counts: np.ndarray) -> tuple[Gaussian, float]:
    """Do one EM iteration (plda.cc: GetStatsFromClassMeans, EstimateFromStats), and the likelihood of what came in.

    (D, D) scatter within speakers, (S, D) speaker means, (S,) counts. Where W = 1 and B = diag(psi), every speaker's
    posterior is diagonal, so that one product takes all speakers at once, whatever their counts.
    """
    T, psi = model.diagonalised()
    back = model.W @ T.T  # T^-1
    n = counts[:, None]
    y = (means - model.mean) @ T.T
    expected = y * (n * psi / (n * psi + 1))  # of the speaker part
    variance = psi / (n * psi + 1)  # (S, D)
    rest = y - expected
    between = expected.T @ expected + np.diag(variance.sum(axis=0))
    within = (n * rest).T @ rest + np.diag((n * variance).sum(axis=0))
    N, S, D = int(counts.sum()), len(counts), len(psi)
    likelihood = -0.5 * (
        N * (D * np.log(2 * np.pi) + 2 * np.linalg.slogdet(back)[1])
        + np.sum(T @ scatter * T)
        + np.sum(np.log1p(n * psi) + n * y * y / (n * psi + 1))
    )
    new = Gaussian(model.mean, (scatter + back @ within @ back.T) / N, back @ between @ back.T / S)
    return new, float(likelihood)
