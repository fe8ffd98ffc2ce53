r"""Fuse anybody's scores: one log-likelihood ratio of those of several systems, fitted on a labelled list.

e.g.: python -m steps.fuse a_dev.scores b_dev.scores dev_trials fusion.json --apply a_eval.scores b_eval.scores eval.llr

Scores are lines `enrol test score`, each file in any order, of the same trials. OUT.json has a weight for each file, in
their order, and the offset; --apply, or later steps.apply_calibration, takes files of the same systems in that order.

For use by hand: no rule calls it. In a recipe steps.score_systems and steps.fuse_systems do it.
"""

from sre import SreError
from sre.cli.arguments import Parser, input_file, output_file
from sre.machine.log import run
from steps.arguments import add_fit_options, applied_files, write_llrs


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    several = "scores that the fit is made on, a file for each system"
    parser.add_argument("scores", metavar="DEV_SCORES", type=input_file, nargs="+", help=several)
    add_fit_options(parser, "SCORES … OUT_SCORES")
    parser.add_argument("out", metavar="OUT.json", type=output_file, help="the fusion")
    args = parser.parse_args(argv)
    if len(args.scores) < 2:
        raise SreError("one score file is no fusion; give two or more, or run steps.calibrate")
    files = applied_files(parser, args.apply, len(args.scores))
    from sre.scoring.stored_calibration import fit_files

    fusion, numbers = fit_files(args.scores, args.trials, args.p_target)
    fusion.write(args.out)
    print(f"actDCF({args.p_target:g}) {numbers['act_dcf']:.4f}\nCllr {numbers['cllr']:.4f}")
    for name, weight in zip(fusion.scores, fusion.weights, strict=True):
        print(f"weight of {name} {weight:.6g}")
    print(f"offset {fusion.offset:.6g}")
    write_llrs(fusion, *files)


if __name__ == "__main__":
    run(main)
