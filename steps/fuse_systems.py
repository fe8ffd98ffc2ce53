r"""Fuse systems of several runs on one trial list, of the files that their score jobs left (Snakemake's score stage).

e.g.: python -m steps.fuse_systems two data/trials/mini --input xvector/plda=exp/mini/xvector/scores/mini/metrics.json \
          --input ecapa/cosine=exp/mini/ecapa/scores/mini/metrics.json --development DEV/metrics.json OUT/metrics.json

Beside METRICS.json, which is as that of a run, stand NAME.scores and NAME.metrics.json. With --role development the
weights are trained on the list; else they are those of --development. steps.fuse takes score files of any origin.
"""

from sre.cli.arguments import Parser, input_file, output_file
from sre.machine.environment import note_settings
from sre.machine.log import run
from steps.arguments import add_result_options, named_file


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("name", metavar="NAME", help="of the fusion")
    parser.add_argument("trials", type=input_file, help="lines `enrol test target|nontarget`")
    inputs = "a system that is fused, and the metrics.json of its run on this list; repeated, in the order of weights"
    parser.add_argument(
        "--input", action="append", required=True, type=named_file, metavar="MODEL/SYSTEM=METRICS.json", help=inputs
    )
    models = "lines `model utt1 utt2 …`; without it a model is an utterance"
    parser.add_argument("--enroll-map", type=input_file, metavar="MAP", help=models)
    parser.add_argument("--utt2spk", type=input_file, help="speakers of enrolment and test utterances, for intervals")
    calibrated = "METRICS.json of this fusion on the development list, with its weights"
    parser.add_argument("--development", type=input_file, help=calibrated)
    add_result_options(parser)
    parser.add_argument("metrics", type=output_file, help="METRICS.json")
    args = parser.parse_args(argv)
    from sre.scoring.fusion import fuse_list
    from sre.scoring.job import FusionJob
    from sre.scoring.result import CONDITION, DEVELOPMENT

    if args.condition and args.role == DEVELOPMENT:
        parser.error("--condition: nothing is chosen on such a list; leave --role out")
    files = dict(args.input)
    asked: dict = vars(args) | {"systems": {args.name: {"of": list(files)}}, "model": args.model or args.run}
    asked |= {"input": files, "role": CONDITION if args.condition else args.role}
    del asked["name"]
    note_settings(systems=asked["systems"])
    fuse_list(FusionJob(**asked))


if __name__ == "__main__":
    run(main)
