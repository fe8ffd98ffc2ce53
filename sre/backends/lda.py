"""Linear discriminant analysis as Kaldi's ivectorbin/ivector-compute-lda.cc, total-covariance-factor 0."""

import numpy as np
import scipy

from sre.backends.sides import NoSpread, check_speakers, speaker_means

EIGENVALUE_FLOOR = 1e-6  # of the largest


def fit_lda(
    x: np.ndarray, speakers: np.ndarray, dim: int, shrinkage: float = 0.0
) -> tuple[np.ndarray, dict[str, object]]:
    """Return the (d, D + 1) affine transform of (N, D) embeddings, and facts of it.

    d is the least of dim, S - 1 and the rank of the between-class covariance. The facts are the dimension asked and
    used, the eigenvalues floored and the shrinkage.

    The within-class covariance W becomes the unit matrix; directions fall in between-class variance. Shrinkage s puts
    (1 - s) W + s tr(W) / D in the place of W (J. Friedman, Regularized discriminant analysis, JASA 1989): a network's
    embeddings of its own training speakers hardly vary in most directions, those of others do. Raises SreError as
    `check_speakers` does.
    """
    check_speakers(x, speakers, "LDA")
    mean = x.mean(axis=0)
    x = x - mean
    names, means, counts = speaker_means(x, speakers)
    total = x.T @ x / len(x)
    between = (means * counts[:, None]).T @ means / len(x)
    within = total - between
    within = (1 - shrinkage) * within + shrinkage * np.trace(within) / len(within) * np.eye(len(within))
    whiten, floored = normalising_transform(within)
    values, vectors = eigh(whiten @ between @ whiten.T)
    order = np.argsort(-values, kind="stable")
    rank = int((values > EIGENVALUE_FLOOR * values.max()).sum())
    d = min(dim, len(names) - 1, rank)
    transform = vectors[:, order[:d]].T @ whiten
    facts: dict[str, object] = {"lda_dim_asked": dim, "lda_dim": d, "lda_floored": floored, "lda_shrinkage": shrinkage}
    return np.hstack([transform, -(transform @ mean)[:, None]]), facts


def eigh(A: np.ndarray, B: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return what scipy.linalg.eigh does.

    Its quick driver fails on nearly equal eigenvalues ("Internal Error"); then the slower, surer one is taken.
    """
    try:
        return scipy.linalg.eigh(A, B)
    except np.linalg.LinAlgError:
        return scipy.linalg.eigh(A, B, driver="ev" if B is None else "gv")


def apply_affine(transform: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return (N, d), what an affine transform (d, D + 1) makes of (N, D)."""
    return x @ transform[:, :-1].T + transform[:, -1]


def normalising_transform(covariance: np.ndarray, floor: float = EIGENVALUE_FLOOR) -> tuple[np.ndarray, int]:
    """Return T with T C T' = 1, and how many eigenvalues were raised to `floor` of the largest (matrix-functions.cc).

    Raises NoSpread for a covariance of nothing.
    """
    values, vectors = eigh(covariance)
    if values.max() <= 0:
        raise NoSpread("a covariance is zero: the embeddings hardly differ; look at the model", within=True)
    low = values < floor * values.max()
    return (vectors / np.sqrt(np.maximum(values, floor * values.max()))).T, int(low.sum())


def floor_eigenvalues(covariance: np.ndarray, floor: float | np.floating) -> tuple[np.ndarray, int]:
    """Return the covariance with its eigenvalues raised to `floor`, and how many were."""
    values, vectors = eigh(covariance)
    low = int((values < floor).sum())
    if low:
        covariance = (vectors * np.maximum(values, floor)) @ vectors.T
    return covariance, low
