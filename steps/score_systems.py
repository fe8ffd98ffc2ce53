r"""Score all systems of one model run on one trial list, in one process (Snakemake's score stage).

e.g.: python -m steps.score_systems cosine,cosine+asnorm data/trials/mini --backend cosine.npz --embeddings test.scp \
          --cohort train.scp --cohort-utt2spk data/mini_train/utt2spk scores/mini/metrics.json

Beside METRICS.json, which sums them up, each system has <system>.scores and <system>.metrics.json; a system whose
config, back-end, embeddings and trials are unchanged is kept, so that adding one scores only that one.
"""

from sre.cli.arguments import Parser, input_file, output_file
from sre.machine.environment import note_settings
from sre.machine.log import run
from steps.arguments import add_evaluation_options, add_quality_options, add_systems_options, systems_of


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    add_systems_options(parser)
    parser.add_argument("trials", type=input_file, help="lines `enrol test target|nontarget`")
    add_evaluation_options(parser)
    calibrated = "METRICS.json of the development list, with its calibrations"
    parser.add_argument("--development", type=input_file, help=calibrated)
    parser.add_argument("--cohort", required=True, type=input_file, help="training embeddings")
    parser.add_argument("--cohort-utt2spk", required=True, type=input_file, help="speakers of the training embeddings")
    parser.add_argument("metrics", type=output_file, help="METRICS.json")
    add_quality_options(parser)
    args = parser.parse_args(argv)
    from sre.scoring.job import ScoreJob
    from sre.scoring.result import CONDITION, DEVELOPMENT
    from sre.scoring.systems import score_list

    if args.condition and args.role == DEVELOPMENT:
        parser.error("--condition: nothing is chosen on such a list; leave --role out")
    asked = vars(args) | {"systems": systems_of(args), "model": args.model or args.run}
    asked["role"] = CONDITION if args.condition else args.role
    note_settings(systems=asked["systems"])
    score_list(ScoreJob(**asked))


if __name__ == "__main__":
    run(main)
