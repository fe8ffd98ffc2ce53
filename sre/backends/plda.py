"""Gaussian PLDA, and its scoring as Kaldi's ivector-plda-scoring.

Its covariances W (within) and B (between) are from EM (two_covariance.py), from simplified PLDA of rank r (splda.py),
or from adaptation (adapt.py).
"""

from dataclasses import asdict

import numpy as np

from sre import SreError
from sre.backends.adapt import adapt
from sre.backends.backend import Backend
from sre.backends.chain import ChainOutput
from sre.backends.options import Asked, PldaOptions
from sre.backends.sides import Groups, Side, check_speakers, check_training, group_means
from sre.backends.splda import fit_subspace
from sre.backends.two_covariance import Gaussian, fit_two_covariance


class Plda(Backend):
    """The log likelihood ratio of same and different speakers, as Kaldi's ivector-plda-scoring.

    parts: plda_mean (D,), plda_transform (D, D), plda_psi (D,), as in Kaldi's plda files.
    """

    kind = "plda"
    ENROL = (*Backend.ENROL, "by_the_book")
    ADAPTS = True
    SHAPES = {"plda_mean": "d", "plda_transform": "dd", "plda_psi": "d"}
    POSITIVE = ("plda_psi",)
    OPTIONS = PldaOptions
    options: PldaOptions

    @classmethod
    def fit(cls, asked: Asked, prepared: ChainOutput, speakers: np.ndarray) -> "Plda":
        """Fit by EM, of rank r where one is asked for, and adapt. Raises SreError where no model fits."""
        x = prepared.train
        check_speakers(x, speakers, "PLDA")
        facts = prepared.facts | {"speakers": int(speakers.max()) + 1}
        if asked.rank:
            subspace, more = fit_subspace(x, speakers, asked.rank, asked.iterations)
            model = Gaussian(subspace.mean, subspace.W, subspace.F @ subspace.F.T)
        else:
            model, more = fit_two_covariance(x, speakers, asked.iterations)
        if asked.adapt:
            if prepared.adapt is None:
                raise SreError("PLDA's adaptation needs an adaptation set; give its embeddings (--adapt)")
            check_training(prepared.adapt, "adaptation")
            model = adapt(model, prepared.adapt, **asdict(asked.adapt))
            more |= {"adapt": asdict(asked.adapt), "adapt_embeddings": len(prepared.adapt)}
        transform, psi = model.diagonalised()
        parts = {"plda_mean": model.mean, "plda_transform": transform, "plda_psi": psi}
        return cls(prepared.chain, parts, PldaOptions.asked(asked), facts | more)

    def _project(self, x: np.ndarray, n: np.ndarray | float = 1.0) -> np.ndarray:
        """(N, d) -> (N, d) where W is the unit matrix; n: of how many utterances each is the mean."""
        psi = self.parts["plda_psi"]
        y = (x - self.parts["plda_mean"]) @ self.parts["plda_transform"].T
        if not self.options.scale:
            return y
        expected = np.sum(y * y / (psi + 1 / np.reshape(n, (-1, 1))), axis=1, keepdims=True)
        return y * np.sqrt(y.shape[1] / np.maximum(expected, 1e-200))  # the mean itself stays 0

    def _enrol(self, embeddings: np.ndarray, groups: Groups) -> Side:
        n = np.array([len(group) for group in groups], dtype=float)
        if self.options.enrol == "by_the_book":
            return self._side(group_means(self._project(self._prepared(embeddings)), groups), n)
        if not self.options.num_utts:
            n[:] = 1
        return self._side(self._project(self._prepared(group_means(embeddings, groups)), n), n)

    def _model(self, x: np.ndarray, groups: Groups) -> Side:
        n = np.array([len(group) for group in groups], dtype=float)
        return self._side(self._project(group_means(x, groups), n), n)

    def _side(self, u: np.ndarray, n: np.ndarray) -> Side:
        """u (E, d) of n (E,) each -> U = [mean/var, (1/var_1 - 1/var)/2], c: of log N(p; mean, var), as plda.cc.

        What p^2 meets after one utterance, -1/(2 var_1), is the test's: so half of U is zero where every n is 1.
        """
        psi = self.parts["plda_psi"]
        gain = n[:, None] * psi / (n[:, None] * psi + 1)
        mean, variance = gain * u, self._variance(n[:, None])
        constants = -0.5 * (np.log(variance) + mean**2 / variance).sum(axis=1)
        if (n == 1).all():
            return Side(mean / variance, constants, zeros=len(psi))
        return Side(np.hstack([mean / variance, 0.5 / self._variance(1) - 0.5 / variance]), constants)

    def _variance(self, n: np.ndarray | float) -> np.ndarray:
        """The variance of a test of the speaker of whom n utterances are known, where W is the unit matrix."""
        return 1 + self.parts["plda_psi"] / (n * self.parts["plda_psi"] + 1)

    def _test(self, x: np.ndarray) -> Side:
        """V = [p, p^2], d = -log N(p; 0, 1 + psi) and what p^2 meets in log N(p; mean, var_1)."""
        psi, p = self.parts["plda_psi"], self._project(x)
        constants = 0.5 * (np.log1p(psi) + p**2 * (1 / (1 + psi) - 1 / self._variance(1))).sum(axis=1)
        return Side(np.hstack([p, p**2]), constants)
