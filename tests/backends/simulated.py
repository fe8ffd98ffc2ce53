"""What the tests of back-ends share: resolved configs, simulated speakers, and PLDA's joint Gaussian."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from scipy.stats import multivariate_normal

from sre.backends import KINDS, Backend, fit
from sre.backends.sides import score_matrix
from sre.config.resolve import resolve_backend
from sre.config.schema import Schema

SCHEMA = Schema(Path(__file__).resolve().parents[2] / "recipes/config.schema.yaml")
PLAIN = {"type": "plda", "chain": [], "scale": False, "enrol": "by_the_book"}  # PLDA and nothing else


def backend_config(**config: object) -> dict:
    return resolve_backend(SCHEMA, config, "back-end")


def shortest(kind: str, rank: int = 2) -> dict:
    """The least config of a type of back-end."""
    return {"type": kind, **({"rank": rank} if KINDS[kind].NEEDS_RANK else {})}


def fitted(x: np.ndarray, speakers: np.ndarray, target: np.ndarray | None = None, **config: object) -> Backend:
    return fit(backend_config(**config), x, speakers, target)


def speech(
    speakers: int, utterances: int, dimension: int, rank: int | None = None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """(N, D) embeddings of speakers + noise, of the given rank, and their (N,) speakers."""
    draw = np.random.default_rng(seed + speakers)
    rank = rank or dimension
    x = np.repeat(2 * draw.normal(size=(speakers, rank)), utterances, axis=0)
    x = (x + draw.normal(size=x.shape)) @ draw.normal(size=(rank, dimension))
    return x + 0.3, np.repeat([f"s{s:02}" for s in range(speakers)], utterances)


def scores_of(backend: Backend, x: np.ndarray, groups: Sequence[Sequence[int]], tests: np.ndarray) -> np.ndarray:
    """(E, T): models of the rows `groups` of x against the rows of `tests`."""
    return score_matrix(backend.enrol(x, [np.array(group) for group in groups]), backend.test(tests))


def log_density(x: np.ndarray, mean: np.ndarray, W: np.ndarray, B: np.ndarray) -> float:
    """log p of (n, D) embeddings of one speaker, written as one Gaussian vector of n D values."""
    n = len(x)
    covariance = np.kron(np.ones((n, n)), B) + np.kron(np.eye(n), W)
    return multivariate_normal(np.zeros(x.size), covariance).logpdf((x - mean).ravel())


def joint_ratio(enrol: np.ndarray, test: np.ndarray, mean: np.ndarray, W: np.ndarray, B: np.ndarray) -> float:
    """log p(enrol, test | one speaker) - log p(enrol) - log p(test) of (n, D) and (D,)."""
    both = np.vstack([enrol, test[None]])
    return sum(sign * log_density(x, mean, W, B) for sign, x in ((1, both), (-1, enrol), (-1, test[None])))


def likelihood(x: np.ndarray, speakers: np.ndarray, mean: np.ndarray, W: np.ndarray, B: np.ndarray) -> float:
    return sum(log_density(x[speakers == speaker], mean, W, B) for speaker in np.unique(speakers))


TROUBLES = [
    "none",
    "duplicates",
    "equal_within_speakers",
    "constant",
    "constant_dimension",
    "one_line",
    "symmetric",
    "zero",
    "nan",
    "offset",
    "outlier",
    "nearly_one_line",
    "nearly_equal",
]


@st.composite
def small_data(draw: st.DrawFn, troubles: Sequence[str] = TROUBLES) -> tuple[np.ndarray, np.ndarray]:
    """1 to 6 speakers of 1 to 4 utterances in 1 to 8 dimensions, with one of the troubles."""
    counts = draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    trouble, scale = draw(st.sampled_from(troubles)), draw(st.sampled_from([1e-30, 1e-3, 1.0, 1e3, 1e15]))
    speakers = np.repeat([f"s{n}" for n in range(len(counts))], counts)
    random = np.random.default_rng(draw(st.integers(0, 999)))
    shape = len(speakers), draw(st.integers(1, 8))
    x = random.normal(size=(len(counts), shape[1])).repeat(counts, axis=0) + random.normal(size=shape)
    if trouble == "duplicates":
        x = x[random.integers(len(x), size=len(x))]
    elif trouble == "equal_within_speakers":
        x = x[np.searchsorted(speakers, speakers)]
    elif trouble == "constant":
        x[:] = x[0]
    elif trouble == "constant_dimension":
        x[:, 0] = 1
    elif trouble == "one_line":
        x = np.outer(x[:, 0], x[0])
    elif trouble == "symmetric":  # about its mean, 0
        x = np.where(np.arange(len(x)) % 2, -1, 1)[:, None] * np.ones(shape)
    elif trouble == "zero":
        x[0] = 0
    elif trouble == "nan":
        x[random.integers(len(x))] = np.nan
    elif trouble == "offset":
        x += 1e4
    elif trouble == "outlier":
        x[0] *= 1e6
    elif trouble == "nearly_one_line":
        x = np.outer(x[:, 0], x[0]) + 1e-6 * x
    elif trouble == "nearly_equal":
        x = x[0] + 1e-6 * x
    return (scale * x).astype(draw(st.sampled_from([np.float32, np.float64]))), speakers
