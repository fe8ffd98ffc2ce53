"""Thresholds of a labelled list: those of the EER, the highest F1 and G-mean, and of shares of false alarms.

python -m steps.compute_thresholds dev.scores dev_trials thresholds.csv
python -m steps.compute_thresholds dev.scores dev_trials thresholds.csv --far 0.01 --far 0.001

Writes `rule,threshold,p_miss,p_fa,f1,gmean`, with a row of each rule: the least score that it accepts, and rates of
the list at it. far_0.01 is the lowest threshold with a P_fa of at most 0.01. gmean is the geometric mean of 1 - P_miss
and 1 - P_fa; 1 - gmean is no error rate.

For use by hand: no rule calls it. `sre decide --dev` takes one of them.
"""

import numpy as np

from sre.cli.arguments import Parser, input_file, output_file, share
from sre.machine.log import run, say

SHARES = np.linspace(0.05, 0, 50)  # those of github hiimmuc/SpeakerVerification


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("scores", type=input_file, help="lines `enrol test score`")
    parser.add_argument("trials", type=input_file, help="lines `enrol test target|nontarget`, or `1|0 enrol test`")
    parser.add_argument("out", metavar="OUT.csv", type=output_file, help="the table to write")
    alarms = "share of false alarms, 0 to 1; may be repeated (default: 50 of them, from 0.05 to 0)"
    parser.add_argument("--far", type=share, action="append", metavar="F", help=alarms)
    args = parser.parse_args(argv)
    from sre.io.trials import align_scores
    from sre.scoring.decisions import tuned_rules, write_rules

    scores, trials = align_scores(args.scores, args.trials)
    rules = tuned_rules(scores, trials, args.scores, SHARES.tolist() if args.far is None else args.far)
    write_rules(args.out, rules, trials)
    say(f"{args.out}: {len(rules)} thresholds")


if __name__ == "__main__":
    run(main)
