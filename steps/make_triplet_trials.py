"""A trial list of random triplets of a split, beside the recipe's own list; `sre data trials --triplets` for people.

python -m steps.make_triplet_trials data/test/utt2spk data/trials/test_triplets --triplets 1000 --seed 1
"""

from sre.cli.arguments import MOST, Parser, count, input_file, output_file, whole
from sre.io.tables import read_utt2spk
from sre.machine.log import run, say


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("utt2spk", type=input_file, help="of the split")
    parser.add_argument("trials", type=output_file, help="trial list to write")
    parser.add_argument("--triplets", type=count, required=True, metavar="N", help="two trials each")
    parser.add_argument("--seed", type=whole(-MOST), default=1, metavar="N", help="of the draws (default: 1)")
    args = parser.parse_args(argv)
    from sre.datadir.triplets import make_triplet_trials

    made = make_triplet_trials(args.utt2spk, read_utt2spk(args.utt2spk), args.triplets, args.seed, args.trials)
    for remark in made.remarks:
        say(f"{args.utt2spk}: {remark}")
    say(f"{args.trials}: {made.targets} triplets, of {made.speakers} speakers")


if __name__ == "__main__":
    run(main)
