"""The part of a data directory that has the utterances of a trial list.

e.g.: python -m steps.copy_listed data/train data/trials/train_dev data/train_dev

The models of the list are utterances, as those of a development list. No sound and no archive is copied.
"""

from sre.cli.arguments import Parser, input_file, input_folder, output_folder
from sre.machine.log import run


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("data", type=input_folder, help="data directory")
    parser.add_argument("trials", type=input_file, help="trial list of its utterances, with or without labels")
    parser.add_argument("out", type=output_folder, metavar="OUT_DIR", help="data directory to write")
    args = parser.parse_args(argv)
    from sre.datadir.cut import copy_listed
    from sre.io.trials import read_pairs

    trials = read_pairs(args.trials)
    copy_listed(args.data, args.out, {*trials.enrol_ids.tolist(), *trials.test_ids.tolist()})


if __name__ == "__main__":
    run(main)
