"""Identification rates of one score file on one labelled trial list: each test utterance is a search among its models.

e.g.: python -m steps.compute_identification exp/mini/xvector/scores/mini/cosine.scores data/trials/mini

Prints one `name value` a line; rates are shares, 0 to 1. rank_K: the mate is among the K best models of its search.
fnir_at_fpir_X: mates missed or not first, at the threshold that at most a share X of the non-mated searches reach.

For use by hand: no rule calls it.
"""

from sre import SreError
from sre.cli.arguments import Parser, input_file, output_file
from sre.machine.log import run, say


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "scores", type=input_file, help="lines `enrol test score`, with or without a label after the score"
    )
    parser.add_argument("trials", type=input_file, help="lines `enrol test target|nontarget`, or `1|0 enrol test`")
    parser.add_argument("--out", type=output_file, help="write the numbers as JSON")
    args = parser.parse_args(argv)
    from sre.io.atomic import sha256_file, write_json
    from sre.io.trials import align_scores
    from sre.metrics.identification import identification_rates

    scores, trials = align_scores(args.scores, args.trials)
    try:
        rates = identification_rates(trials, scores)
    except SreError as error:
        raise SreError(f"{args.scores}: {error}") from None
    if args.out:
        content = rates | {"trials": args.trials.name, "trials_sha256": sha256_file(args.trials)}
        write_json(args.out, content, end="\n", allow_nan=False)
    for name, value in rates.items():
        print(f"{name} {'inf' if value is None else value if isinstance(value, int) else f'{value:.6f}'}")
    if not rates["nonmated"]:
        say(
            f"{args.trials}: each test has its target model in the list, so there is no FPIR; rates are closed-set only"
        )


if __name__ == "__main__":
    run(main)
