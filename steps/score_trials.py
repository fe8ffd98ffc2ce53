r"""Score a trial list by one back-end, normalised if asked.

python -m steps.score_trials cosine data/trials/mini --embeddings E.scp cosine.scores
python -m steps.score_trials plda.npz trials --embeddings E.scp --norm asnorm1 --cohort train.scp \
    --cohort-utt2spk utt2spk --top-n 300 plda.scores

For use by hand: no rule calls it. In a recipe steps.score_systems does it.
"""

from sre import SreError
from sre.cli.arguments import Parser, input_file, output_file
from sre.machine.log import run, say, warn
from steps.arguments import add_cohort_options, add_evaluation_options, backend_file, cohort_rule, norm_methods


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("backend", type=backend_file, help="a back-end file, or the word cosine")
    parser.add_argument("trials", type=input_file, help="lines `enrol test [target|nontarget]`, or `1|0 enrol test`")
    add_evaluation_options(parser)
    parser.add_argument(
        "--norm",
        choices=norm_methods(),
        help="normalise the scores with --cohort; docs/backends.md tells what each does",
    )
    add_cohort_options(parser, required=False)
    parser.add_argument("scores", type=output_file, help="lines `enrol test score`")
    args = parser.parse_args(argv)
    from sre.backends.cohort import Cohort
    from sre.backends.files import load
    from sre.backends.norm import normalise
    from sre.backends.sides import scores_of_pairs
    from sre.io.trial_check import own_targets
    from sre.io.trials import read_pairs, write_scores
    from sre.scoring.evaluation import Evaluation
    from sre.scoring.read_cohort import read_cohort

    if args.norm and not args.cohort:
        raise SreError("--norm needs --cohort; give the training embeddings")
    of_cohort = args.cohort or args.cohort_utt2spk or args.cohort_utterances or args.cohort_size
    if not args.norm and (of_cohort or args.top_n is not None):
        raise SreError("a cohort is for --norm, which is not given; give it, or leave the cohort's options out")
    backend = load(args.backend)
    trials, utt2spks = read_pairs(args.trials), (args.utt2spk, args.cohort_utt2spk)
    evaluation = Evaluation.read(trials, args.enroll_map, args.embeddings, *utt2spks)
    if sentence := own_targets(args.trials, trials, evaluation.models())[1]:
        warn(sentence)
    pairs = evaluation.pairs(backend)
    scores = scores_of_pairs(pairs)
    if args.norm:
        rule = cohort_rule(args)
        chosen, evaluation = read_cohort(args.cohort, rule, evaluation, args.cohort_utt2spk, args.utt2spk)
        cohort = Cohort.of(backend, chosen)
        scores, facts = normalise(scores, pairs, cohort, args.norm, args.top_n, evaluation.speakers)
        say(", ".join(f"{key} {value}" for key, value in facts.items()))
    write_scores(args.scores, trials, scores)
    say(f"{args.scores}: {len(scores)} trials")


if __name__ == "__main__":
    run(main)
