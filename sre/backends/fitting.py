"""A back-end fitted on training embeddings; where it cannot be, one sentence says why."""

from collections.abc import Mapping, Sequence

import numpy as np

from sre import SreError
from sre.backends.backend import Backend
from sre.backends.chain import fit_chain
from sre.backends.kinds import KINDS
from sre.backends.options import Asked
from sre.backends.sides import EQUAL, NoSpread, check_training, within_share


def fit(
    config: Mapping[str, object], embeddings: np.ndarray, speakers: np.ndarray, adapt: np.ndarray | None = None
) -> Backend:
    """Fit a back-end on (N, D) embeddings and their (N,) speakers.

    config : {"type": …} and what shall not be the default, keys as in docs/backends.md
    adapt : (A, D) embeddings of the target domain, for centre:adapt and PLDA's adaptation
    Raises SreError for a config that is none and, with the reason, where the back-end cannot be fitted on them.
    """
    asked = Asked.of(config)
    if asked.type not in KINDS:
        raise SreError(f"back-end: there is no type '{asked.type}'; give one of {', '.join(KINDS)}")
    KINDS[asked.type].check_asked(asked)
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
        prepared = fit_chain(asked.chain, embeddings, speakers, adapt)
        return _checked(KINDS[asked.type].fit(asked, prepared, speakers))
    except NoSpread as error:
        raise SreError(_reason(error, asked.chain, embeddings, speakers)) from None
    except (ValueError, FloatingPointError) as error:
        raise SreError(
            f"no {asked.type} back-end can be fitted on {_size(embeddings, speakers)} ({error}); put length_norm,"
            " or lda with fewer dimensions, into its chain, or use a cosine system"
        ) from None


def fit_plda(embeddings: np.ndarray, speakers: np.ndarray, lda: int | None = None, **options: object) -> Backend:
    """Return a PLDA of embeddings that are centred, perhaps go through LDA, and are scaled to equal length.

    embeddings, speakers : (N, D) numbers, and (N,) names
    lda : the dimensions that LDA leaves, at most; None: no LDA
    options : further keys of a back-end's config (docs/backends.md), as rank=100 or chain=[…] in place of the above
    Raises SreError as `fit` does.
    """
    chain = ["centre", *([f"lda:{lda}"] if lda is not None else []), "length_norm"]
    return fit({"type": "plda", "chain": chain} | options, np.asarray(embeddings), np.asarray(speakers))


def _checked(backend: Backend) -> Backend:
    arrays = {**backend.parts, **dict(zip(backend.chain.steps, backend.chain.arrays, strict=False))}
    if bad := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
        raise FloatingPointError(f"{bad[0]} is not finite")
    return backend


def _reason(error: NoSpread, chain: Sequence[str], embeddings: np.ndarray, speakers: np.ndarray) -> str:
    """The reason why embeddings do not differ: by themselves, or as they are too few for the steps of the chain."""
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
