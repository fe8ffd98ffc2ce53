"""Copy a PLDA between Kaldi's form, binary or text, and a back-end of ours, a .npz.

python -m steps.copy_plda --text plda plda.txt
python -m steps.copy_plda --mean mean.vec --lda lda.mat plda kaldi.npz
python -m steps.copy_plda --transform transform.mat lda_plda.npz plda
"""

from pathlib import Path

import numpy as np

from sre import SreError
from sre.backends import Plda, load, save
from sre.backends.chain import Chain
from sre.cli.arguments import Parser, input_file, output_file
from sre.io import kaldi_plda
from sre.machine.log import run, say

PARTS = ("plda_mean", "plda_transform", "plda_psi")


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("source", type=input_file, help="Kaldi's plda, or a back-end's .npz")
    parser.add_argument("out", type=output_file, help="the same: a back-end where it ends in .npz")
    parser.add_argument("--text", action="store_true", help="write Kaldi's text form")
    parser.add_argument("--mean", type=input_file, help="for a .npz: Kaldi's mean.vec, subtracted first")
    parser.add_argument("--lda", type=input_file, help="for a .npz: Kaldi's affine lda.mat, applied next")
    parser.add_argument("--no-length-norm", action="store_true", help="for a .npz: none before the PLDA")
    parser.add_argument("--transform", type=output_file, help="from a .npz: its chain up to the length-norm, to write")
    args = parser.parse_args(argv)
    from_ours, to_ours = args.source.suffix == ".npz", args.out.suffix == ".npz"
    if from_ours and to_ours:
        raise SreError(f"{args.out}: both files are back-ends of ours; use cp, or give Kaldi's another ending")
    of_a_backend = args.mean or args.lda or args.no_length_norm
    if (of_a_backend and not to_ours) or (args.text and to_ours) or (args.transform and not from_ours):
        options = "--mean, --lda and --no-length-norm make a .npz, --text Kaldi's form, --transform that of a .npz"
        raise SreError(f"{args.out}: {options}; leave out what does not belong")
    if from_ours:
        to_kaldi(args.source, args.out, args.transform, args.text)
    elif to_ours:
        save(args.out, from_kaldi(args.source, args.mean, args.lda, not args.no_length_norm))
    else:
        kaldi_plda.write_kaldi_plda(args.out, *kaldi_plda.read_kaldi_plda(args.source), text=args.text)


def from_kaldi(plda: Path, mean: Path | None, lda: Path | None, length_norm: bool) -> Plda:
    """A back-end of what Kaldi's voxceleb recipe leaves: the global mean, LDA, length-norm, PLDA."""
    parts = dict(zip(PARTS, kaldi_plda.read_kaldi_plda(plda), strict=True))
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
    kaldi_plda.write_kaldi_plda(out, *(backend.parts[part] for part in PARTS), text=text)
    before = "transform-vec, " * bool(transform) + "ivector-normalize-length, " * ("length_norm" in chain.steps)
    scoring = f"--normalize-length={str(options.scale).lower()}" + " --num-utts" * options.num_utts
    say(f"{out}: what scores so in Kaldi is {before}ivector-plda-scoring {scoring}, of the mean of each model")


def folded(chain: Chain, dimension: int) -> np.ndarray:
    """A chain's affine steps as one (d, D + 1), whatever the length-norm that ends it; `dimension`: of the PLDA."""
    matrix = np.eye(D := chain.dimension or dimension, D + 1)
    for array in chain.arrays:
        if array.ndim == 2:
            matrix = array[:, :-1] @ matrix
            matrix[:, -1] += array[:, -1]
        elif array.size:
            matrix[:, -1] -= array
    return matrix


if __name__ == "__main__":
    run(main)
