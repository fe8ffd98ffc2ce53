"""Copy a PLDA between Kaldi's form, binary or text, and a back-end of ours, a .npz.

python -m steps.copy_plda --text plda plda.txt
python -m steps.copy_plda --mean mean.vec --lda lda.mat plda kaldi.npz
python -m steps.copy_plda --transform transform.mat lda_plda.npz plda

For use by hand: no rule calls it.
"""

from sre import SreError
from sre.cli.arguments import Parser, input_file, output_file
from sre.machine.log import run


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
    from sre.backends.files import save
    from sre.backends.kaldi import from_kaldi, to_kaldi
    from sre.io.kaldi_plda import read_kaldi_plda, write_kaldi_plda

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
        write_kaldi_plda(args.out, *read_kaldi_plda(args.source), text=args.text)


if __name__ == "__main__":
    run(main)
