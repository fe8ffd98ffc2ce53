"""Heavy-tailed PLDA with fast scoring (A. Silnova, N. Brümmer et al., Interspeech 2018), in matrix form.

An embedding tells of its speaker's z a Gaussian likelihood exp(a'z - b z' diag(omega) z / 2); those of several are
multiplied, so a and b add. With Phi(a, b) = log E[exp(a'z - b z' diag(omega) z / 2)] over z ~ N(0, 1),
score = Phi(a_e + a_t, b_e + b_t) - Phi(a_e, b_e) - Phi(a_t, b_t).

Only 1/(1 + (b_e + b_t) omega) and its logarithm join both sides. They are smooth in log b_t: their values at some
Chebyshev nodes of b_t, exact in b_e, are interpolated, and the score is U_e . V_t + c_e + d_t again. The nearest
singularity of 1/(1 + exp(u)) is at i pi, which tells how many nodes give INTERPOLATION (Trefethen, ATAP, theorem 8.2).
"""

import numpy as np
from numpy.polynomial import chebyshev

from sre.backends.backend import Backend
from sre.backends.chain import ChainOutput
from sre.backends.options import Asked, HeavyTailedOptions
from sre.backends.sides import Groups, Side, check_speakers, group_means
from sre.backends.splda import fit_subspace, precisions

INTERPOLATION = 1e-9  # its relative error
RANGE = 2.0  # b is limited to the range of training, widened so many times on both sides


class HeavyTailed(Backend):
    """Heavy-tailed PLDA; parts: mean (D,), P (r, D), omega (r,), G (D, D), as in splda.py, and b_range (2,)."""

    kind = "ht_plda"
    NEEDS_RANK = True
    SHAPES = {"mean": "d", "P": "rd", "omega": "r", "G": "dd", "b_range": "b"}
    POSITIVE = ("omega", "b_range")
    OPTIONS = HeavyTailedOptions
    options: HeavyTailedOptions

    def check(self, dimension: int | None) -> None:
        """Raise ValueError as those of all kinds do, and for a range of b or a nu that is none."""
        super().check(dimension)
        low, high = self.parts["b_range"] if len(self.parts["b_range"]) == 2 else (0, 0)
        if not 0 < low < high or self.options.nu <= 0:
            raise ValueError(f"b_range {self.parts['b_range']} or nu {self.options.nu} is out of its range")

    @classmethod
    def fit(cls, asked: Asked, prepared: ChainOutput, speakers: np.ndarray) -> "HeavyTailed":
        """Fit by EM; the range of b is that of the training embeddings. Raises SreError where no subspace fits."""
        x = prepared.train
        check_speakers(x, speakers, "PLDA")
        model, facts = fit_subspace(x, speakers, asked.rank, asked.iterations, asked.nu)
        P, omega, G = model.projection()
        b = precisions(x - model.mean, G, len(omega), asked.nu)
        b_range = np.array([b.min() / RANGE, b.max() * RANGE])
        parts = {"mean": model.mean, "P": P, "omega": omega, "G": G, "b_range": b_range}
        facts = prepared.facts | {"speakers": int(speakers.max()) + 1} | facts
        return cls(prepared.chain, parts, HeavyTailedOptions.asked(asked), facts)

    def _evidence(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(N, D) -> a (N, r), b (N,)."""
        centred = x - self.parts["mean"]
        b = precisions(centred, self.parts["G"], len(self.parts["omega"]), self.options.nu)
        b = np.clip(b, *self.parts["b_range"])
        return b[:, None] * (centred @ self.parts["P"].T) * np.sqrt(self.parts["omega"]), b

    def _phi(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        spread = 1 + b[:, None] * self.parts["omega"]
        return 0.5 * (a * a / spread - np.log(spread)).sum(axis=1)

    def _model(self, x: np.ndarray, groups: Groups) -> Side:
        a, b = self._evidence(x)
        size = np.array([len(group) for group in groups], dtype=float)
        a, b = group_means(a, groups) * size[:, None], group_means(b, groups) * size
        columns = []
        for node in self._nodes():
            spread = 1 + (b[:, None] + node) * self.parts["omega"]
            constant = 0.5 * (a * a / spread - np.log(spread)).sum(axis=1, keepdims=True)
            columns += [a / spread, 0.5 / spread, constant]
        return Side(np.hstack(columns), -self._phi(a, b))

    def _test(self, x: np.ndarray) -> Side:
        a, b = self._evidence(x)
        joined = np.hstack([a, a * a, np.ones((len(a), 1))])
        return Side(np.hstack([weight[:, None] * joined for weight in self._weights(b)]), -self._phi(a, b))

    def _nodes(self) -> np.ndarray:
        """(Q,) values of b."""
        low, high = np.log(self.parts["b_range"])
        return np.exp((low + high) / 2 + (high - low) / 2 * self._points())

    def _points(self) -> np.ndarray:
        low, high = np.log(self.parts["b_range"])
        height = 2 * np.pi / (high - low)
        return chebyshev.chebpts1(int(np.ceil(np.log(INTERPOLATION) / -np.log(height + np.hypot(1, height)))))

    def _weights(self, b: np.ndarray) -> np.ndarray:
        """(T,) -> (Q, T): Lagrange's polynomials of the nodes, at log b."""
        low, high = np.log(self.parts["b_range"])
        at, points = (2 * np.log(b) - low - high) / (high - low), self._points()
        values = chebyshev.chebvander(points, len(points) - 1)  # discrete orthogonality of these
        scale = np.full(len(points), 2.0 / len(points))
        scale[0] /= 2
        return (values * scale) @ chebyshev.chebvander(at, len(points) - 1).T
