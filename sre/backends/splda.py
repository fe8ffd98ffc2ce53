"""Simplified PLDA of rank r, Gaussian (P. Kenny, Odyssey 2010) or heavy-tailed (A. Silnova et al., Interspeech 2018).

An embedding is m + F z + e, with z ~ N(0, 1) of r dimensions for the speaker and residual e of full covariance. The
heavy-tailed e is Student's t of nu degrees of freedom: each embedding counts with its own precision b, so that an
outlier counts for little. As nu grows, b tends to 1 and the model to the Gaussian one.
"""

from dataclasses import dataclass

import numpy as np
import scipy

from sre import SreError
from sre.backends.base import speaker_means
from sre.backends.lda import floor_eigenvalues
from sre.backends.plda import WITHIN_FLOOR


@dataclass
class Subspace:
    """Mean (D,), speaker factors F (D, r), residual covariance W (D, D)."""

    mean: np.ndarray
    F: np.ndarray
    W: np.ndarray

    def projection(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """P (r, D) with P P' = 1 after whitening, omega (r,) falling, G (D, D).

        P x are an embedding's speaker coordinates times 1/sqrt(omega); F' W^-1 F has eigenvalues omega; x' G x is its
        squared distance from the speaker subspace.
        """
        precision = scipy.linalg.inv(self.W)
        omega, Q = scipy.linalg.eigh(self.F.T @ precision @ self.F)
        omega, Q = np.maximum(omega[::-1], max(1e-12 * omega[-1], 1e-200)), Q[:, ::-1]
        P = (Q / np.sqrt(omega)).T @ self.F.T @ precision
        return P, omega, precision - P.T @ P


def precisions(centred: np.ndarray, G: np.ndarray, rank: int, nu: float) -> np.ndarray:
    """(N, D) -> b (N,): expected precision of each residual, (nu + D - r) / (nu + x' G x)."""
    if np.isinf(nu):
        return np.ones(len(centred))
    distance = np.maximum(np.einsum("ij,ij->i", centred @ G, centred), 0)
    return (nu + centred.shape[1] - rank) / (nu + distance)


def fit_subspace(
    x: np.ndarray, speakers: np.ndarray, rank: int, iterations: int, nu: float = np.inf
) -> tuple[Subspace, dict[str, object]]:
    """EM with minimum divergence on (N, D) and (N,); the likelihoods are of the Gaussian model only.

    The rank is at most speakers - 1 and the dimension, heavy-tailed under that. Raises SreError where the likelihood
    falls.
    """
    names, means, counts = speaker_means(x, speakers)
    asked, rank = rank, min(rank, len(names) - 1, x.shape[1] - int(np.isfinite(nu)))
    if rank < 1:
        raise SreError(
            f"no speaker subspace fits in {x.shape[1]} dimensions beside {len(names)} speakers;"
            " take lda out of its chain"
        )
    mean = x.mean(axis=0)
    x = x - mean
    of = np.searchsorted(names, speakers)
    order = np.argsort(of, kind="stable")
    edges = np.concatenate([[0], counts.cumsum()[:-1]])
    between = (means - mean).T @ ((means - mean) * counts[:, None]) / len(x)
    W, floored = floor_eigenvalues(x.T @ x / len(x) - between, WITHIN_FLOOR)
    values, vectors = scipy.linalg.eigh(between)
    model = Subspace(mean, vectors[:, -rank:] * np.sqrt(np.maximum(values[-rank:], 1e-6 * values[-1])), W)
    b, likelihoods = np.ones(len(x)), []
    for _ in range(iterations):
        if np.isfinite(nu):
            b = precisions(x, model.projection()[2], rank, nu)
        weighted = x * b[:, None]
        n = np.add.reduceat(b[order], edges)
        first = np.add.reduceat(weighted[order], edges, axis=0)
        model, likelihood, floored = _em_step(model, weighted.T @ x, first, n, len(x))
        likelihoods.append(likelihood)
    fell = any(b < a - 1e-6 * abs(a) for a, b in zip(likelihoods, likelihoods[1:], strict=False))
    if fell and np.isinf(nu) and not floored:
        raise SreError(f"PLDA's log-likelihood fell during EM ({likelihoods}): lower rank, or put an lda before it")
    facts: dict[str, object] = {"rank_asked": asked, "rank": rank, "within_floored": floored}
    return model, facts | ({"log_likelihood": likelihoods} if np.isinf(nu) else {"nu": nu})


def _em_step(
    model: Subspace, second: np.ndarray, first: np.ndarray, n: np.ndarray, N: int
) -> tuple[Subspace, float, int]:
    """`second` (D, D), `first` (S, D) and n (S,): weighted moments of centred embeddings, by speaker the last two."""
    S, D = first.shape
    P, omega, _ = model.projection()
    posterior = 1 / (1 + n[:, None] * omega)  # variances, (S, r)
    z = (first @ P.T) * np.sqrt(omega) * posterior
    likelihood = -0.5 * (
        N * (D * np.log(2 * np.pi) + np.linalg.slogdet(model.W)[1])
        + np.sum(scipy.linalg.inv(model.W) * second)
        - np.sum(z * z / posterior)
        - np.log(posterior).sum()
    )
    cross = first.T @ z  # (D, r)
    moments = (n[:, None] * z).T @ z + np.diag((n[:, None] * posterior).sum(axis=0))
    F = scipy.linalg.solve(moments, cross.T, assume_a="pos").T
    W, floored = floor_eigenvalues((second - F @ cross.T + (second - F @ cross.T).T) / (2 * N), WITHIN_FLOOR)
    prior = (z.T @ z + np.diag(posterior.sum(axis=0))) / S  # minimum divergence: back to the unit matrix
    return Subspace(model.mean, F @ scipy.linalg.cholesky(prior, lower=True), W), float(likelihood), floored
