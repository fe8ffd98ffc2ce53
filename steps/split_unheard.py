"""A data directory in two: what is trained on, and utterances of the same speakers that nothing is trained on.

e.g.: python -m steps.split_unheard data/mini_train data/mini_train_heard data/mini_train_unheard --utterances 3

A speaker keeps at least as many utterances as it gives, else it gives none. No sound and no archive is copied.
"""

from sre import SreError
from sre.cli.arguments import Parser, input_folder, number, output_folder, seed
from sre.machine.log import run, say

NAMED = 5  # speakers that are told by name


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("data", type=input_folder, help="data directory")
    parser.add_argument("heard", type=output_folder, metavar="HEARD_DIR", help="data directory to train on, written")
    parser.add_argument("unheard", type=output_folder, metavar="UNHEARD_DIR", help="data directory to test on, written")
    many = "of each speaker; below 1 it is a share of the speaker's, at least one"
    parser.add_argument("--utterances", type=number(1e-6, 1e6), required=True, metavar="N", help=many)
    whole = "what is drawn: utterances, or whole sessions by utt2session or utt2chapter (default: utterance)"
    parser.add_argument("--by", choices=["utterance", "session"], default="utterance", help=whole)
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="of the draws (default: 1)")
    args = parser.parse_args(argv)
    from sre.datadir.datadir import check_other, read_data_dir
    from sre.datadir.unheard import cut, in_heard_sessions

    for out in (args.heard, args.unheard):
        check_other(args.data, out)
    if args.heard.resolve() == args.unheard.resolve():
        raise SreError(f"{args.unheard}: is HEARD_DIR too; name two directories")

    data = read_data_dir(args.data, every_table=True)
    parts = cut(data, args.utterances, args.by, args.seed)
    heard, unheard = data.keep(parts.heard), data.keep(parts.unheard)
    for part, out in ((heard, args.heard), (unheard, args.unheard)):
        part.write(out)
        say(f"{out}: {len(set(part.tables['utt2spk'].values()))} speakers, {len(part.utts)} utterances")
    if parts.without:
        some = ", ".join(parts.without[:NAMED]) + " …" * (len(parts.without) > NAMED)
        say(f"{args.data}: {len(parts.without)} speakers have too few utterances and give none: {some}")
    if shared := in_heard_sessions(heard, unheard):
        say(f"{args.unheard}: {shared} utterances are of a session or recording that is trained on, which is easier")


if __name__ == "__main__":
    run(main)
