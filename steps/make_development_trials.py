"""A development list from training speakers: all pairs of the utterances of a few of them, none with itself.

python -m steps.make_development_trials data/train/utt2spk data/trials/dev data/trials/dev.speakers --speakers 20

The speakers are those that training holds out of networks (validation.speakers), so that what is chosen or calibrated
here meets embeddings of voices that the network does not know.
"""

from itertools import combinations

from sre import SreError
from sre.cli.arguments import Parser, input_file, output_file, whole
from sre.io.atomic import atomic_output
from sre.io.tables import invert, read_utt2spk
from sre.machine.log import run, say


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("utt2spk", type=input_file, help="of the training split")
    parser.add_argument("trials", type=output_file, help="trial list to write")
    parser.add_argument("speakers_out", type=output_file, metavar="SPEAKERS", help="the speakers, one a line")
    parser.add_argument(
        "--speakers", type=whole(2), required=True, metavar="N", help="at most half of those with 2 utterances"
    )
    parser.add_argument(
        "--utterances", type=whole(2), default=20, metavar="N", help="of each speaker at most, spread over its list"
    )
    args = parser.parse_args(argv)
    from sre.io.trials import write_trials
    from sre.training.held_out import held_out_speakers

    utt2spk = read_utt2spk(args.utt2spk)
    speakers = held_out_speakers(utt2spk, args.speakers)
    if not speakers:
        raise SreError(
            f"{args.utt2spk}: no {args.speakers} speakers to hold out, at least 4 with 2 utterances are needed;"
            " set development.speakers to 0, or add data"
        )
    utts = []
    for speaker, some in invert(utt2spk).items():
        if speaker in speakers:
            most = min(args.utterances, len(some))
            utts += [some[i * len(some) // most] for i in range(most)]
    write_trials(args.trials, ((a, b, utt2spk[a] == utt2spk[b]) for a, b in combinations(sorted(utts), 2)))
    with atomic_output(args.speakers_out) as file:
        file.writelines(f"{speaker}\n" for speaker in sorted(speakers))
    say(f"{args.trials}: {len(speakers)} of {args.speakers} speakers, {len(utts)} utterances, all pairs")


if __name__ == "__main__":
    run(main)
