"""Back-ends: each fits on training embeddings, is one self-contained file, and scores by one matrix form.

score(e, t) = U_e . V_t + c_e + d_t, so that any list of trials, any cohort and any matrix is the same product.
Legend: N embeddings, D their dimension, S speakers, E enrolment models, T tests, K columns of U and V.
"""

from sre.backends.base import Backend, Side, check_training
from sre.backends.cosine import Cosine
from sre.backends.files import load, save
from sre.backends.plda import LdaPlda

__all__ = ["Backend", "Cosine", "LdaPlda", "Side", "fit", "load", "save"]


def fit(config: dict, embeddings, speakers) -> Backend:
    """Fit the back-end of a resolved config on (N, D) embeddings and their (N,) speakers.

    Raises SreError with the reason, for a report, where it cannot be fitted on them.
    """
    check_training(embeddings)
    options = {key: value for key, value in config.items() if key != "type"}
    return (Cosine if config["type"] == "cosine" else LdaPlda).fit(embeddings, speakers, **options)
