"""Write the targets and lists of S. Jung's Speaker embedding enhancement.

e.g.: python -m steps.make_enhancement_lists data/vox1_test crops/embeddings.scp lists

For use by hand: no rule calls it.

Of each utterance the archive has one embedding, or one of each of its crops. OUT gets archives: `single` (of each
utterance the mean, divided by its length), `multi_b` (of each speaker the mean of these) and `multi_c` (of each speaker
the mean of the means, divided by its length); and lists: `normal` (speaker, utterance), `test` (a trial list),
`triplet` (speaker, utterance, another speaker) and, with utt2session or utt2chapter, `distribution` (speaker, two
utterances, 1 if of one session).
"""

from sre import SreError
from sre.cli.arguments import Parser, input_file, input_folder, output_folder, seed
from sre.io.ids import check_known
from sre.io.tables import invert, read_utt2spk
from sre.machine.log import run, say


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("data", type=input_folder, help="data directory with utt2spk")
    parser.add_argument("embeddings", type=input_file, help="scp of its utterances")
    parser.add_argument("out", type=output_folder, help="folder to write them into")
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="of the lists (default: 1)")
    args = parser.parse_args(argv)
    from sre.datadir.datadir import read_sessions
    from sre.datadir.enhancement import pairs_to_test, session_pairs, triplets
    from sre.io.ark import write_ark
    from sre.io.atomic import atomic_output
    from sre.io.scp import read_scp
    from sre.io.trials import write_trials
    from sre.scoring.means import means_of_crops, single_and_multi

    def write_list(name: str, rows: list[tuple]) -> None:
        with atomic_output(args.out / name) as file:
            file.writelines(" ".join(map(str, row)) + "\n" for row in rows)
        say(f"{args.out / name}: {len(rows)} lines")

    utt2spk, places = read_utt2spk(args.data / "utt2spk"), read_scp(args.embeddings)
    check_known(args.embeddings, places, utt2spk, args.data / "utt2spk")
    utt2spk = {utt: utt2spk[utt] for utt in places}
    if len(set(utt2spk.values())) < 2:
        raise SreError(f"{args.embeddings}: utterances of one speaker; lists need two or more")
    spk2utt, found = invert(utt2spk), single_and_multi(means_of_crops(args.embeddings, places), utt2spk)
    for name, vectors in found.items():
        write_ark(args.out / f"{name}.ark", args.out / f"{name}.scp", sorted(vectors.items()))
    say(f"{args.out}: single, multi_b and multi_c of {len(places)} utterances of {len(spk2utt)} speakers")
    write_list("normal", [(speaker, utt) for speaker, utts in spk2utt.items() for utt in utts])
    write_trials(args.out / "test", pairs_to_test(utt2spk, args.seed))
    write_list("triplet", triplets(utt2spk, args.seed))
    sessions = read_sessions([args.data])
    if utt2spk.keys() <= sessions.keys():
        write_list("distribution", [(*row, int(same)) for *row, same in session_pairs(utt2spk, sessions, args.seed)])
    else:
        say(f"{args.data}: no utt2session of all utterances, so that there is no list distribution")


if __name__ == "__main__":
    run(main)
