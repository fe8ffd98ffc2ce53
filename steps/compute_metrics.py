"""Error rates of one score file on one labelled trial list.

e.g.: python -m steps.compute_metrics exp/mini/xvector/scores/mini/cosine.scores data/trials/mini --out metrics.json
      python -m steps.compute_metrics vox1_O.score vox1_O.txt --operating-point 0.01,10,1 --plan sre16 --all

Reads `enrol test score`, in any order and also with a label after the score as WeSpeaker writes it, and
`enrol test target|nontarget` (or VoxCeleb's `1|0 enrol test`) lines.
Prints one `name value` a line: EER (per cent), normalised minDCF by P_target, the counts, and what was asked for, under
the name it was asked by. actDCF and C_primary_act take the scores for natural-log likelihood ratios. C_primary is over
all trials alike: NIST's own figures give partitions of the trials equal weights.

For use by hand: no rule calls it. In a recipe steps.score_systems does it.
"""

from sre import SreError
from sre.cli.arguments import Parser, input_file, nist_plan, operating_point, output_file
from sre.io.atomic import sha256_file, write_json
from sre.machine.log import run, warn


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("scores", type=input_file, help="lines `enrol test score`; a label may follow the score")
    parser.add_argument("trials", type=input_file, help="lines `enrol test target|nontarget`, or `1|0 enrol test`")
    point = "minDCF and actDCF there; may be repeated"
    plans = "C_primary of a NIST SRE, as sre16; may be repeated"
    costs = "P_TARGET,C_MISS,C_FA"
    parser.add_argument(
        "--operating-point", type=operating_point, action="append", default=[], metavar=costs, help=point
    )
    parser.add_argument("--plan", action="append", default=[], type=nist_plan, metavar="PLAN", help=plans)
    parser.add_argument("--utt2spk", type=input_file, help="of the trials, for 95 %% intervals (name_low, name_high)")
    parser.add_argument("--enroll-map", type=input_file, help="model utt1 utt2 …; without it a model is an utterance")
    parser.add_argument("--all", action="store_true", help="print all numbers that --out writes")
    parser.add_argument("--out", type=output_file, help="write all numbers and thresholds as JSON")
    args = parser.parse_args(argv)
    from sre.io.trials import align_scores
    from sre.metrics.rates import RATES, asked_rates, summarise, worse_than_unheard
    from sre.metrics.speakers import intervals_of

    shown = {rate.name: rate.key for rate in RATES[:4]}  # the EER, and minDCF at three priors
    scores, trials = align_scores(args.scores, args.trials)
    try:
        summary = summarise(scores, trials.target)
    except SreError as error:
        raise SreError(f"{args.scores}: {error}") from None
    if summary["eer"] > 50:
        warn(f"{args.scores}: an EER above 50 %: look whether labels, or the sign of the scores, are inverted")
    if args.utt2spk:
        files = args.trials, args.enroll_map, args.utt2spk
        summary |= intervals_of(summary, scores, trials, files, shown)
    asked = asked_rates(scores, trials.target, dict(args.operating_point), args.plan)
    taken = {name: asked[name] for name in asked if "act" in name}  # for LLRs, because somebody asked
    taken |= {"actDCF(0.05)": summary["act_dcf_0.05"], "Cllr": summary["cllr"]} if args.all else {}
    if sentence := worse_than_unheard(taken):
        warn(f"{args.scores}: {sentence}")
    if args.out:
        content = summary | asked | {"trials": args.trials.name, "trials_sha256": sha256_file(args.trials)}
        write_json(args.out, content, end="\n", allow_nan=False)
    _print(summary, shown, asked, args.all)


def _print(summary: dict, shown: dict[str, str], asked: dict[str, float], everything: bool) -> None:
    lines: dict[str, float | None] = {}
    bounds = summary.get("intervals", {})
    for name, key in shown.items():
        lines |= {name: summary[key]} | dict(zip((f"{name}_low", f"{name}_high"), bounds.get(key) or (), strict=False))
    lines |= {name: summary[name] for name in ("targets", "nontargets")} | asked
    if everything:  # whether they are calibrated, a score file does not say
        lines |= {name: summary[name] for name in summary if name not in ("calibrated", "intervals", "bootstrap")}
    for name, value in lines.items():
        print(f"{name} {'inf' if value is None else value if isinstance(value, int) else f'{value:.6f}'}")


if __name__ == "__main__":
    run(main)
