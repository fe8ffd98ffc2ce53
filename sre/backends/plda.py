"""LDA and two-covariance PLDA, as Kaldi's ivector/plda.cc (S. Ioffe, Probabilistic LDA, ECCV 2006).

An embedding is m + y + e with speaker part y ~ N(0, B) and residual e ~ N(0, W). B and W come from EM; a transform
makes W the unit matrix and B diagonal, psi.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy import linalg

from sre import SreError
from sre.backends.base import (
    Side,
    check_dimension,
    check_speakers,
    group_means,
    length_normalise,
    speaker_means,
)
from sre.backends.lda import apply_lda, fit_lda, floor_eigenvalues, normalising_transform

WITHIN_FLOOR = 1e-10  # of the largest: only what is rounding. At 1e-6 the scores of a singular W are not Kaldi's


def fit_plda(
    x: np.ndarray, speakers: np.ndarray, iterations: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, int, list[float]]:
    """(N, D) -> mean of speaker means (D,), transform (D, D), psi (D,) falling, eigenvalues floored, likelihoods."""
    _, means, counts = speaker_means(x, speakers)
    mean = means.mean(axis=0)
    scatter = x.T @ x - (means * counts[:, None]).T @ means  # within speakers, about their own means
    within, between = np.eye(x.shape[1]), np.eye(x.shape[1])
    likelihoods, floored = [], 0
    for _ in range(iterations):
        within, between, likelihood = _em_step(within, between, scatter, means - mean, counts)
        # where the data has no variance each step shrinks W, until it could not be inverted
        within, floored = floor_eigenvalues(within, WITHIN_FLOOR)
        likelihoods.append(likelihood)
    whiten, _ = normalising_transform(within, WITHIN_FLOOR)
    values, vectors = linalg.eigh(whiten @ between @ whiten.T)
    order = np.argsort(-values, kind="stable")
    return mean, vectors[:, order].T @ whiten, np.maximum(values[order], 0), floored, likelihoods


def _em_step(
    W: np.ndarray, B: np.ndarray, scatter: np.ndarray, m: np.ndarray, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """One EM iteration (plda.cc: GetStatsFromClassMeans, EstimateFromStats), over groups of equal counts.

    The likelihood returned is that of the W and B that came in.
    """
    N, S, D = int(counts.sum()), len(counts), len(W)
    inv_W = linalg.inv(W)
    within, between = scatter.copy(), np.zeros_like(B)
    likelihood = -0.5 * (np.sum(inv_W * scatter) + (N - S) * (np.linalg.slogdet(W)[1] + D * np.log(2 * np.pi)))
    for n in np.unique(counts):
        m_n = m[counts == n]  # (S_n, D)
        total = B + W / n  # covariance of a mean of n
        gain = linalg.solve(total, B, assume_a="pos").T  # B (B + W/n)^-1
        mix = gain @ W / n  # (B^-1 + n W^-1)^-1, without inverting B
        mix = (mix + mix.T) / 2
        w = m_n @ gain.T
        rest = m_n - w
        between += len(m_n) * mix + w.T @ w
        within += n * (len(m_n) * mix + rest.T @ rest)
        likelihood -= 0.5 * (
            np.sum(m_n * linalg.solve(total, m_n.T, assume_a="pos").T)
            + len(m_n) * (np.linalg.slogdet(total)[1] + D * np.log(2 * np.pi) + D * np.log(n))
        )
    return within / N, between / S, float(likelihood)


@dataclass
class LdaPlda:
    """Subtract the mean, LDA if asked, length-normalise, PLDA; Kaldi's voxceleb and sre16 recipes.

    An enrolment model is the mean of its embeddings (Kaldi's ivector-mean); PLDA is told their number (--num-utts).
    """

    kind = "plda"
    parts: dict[str, np.ndarray] = field(default_factory=dict)
    facts: dict[str, object] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        embeddings: np.ndarray,
        speakers: np.ndarray,
        centre: bool = True,
        lda_dim: int = 0,
        length_norm: bool = True,
        iterations: int = 10,
    ) -> "LdaPlda":
        """Raises SreError as `check_speakers` does."""
        x = embeddings.astype(np.float64)
        check_speakers(x, speakers, "PLDA")
        new = cls(facts={"embeddings": len(x), "length_norm": length_norm})
        new.parts["mean"] = x.mean(axis=0) if centre else np.zeros(x.shape[1])
        if lda_dim:
            new.parts["lda"], lda_facts = fit_lda(x - new.parts["mean"], speakers, lda_dim)
            new.facts |= lda_facts
        mean, transform, psi, floored, likelihoods = fit_plda(new._prepared(x), speakers, iterations)
        new.parts |= {"plda_mean": mean, "plda_transform": transform, "plda_psi": psi}
        new.facts |= {"speakers": len(np.unique(speakers)), "within_floored": floored, "log_likelihood": likelihoods}
        if not floored and any(b < a - 1e-6 * abs(a) for a, b in zip(likelihoods, likelihoods[1:], strict=False)):
            raise SreError(
                f"PLDA's log-likelihood fell during EM ({likelihoods}): the covariances are singular; lower lda_dim"
            )
        return new

    def _prepared(self, embeddings: np.ndarray) -> np.ndarray:
        x = check_dimension(self, embeddings, len(self.parts["mean"])) - self.parts["mean"]
        if "lda" in self.parts:
            x = apply_lda(self.parts["lda"], x)
        return length_normalise(x, np.sqrt(x.shape[1])) if self.facts["length_norm"] else x

    def _in_plda_space(self, prepared: np.ndarray, n: np.ndarray | float) -> np.ndarray:
        """(N, d) -> (N, d) where W is the unit matrix; scaled to the length that a mean of n has on average."""
        psi = self.parts["plda_psi"]
        y = (prepared - self.parts["plda_mean"]) @ self.parts["plda_transform"].T
        if not self.facts["length_norm"]:
            return y
        expected = np.sum(y * y / (psi + 1 / np.reshape(n, (-1, 1))), axis=1, keepdims=True)
        return y * np.sqrt(y.shape[1] / expected)

    def enrol(self, embeddings: np.ndarray, groups: Sequence[np.ndarray], num_utts: bool = True) -> Side:
        """U = [mean/var, -1/(2 var)], c: of log N(p; mean, var), plda.cc: LogLikelihoodRatio.

        With num_utts False each model counts as one utterance, as Kaldi's scoring without --num-utts.
        """
        psi = self.parts["plda_psi"]
        n = np.array([len(group) for group in groups], dtype=float) if num_utts else np.ones(len(groups))
        u = self._in_plda_space(self._prepared(group_means(embeddings.astype(np.float64), groups)), n)
        gain = n[:, None] * psi / (n[:, None] * psi + 1)
        mean, variance = gain * u, 1 + psi / (n[:, None] * psi + 1)
        constants = -0.5 * (np.log(variance) + mean**2 / variance).sum(axis=1)
        return Side(np.hstack([mean / variance, -0.5 / variance]), constants)

    def test(self, embeddings: np.ndarray) -> Side:
        """V = [p, p^2], d = -log N(p; 0, 1 + psi)."""
        psi = self.parts["plda_psi"]
        p = self._in_plda_space(self._prepared(embeddings), 1.0)
        constants = 0.5 * (np.log1p(psi) + p**2 / (1 + psi)).sum(axis=1)
        return Side(np.hstack([p, p**2]), constants)
