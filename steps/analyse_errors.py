"""Who pays for the errors of one system: by condition, worst speakers, most confusing pairs, and each wrong trial.

python -m steps.analyse_errors exp/mini/xvector/scores/mini/cosine.scores data/trials/mini --data data/mini_test OUT_DIR

Conditions come from the data directory's `spk2<name>` and `utt2<name>` tables; the threshold is the same for all.
Prints the breakdown, in per cent; writes OUT_DIR/{breakdown,speakers,utterances,pairs}.tsv and errors.csv.

For use by hand: no rule calls it. In a recipe steps.make_report does it for the reference system of each list.
"""

from sre.cli.arguments import Parser, finite, input_file, input_folder, output_folder, whole
from sre.machine.log import aligned, run, say


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("scores", type=input_file, help="lines `enrol test score`")
    parser.add_argument("trials", type=input_file, help="lines `enrol test target|nontarget`, or `1|0 enrol test`")
    parser.add_argument("--data", type=input_folder, required=True, metavar="DIR", help="of the list's utterances")
    parser.add_argument(
        "--enroll-map", type=input_file, metavar="F", help="lines `model utt1 utt2 …`, if models are no utts"
    )
    parser.add_argument("--threshold", type=finite, help="accept from this score on; default: that of the EER")
    parser.add_argument(
        "--draws",
        type=whole(2, 10**5, "no intervals"),
        default=200,
        help="of speakers, for the EER's intervals; 0: none",
    )
    parser.add_argument("out", type=output_folder, metavar="OUT_DIR", help="folder for the tables")
    args = parser.parse_args(argv)
    from sre.io.trial_check import check_labels
    from sre.report.errors import CONDITIONS, cells, write_analysis
    from sre.scoring.analysis import analyse

    found = analyse(args.scores, args.trials, args.enroll_map, args.data, args.threshold, args.draws)
    trials, models = found.described.trials, found.described.models
    check_labels(args.trials, trials, dict(zip(trials.enrol_ids, models, strict=True)), found.described.utt2spk)
    write_analysis(args.out, found)
    print(aligned([[*CONDITIONS], *(cells(row, CONDITIONS) for row in found.breakdown)]), end="")
    if without := [row["condition"] for row in found.breakdown if row["eer"] is not None and row["eer_low"] is None]:
        reason = "their draws lack target or nontarget trials, or are all alike" if args.draws else "--draws is 0"
        say(f"no 95 % interval for {len(without)} conditions, e.g. {without[0]}: {reason}")
    say(f"{args.out}: {len(found.errors)} errors of all trials at threshold {found.threshold:.6g}")


if __name__ == "__main__":
    run(main)
