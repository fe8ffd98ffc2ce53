"""Score normalisation with a cohort of speaker means: S-norm, and AS-norm1 (P. Matějka et al., Interspeech 2017).

Each side of a trial is compared with the cohort once; a trial then needs two means and two deviations.
"""

from dataclasses import dataclass

import numpy as np

from sre import SreError
from sre.backends.base import Backend, Side, score_matrix, speaker_means

ROWS_AT_ONCE = 2048


@dataclass
class Cohort:
    """C speaker means, as enrolment models and as tests of one back-end."""

    enrol: Side
    test: Side

    @classmethod
    def of(cls, backend: Backend, embeddings: np.ndarray, speakers: np.ndarray | None) -> "Cohort":
        """(N, D) and (N,) speakers: one mean a speaker, in bytewise order; without speakers each row is one."""
        means = speaker_means(embeddings.astype(np.float64), speakers)[1] if speakers is not None else embeddings
        return cls(backend.enrol(means, list(np.arange(len(means))[:, None])), backend.test(means))

    def __len__(self) -> int:
        return len(self.test.constants)


def statistics(scores: np.ndarray, top_n: int) -> tuple[np.ndarray, np.ndarray]:
    """(M, C) cohort scores -> mean and population standard deviation (M,) over the `top_n` highest of each row."""
    if top_n < scores.shape[1]:
        scores = np.partition(scores, scores.shape[1] - top_n, axis=1)[:, -top_n:]
        scores.sort(axis=1)  # the order within a partition is not defined: one order, one rounding
    return scores.mean(axis=1), scores.std(axis=1)


def normalise(
    raw: np.ndarray, enrol: Side, test: Side, e: np.ndarray, t: np.ndarray, cohort: Cohort, method: str, top_n: int = 0
) -> tuple[np.ndarray, dict[str, object]]:
    """(P,) raw scores of the pairs (e, t) -> (P,) normalised scores and the facts (cohort size, top_n asked and used).

    s' = ((s - mean_e)/std_e + (s - mean_t)/std_t)/2; snorm takes the whole cohort, asnorm1 the top N of each side.
    Raises SreError for a cohort of fewer than two speakers or without spread.
    """
    if len(cohort) < 2:
        raise SreError(
            f"the cohort has {len(cohort)} speaker, score normalisation needs at least 2; add training speakers"
        )
    used = min(top_n, len(cohort)) if method == "asnorm1" else len(cohort)
    e_mean, e_std = _side_statistics(enrol, cohort.test, used, transposed=False)
    t_mean, t_std = _side_statistics(test, cohort.enrol, used, transposed=True)
    scores = 0.5 * ((raw - e_mean[e]) / e_std[e] + (raw - t_mean[t]) / t_std[t])
    facts: dict[str, object] = {"cohort": len(cohort), "top_n": used}
    if method == "asnorm1":
        facts["top_n_asked"] = top_n
    return scores, facts


def _side_statistics(side: Side, cohort: Side, top_n: int, transposed: bool) -> tuple[np.ndarray, np.ndarray]:
    means, deviations = [], []
    for start in range(0, len(side.constants), ROWS_AT_ONCE):
        part = Side(side.vectors[start : start + ROWS_AT_ONCE], side.constants[start : start + ROWS_AT_ONCE])
        scores = score_matrix(cohort, part).T if transposed else score_matrix(part, cohort)
        mean, deviation = statistics(np.ascontiguousarray(scores), top_n)
        means.append(mean), deviations.append(deviation)
    std = np.concatenate(deviations)
    if not (std > 1e-12).all():
        raise SreError(
            "a model's scores against the cohort are all equal, so they cannot be normalised; look at the embeddings"
        )
    return np.concatenate(means), std
