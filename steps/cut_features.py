"""A data directory of the same features, each cut to a length from its middle; shorter ones stay whole.

e.g.: python -m steps.cut_features data/ko_eval data/ko_eval_2s --seconds 2

For data directories that have feats.scp and no sound. The utterances keep their ids, so that the trials are the same;
entries of feats.scp get a range of rows, and no archive is copied.
"""

from sre.cli.arguments import Parser, input_folder, number, output_folder
from sre.machine.log import run


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("data", type=input_folder, help="data directory with feats.scp")
    parser.add_argument("out", type=output_folder, metavar="OUT_DIR", help="data directory to write")
    parser.add_argument("--seconds", type=number(1e-3, 1e6), required=True, metavar="S", help="length of each piece")
    shift = "from one frame to the next (default: 10)"
    parser.add_argument("--frame-shift", type=number(1e-3, 1e4), default=10.0, metavar="MS", help=shift)
    args = parser.parse_args(argv)
    from sre.datadir.cut import cut_features

    cut_features(args.data, args.out, args.seconds, args.frame_shift)


if __name__ == "__main__":
    run(main)
