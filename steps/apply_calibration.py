r"""Apply a calibration or fusion that steps.calibrate or steps.fuse wrote to other scores of the same systems.

e.g.: python -m steps.apply_calibration cal.json eval.scores eval.llr
      python -m steps.apply_calibration fusion.json a_eval.scores b_eval.scores eval.llr

The trials need no labels. OUT_SCORES has natural-log likelihood ratios, in the order of the first file.

For use by hand: no rule calls it. In a recipe steps.score_systems does it.
"""

from sre.cli.arguments import Parser, input_file, output_file
from sre.machine.log import run
from steps.arguments import write_llrs


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("calibration", metavar="OUT.json", type=input_file, help="what steps.calibrate or fuse wrote")
    several = "scores, a file for each weight, in their order"
    parser.add_argument("scores", metavar="SCORES", type=input_file, nargs="+", help=several)
    parser.add_argument("out", metavar="OUT_SCORES", type=output_file, help="lines `enrol test llr`")
    args = parser.parse_args(argv)
    from sre.scoring.stored_calibration import StoredCalibration

    write_llrs(StoredCalibration.read(args.calibration), args.scores, args.out)


if __name__ == "__main__":
    run(main)
