"""Simplified PLDA of rank r, Gaussian (P. Kenny, Odyssey 2010) or heavy-tailed (A. Silnova et al., Interspeech 2018).

An embedding is m + F z + e, with z ~ N(0, 1) of r dimensions for the speaker and residual e of full covariance. The
heavy-tailed e is Student's t of nu degrees of freedom: each embedding counts with its own precision b, so that an
outlier counts for little. As nu grows, b tends to 1 and the model to the Gaussian one.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import scipy

from sre import SreError
from sre.backends.lda import eigh, floor_eigenvalues, normalising_transform
from sre.backends.sides import speaker_means
from sre.backends.two_covariance import WITHIN_FLOOR, climb

ROUNDING = 1e-15  # of the largest: an eigenvalue that may be 0 or below


@dataclass
class Subspace:
    """A model of mean (D,), speaker factors F (D, r) and residual covariance W (D, D)."""

    mean: np.ndarray
    F: np.ndarray
    W: np.ndarray

    def projection(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return P (r, D) with P P' = 1 after whitening, omega (r,) falling, G (D, D).

        P x are an embedding's speaker coordinates times 1/sqrt(omega); F' W^-1 F has eigenvalues omega; x' G x is its
        squared distance from the speaker subspace.
        """
        T, _ = normalising_transform(self.W, ROUNDING)  # an inverse of W would be noise where W is nearly singular
        U, s, _ = scipy.linalg.svd(T @ self.F, full_matrices=False)
        P = U.T @ T
        rest = T - U @ P
        return P, np.maximum(s**2, max(1e-12 * s[0] ** 2, 1e-200)), rest.T @ rest


def precisions(centred: np.ndarray, G: np.ndarray, rank: int, nu: float) -> np.ndarray:
    """Return b (N,), the expected precision of each residual: (nu + D - r) / (nu + x' G x)."""
    if np.isinf(nu):
        return np.ones(len(centred))
    distance = np.maximum(np.einsum("ij,ij->i", centred @ G, centred), 0)
    return (nu + centred.shape[1] - rank) / (nu + distance)


def fit_subspace(
    x: np.ndarray, speakers: np.ndarray, rank: int, iterations: int, nu: float = np.inf
) -> tuple[Subspace, dict[str, object]]:
    """Fit by EM with minimum divergence on (N, D) and (N,); the likelihoods are of the Gaussian model only.

    The rank is at most speakers - 1 and the dimension, heavy-tailed under that. Raises SreError where the likelihood
    falls.
    """
    names, means, counts = speaker_means(x, speakers)
    asked, rank = rank, min(rank, len(names) - 1, x.shape[1] - int(np.isfinite(nu)))
    if rank < 1:
        raise SreError(
            f"no speaker subspace fits in {x.shape[1]} dimensions beside {len(names)} speakers: heavy-tailed PLDA needs"
            " 2, and lda leaves speakers - 1 at most; add speakers, or use type plda"
        )
    mean = x.mean(axis=0)
    x = x - mean
    of = np.searchsorted(names, speakers)
    order = np.argsort(of, kind="stable")
    edges = np.concatenate([[0], counts.cumsum()[:-1]])
    between = (means - mean).T @ ((means - mean) * counts[:, None]) / len(x)
    W = x.T @ x / len(x) - between
    floor = WITHIN_FLOOR * np.linalg.norm(W, 2)
    W, floored = floor_eigenvalues(W, floor)
    values, vectors = eigh(between)
    model = Subspace(mean, vectors[:, -rank:] * np.sqrt(np.maximum(values[-rank:], 1e-6 * values[-1])), W)

    def step(model: Subspace) -> tuple[Subspace, float, int]:
        b = precisions(x, model.projection()[2], rank, nu)
        weighted = x * b[:, None]
        n = np.add.reduceat(b[order], edges)
        first = np.add.reduceat(weighted[order], edges, axis=0)
        return _em_step(model, weighted.T @ x, first, n, len(x), floor)

    if np.isinf(nu):
        model, facts = climb(model, step, iterations, floored)
    else:
        for _ in range(iterations):
            model, _, floored = step(model)
        facts = {"within_floored": floored, "nu": nu}
    return model, {"rank_asked": asked, "rank": rank} | facts


def _em_step(
    model: Subspace, second: np.ndarray, first: np.ndarray, n: np.ndarray, N: int, floor: float | np.floating
) -> tuple[Subspace, float, int]:
    """`second` (D, D), `first` (S, D) and n (S,): weighted moments of centred embeddings, by speaker the last two."""
    S, D = first.shape
    P, omega, G = model.projection()
    posterior = 1 / (1 + n[:, None] * omega)  # variances, (S, r)
    z = (first @ P.T) * np.sqrt(omega) * posterior
    likelihood = -0.5 * (
        N * (D * np.log(2 * np.pi) + np.linalg.slogdet(model.W)[1])
        + np.sum((G + P.T @ P) * second)
        - np.sum(z * z / posterior)
        - np.log(posterior).sum()
    )
    cross = first.T @ z  # (D, r)
    moments = (n[:, None] * z).T @ z + np.diag((n[:, None] * posterior).sum(axis=0))
    F = solve(moments, cross.T).T
    W, floored = floor_eigenvalues((second - F @ cross.T + (second - F @ cross.T).T) / (2 * N), floor)
    prior = (z.T @ z + np.diag(posterior.sum(axis=0))) / S  # minimum divergence: back to the unit matrix
    return Subspace(model.mean, F @ scipy.linalg.cholesky(prior, lower=True), W), float(likelihood), floored


def solve(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Return A^-1 B of a positive definite A.

    If A is positive definite by rounding only, scipy warns; the result then counts for as little as A does.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", scipy.linalg.LinAlgWarning)
        return scipy.linalg.solve(A, B, assume_a="pos")
