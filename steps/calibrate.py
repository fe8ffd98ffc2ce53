r"""Calibrate anybody's scores: make log-likelihood ratios of them, fitted on a labelled list.

e.g.: python -m steps.calibrate dev.scores dev_trials cal.json --apply eval.scores eval.llr
      python -m steps.calibrate dev.score dev_trials cal.json --p-target 0.01

Scores are lines `enrol test score`, in any order. OUT.json has the weight and offset; --apply, or later
steps.apply_calibration, writes the natural-log likelihood ratios of other scores of the same system.

For use by hand: no rule calls it. In a recipe steps.score_systems does it.
"""

from sre.cli.arguments import Parser, input_file, output_file
from sre.machine.log import run
from steps.arguments import add_fit_options, applied_files, write_llrs


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("scores", metavar="DEV_SCORES", type=input_file, help="scores that the fit is made on")
    add_fit_options(parser, "SCORES OUT_SCORES")
    parser.add_argument("out", metavar="OUT.json", type=output_file, help="the calibration")
    args = parser.parse_args(argv)
    files = applied_files(parser, args.apply, 1)
    from sre.scoring.stored_calibration import fit_files

    calibration, numbers = fit_files([args.scores], args.trials, args.p_target)
    calibration.write(args.out)
    for name in ("act_dcf", "cllr"):
        heading = f"actDCF({args.p_target:g})" if name == "act_dcf" else "Cllr"
        print(f"{heading} {numbers[f'{name}_before']:.4f} -> {numbers[name]:.4f}")
    print(f"weight {calibration.weights[0]:.6g}\noffset {calibration.offset:.6g}")
    write_llrs(calibration, *files)


if __name__ == "__main__":
    run(main)
