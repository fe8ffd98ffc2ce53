"""A PLDA in Kaldi's form as a back-end of ours, and back; mean, LDA and length-norm before it are its chain."""

from pathlib import Path

import numpy as np

from sre import SreError
from sre.backends.chain import Chain
from sre.backends.files import load
from sre.backends.plda import Plda
from sre.io import kaldi_plda
from sre.machine.log import say


def from_kaldi(plda: Path, mean: Path | None, lda: Path | None, length_norm: bool) -> Plda:
    """Return a back-end of what Kaldi's voxceleb recipe leaves: the global mean, LDA, length-norm, PLDA."""
    parts = dict(zip(Plda.SHAPES, kaldi_plda.read_kaldi_plda(plda), strict=True))
    D = len(parts["plda_mean"])
    steps, arrays = (["length_norm"], [np.empty(0)]) if length_norm else ([], [])
    if lda:
        matrix = kaldi_plda.read_kaldi_matrix(lda)
        if len(matrix) != D:
            raise SreError(f"{lda}: {len(matrix)} rows for a PLDA of {D}; give the lda.mat that it was fitted on")
        steps, arrays, D = [f"lda:{D}", *steps], [matrix, *arrays], matrix.shape[1] - 1
    if mean:
        vector = kaldi_plda.read_kaldi_vector(mean)
        if len(vector) != D:
            raise SreError(f"{mean}: {len(vector)} values where {D} go on; give mean.vec and lda.mat of this PLDA")
        steps, arrays = ["centre", *steps], [vector, *arrays]
    return Plda(Chain(steps, arrays), parts, facts={"chain": steps})


def to_kaldi(source: Path, out: Path, transform: Path | None, text: bool) -> None:
    """Write a back-end's PLDA to `out` and its chain, but for a last length-norm, to `transform`."""
    backend = load(source)
    if not isinstance(backend, Plda):
        raise SreError(f"{source}: Kaldi has no form of a {backend.kind} back-end; give one of type plda")
    chain, options = backend.chain, backend.options
    if "length_norm" in chain.steps[:-1]:
        raise SreError(f"{source}: its chain {chain.steps} goes on after length_norm; for Kaldi let it end there")
    if chain.steps and not transform:
        raise SreError(f"{source}: a Kaldi plda cannot hold its chain {chain.steps}; write that by --transform FILE")
    if transform:
        kaldi_plda.write_kaldi_matrix(transform, folded(chain, len(backend.parts["plda_mean"])))
    mean, matrix, psi = (backend.parts[part] for part in Plda.SHAPES)
    kaldi_plda.write_kaldi_plda(out, mean, matrix, psi, text=text)
    before = "transform-vec, " * bool(transform) + "ivector-normalize-length, " * ("length_norm" in chain.steps)
    scoring = f"--normalize-length={str(options.scale).lower()}" + " --num-utts" * options.num_utts
    say(f"{out}: what scores so in Kaldi is {before}ivector-plda-scoring {scoring}, of the mean of each model")


def folded(chain: Chain, dimension: int) -> np.ndarray:
    """Return a chain's affine steps as one (d, D + 1), without a length-norm that ends it; `dimension`: of the PLDA."""
    matrix = np.eye(D := chain.dimension or dimension, D + 1)
    for array in chain.arrays:
        if array.ndim == 2:
            matrix = array[:, :-1] @ matrix
            matrix[:, -1] += array[:, -1]
        elif array.size:
            matrix[:, -1] -= array
    return matrix
