"""Back-ends: each fits on training embeddings, is one self-contained file, and scores by one matrix form.

score(e, t) = U_e . V_t + c_e + d_t, so that any list of trials, any cohort and any matrix is the same product.
Legend: N embeddings, D their dimension, S speakers, E enrolment models, T tests, K columns of U and V, C cohort.
"""

import numpy as np

from sre import SreError
from sre.backends.adapt import adapt as adapt_model
from sre.backends.base import EQUAL, Backend, NoSpread, Side, check_speakers, check_training, within_share
from sre.backends.chain import fit_chain
from sre.backends.cosine import Cosine, Euclidean
from sre.backends.files import load, save
from sre.backends.heavy_tailed import HeavyTailed
from sre.backends.plda import Gaussian, Plda, fit_two_covariance
from sre.backends.splda import fit_subspace

__all__ = ["Backend", "Cosine", "Euclidean", "HeavyTailed", "Plda", "Side", "fit", "load", "save"]


def fit(config: dict, embeddings: np.ndarray, speakers: np.ndarray, adapt: np.ndarray | None = None) -> Backend:
    """Fit the back-end of a resolved config on (N, D) embeddings and their (N,) speakers.

    `adapt` (A, D): embeddings of the target domain, for centre:adapt and PLDA's adaptation. Raises SreError with the
    reason, for a report, where it cannot be fitted on them.
    """
    check_training(embeddings)
    if len(speakers) != len(embeddings):
        raise SreError(f"{len(embeddings)} embeddings and {len(speakers)} speakers; give the speaker of each")
    speakers = np.unique(np.asarray(speakers, dtype=str), return_inverse=True)[1]  # codes sort quicker than names
    if adapt is not None:
        check_training(adapt, "adaptation")
        if adapt.shape[1] != embeddings.shape[1]:
            raise SreError(
                f"adaptation embeddings of dimension {adapt.shape[1]}, those of training have {embeddings.shape[1]};"
                " give both of one model"
            )
    try:
        return _checked(_fit(config, embeddings, speakers, adapt))
    except NoSpread as error:
        raise SreError(_reason(error, config["chain"], embeddings, speakers)) from None
    except (ValueError, FloatingPointError) as error:
        raise SreError(
            f"no {config['type']} back-end can be fitted on {_size(embeddings, speakers)} ({error}); put length_norm,"
            " or lda with fewer dimensions, into its chain, or use a cosine system"
        ) from None


def _fit(config: dict, embeddings: np.ndarray, speakers: np.ndarray, adapt: np.ndarray | None) -> Backend:
    fitted = fit_chain(config["chain"], embeddings, speakers, adapt)
    facts = fitted.facts | {"enrol": config["enrol"]}
    if config["type"] in ("cosine", "euclidean"):
        return (Cosine if config["type"] == "cosine" else Euclidean)(fitted.chain, {}, facts)
    check_speakers(fitted.train, speakers, "PLDA")
    facts["speakers"] = int(speakers.max()) + 1
    if config["type"] == "ht_plda":
        subspace, more = fit_subspace(fitted.train, speakers, config["rank"], config["iterations"], config["nu"])
        return HeavyTailed.of(fitted.chain, subspace, fitted.train, facts | more)
    if config["rank"]:
        subspace, more = fit_subspace(fitted.train, speakers, config["rank"], config["iterations"])
        model = Gaussian(subspace.mean, subspace.W, subspace.F @ subspace.F.T)
    else:
        model, more = fit_two_covariance(fitted.train, speakers, config["iterations"])
    facts |= more | {"scale": config["scale"], "num_utts": config["num_utts"]}
    if config["adapt"]:
        if fitted.adapt is None:
            raise SreError("PLDA's adaptation needs an adaptation set; give its embeddings (--adapt)")
        check_training(fitted.adapt, "adaptation")
        model = adapt_model(model, fitted.adapt, **config["adapt"])
        facts |= {"adapt": config["adapt"], "adapt_embeddings": len(fitted.adapt)}
    return Plda.of(fitted.chain, model, facts)


def _checked(backend: Backend) -> Backend:
    arrays = {**backend.parts, **dict(zip(backend.chain.steps, backend.chain.arrays, strict=False))}
    if bad := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise FloatingPointError(f"{bad[0]} is not finite")
    return backend


def _reason(error: NoSpread, chain: list[str], embeddings: np.ndarray, speakers: np.ndarray) -> str:
    """Why they differ too little: by themselves, or because there are too few for the steps of the chain."""
    x = embeddings.astype(np.float64)
    if error.within and within_share(x, speakers) <= EQUAL:
        return str(error)
    (N, D), S, size = x.shape, int(speakers.max()) + 1, _size(embeddings, speakers)
    steps, cosine = ", ".join(chain), "or use a cosine system"
    lda = [int(step.split(":")[1]) for step in chain if step.startswith("lda")]
    if "length_norm" in chain and min([D, *lda, *([S - 1] if lda else [])]) == 1:
        left = f"lda leaves 1 dimension of {S} speakers" if lda else f"the {N} embeddings have 1 dimension"
        return f"{left}, where length_norm makes each 1 or -1; add speakers, take length_norm out of {steps}, {cosine}"
    equal = "all embeddings of a speaker" if error.within else "all embeddings"
    if N - S < D:
        return (
            f"{size} are too few for the chain {steps}: it makes {equal} equal; add utterances,"
            f"{' shrink its lda (lda:128:0.05),' if lda else ''} {cosine}"
        )
    return f"the chain {steps} makes {equal} equal, of {size}; take steps out of it, {cosine}"


def _size(embeddings: np.ndarray, speakers: np.ndarray) -> str:
    return f"{len(embeddings)} embeddings of {int(speakers.max()) + 1} speakers in {embeddings.shape[1]} dimensions"
