"""Adaptation of PLDA to a domain of which there are embeddings and no speakers, all in the space after the chain.

kaldi      ivectorbin/ivector-adapt-plda (plda.cc: PldaUnsupervisedAdaptor): variance beyond the model's is shared out
coral      B. Sun et al., AAAI 2016; as a change of the model: J. Alam et al., Odyssey 2018
coral_plus K. A. Lee, Q. Wang, T. Koshinaka, ICASSP 2019: CORAL, but no variance is ever taken away
"""

import numpy as np
import scipy

from sre import SreError
from sre.backends.lda import eigh, floor_eigenvalues, normalising_transform
from sre.backends.two_covariance import WITHIN_FLOOR, Gaussian


def adapt(model: Gaussian, embeddings: np.ndarray, method: str, within: float, between: float) -> Gaussian:
    """Return the model with the mean of (A, D) embeddings and, by `method`, their covariance.

    within, between : shares of kaldi's excess variance, weights of coral_plus; coral takes none
    Raises SreError for fewer than two embeddings.
    """
    if len(embeddings) < 2:
        raise SreError(f"the adaptation set has {len(embeddings)} embeddings; give at least two, better some hundreds")
    mean = embeddings.mean(axis=0)
    centred = embeddings - mean
    covariance = centred.T @ centred / len(centred)
    if method == "kaldi":
        covariance += np.outer(mean - model.mean, mean - model.mean)  # mean_diff_scale 1
        W, B = _kaldi(model, covariance, within, between)
    else:
        A = power(covariance, 0.5) @ power(model.W + model.B, -0.5)
        W, B = A @ model.W @ A.T, A @ model.B @ A.T
        if method == "coral_plus":
            W, B = grown(model.W, W, within), grown(model.B, B, between)
    return Gaussian(mean, floor_eigenvalues((W + W.T) / 2, WITHIN_FLOOR * np.linalg.norm(W, 2))[0], (B + B.T) / 2)


def _kaldi(model: Gaussian, covariance: np.ndarray, within: float, between: float) -> tuple[np.ndarray, np.ndarray]:
    whiten, _ = normalising_transform(model.W + model.B, WITHIN_FLOOR)
    variances, P = eigh(whiten @ covariance @ whiten.T)
    excess = np.diag(np.maximum(variances - 1, 0))
    back = scipy.linalg.inv(P.T @ whiten)
    return model.W + within * back @ excess @ back.T, model.B + between * back @ excess @ back.T


def grown(X: np.ndarray, Y: np.ndarray, weight: float) -> np.ndarray:
    """Return X plus `weight` of the variance by which Y exceeds X, in the axes where both are diagonal."""
    whiten, _ = normalising_transform(X, WITHIN_FLOOR)
    variances, P = eigh(whiten @ Y @ whiten.T)
    back = scipy.linalg.inv(P.T @ whiten)
    return X + weight * (back * np.maximum(variances - 1, 0)) @ back.T


def power(covariance: np.ndarray, exponent: float) -> np.ndarray:
    """Return the symmetric power of a covariance, its eigenvalues floored at WITHIN_FLOOR of the largest."""
    values, vectors = eigh(covariance)
    return (vectors * np.maximum(values, WITHIN_FLOOR * values.max()) ** exponent) @ vectors.T
