r"""Score all systems of one model run on one trial list, in one process (Snakemake's score stage).

e.g.: python -m steps.score_systems cosine,cosine+asnorm data/trials/mini --backend cosine.npz --embeddings test.scp \
          --cohort train.scp --cohort-utt2spk data/mini_train/utt2spk scores/mini/metrics.json

Beside METRICS.json, which sums them up, each system has <system>.scores and <system>.metrics.json; a system whose
config, back-end, embeddings and trials are unchanged is kept, so that adding one scores only that one.
"""

import time

from sre.cli.arguments import Parser, input_file, output_file
from sre.config.stages import STAGE_VERSIONS
from sre.io.atomic import locked, sha256_text
from sre.io.text import canonical
from sre.machine.environment import code_version, environment, note_settings
from sre.machine.log import run, say
from steps.arguments import add_evaluation_options, add_systems_options, systems_of


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
    args = parser.parse_args(argv)
    from sre.io.trials import read_trials
    from sre.metrics.speakers import bootstrap_of, check_speakers_known
    from sre.scoring.evaluation import Evaluation
    from sre.scoring.read_cohort import read_training
    from sre.scoring.result import DEVELOPMENT, Draws, ListResult, codes_of
    from sre.scoring.systems import Scorer, digests_of, read_development, score_systems

    begun = time.monotonic()
    backends = {path.stem: path for path in args.backend}
    drawn = {"replicates": args.replicates, "seed": args.replicates_seed}
    job = {"run": args.run, "model": args.model or args.run, "seed": args.seed, "role": args.role}
    systems, is_development = systems_of(args), args.role == DEVELOPMENT
    job |= {"p_target": args.p_target, "bootstrap": drawn, "systems": systems, "version": STAGE_VERSIONS["score"]}
    note_settings(systems=systems)
    trials = read_trials(args.trials)
    evaluation = Evaluation.read(trials, args.enroll_map, args.embeddings, args.utt2spk)
    if args.utt2spk and evaluation.speakers:  # else trials were drawn in place of speakers
        check_speakers_known(trials, evaluation.speakers, args.utt2spk)
    training = read_training([args.cohort], args.cohort_utt2spk)
    digests = digests_of(evaluation, training, args.trials, args.enroll_map)
    development = read_development(args.development) if args.development else {}
    bootstrap = bootstrap_of(trials, evaluation.speakers, **drawn) if args.replicates else None
    folder = args.metrics.parent
    with locked(folder / ".score.lock"):
        scorer = Scorer(
            evaluation, backends, training, systems, folder, is_development, development, args.p_target, bootstrap
        )
        results = score_systems(scorer, digests)
        codes = codes_of(results.values())
        ListResult(
            **{key: job[key] for key in ("model", "run", "seed", "role")},
            trials=folder.name,
            trials_file=str(args.trials),
            trials_sha256=digests["trials"],
            enroll_map=str(args.enroll_map) if args.enroll_map else None,
            enroll_map_sha256=digests["enroll_map"],
            data=str(args.utt2spk.parent) if args.utt2spk else None,
            embeddings=[str(path) for path in args.embeddings],
            bootstrap=Draws(**bootstrap.facts()) if bootstrap else None,
            environment=environment() | {"code": ", ".join(sorted(codes)) or code_version()},
            config_sha256=sha256_text(canonical(job)),
            systems=results,
            wall_s=round(time.monotonic() - begun, 3),
        ).write(args.metrics)
    for name, result in results.items():
        say(f"{name}: " + (f"EER {result.metrics['eer']:.3f} %" if result.done else result.reason))
    say(f"{len(results)} systems on {len(trials.enrol)} trials")


if __name__ == "__main__":
    run(main)
