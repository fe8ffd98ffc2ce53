"""Back-ends: each fits on training embeddings, is one self-contained file, and scores by one matrix form.

score(e, t) = U_e . V_t + c_e + d_t, so that any list of trials, any cohort and any matrix is the same product.
Legend: N embeddings, D their dimension, S speakers, E enrolment models, T tests, K columns of U and V, C cohort.

    backend = fit({"type": "plda", "chain": ["centre", "lda:128", "length_norm"]}, embeddings, speakers)
    backend.score(embeddings[0], embeddings[1])
    save("plda.npz", backend)
"""

from sre.backends.backend import Backend
from sre.backends.calibration import Calibration, fit_calibration
from sre.backends.cohort import Cohort, CohortRule
from sre.backends.cosine import Cosine, Euclidean
from sre.backends.files import load, save
from sre.backends.fitting import fit
from sre.backends.heavy_tailed import HeavyTailed
from sre.backends.kinds import KINDS
from sre.backends.norm import METHODS, normalise
from sre.backends.plda import Plda
from sre.backends.sides import Pairs, Side, score_matrix, scores_of_pairs
