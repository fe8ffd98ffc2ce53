r"""Normalise the scores that score_trials wrote.

python -m steps.normalize_scores cosine raw.scores --embeddings E.scp --cohort train.scp --cohort-utt2spk utt2spk \
    --method asnorm1 --top-n 300 norm.scores

For use by hand: no rule calls it. In a recipe steps.score_systems does it.
"""

from sre.cli.arguments import Parser, input_file, output_file
from sre.machine.log import run, say
from steps.arguments import add_cohort_options, add_evaluation_options, backend_file, cohort_rule, norm_methods


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("backend", type=backend_file, help="the back-end that scored: a file, or the word cosine")
    parser.add_argument("scores", type=input_file, help="lines `enrol test score`")
    add_evaluation_options(parser)
    add_cohort_options(parser, required=True)
    parser.add_argument("--method", required=True, choices=norm_methods(), help="docs/backends.md tells what each does")
    parser.add_argument("out", type=output_file, help="lines `enrol test score`")
    args = parser.parse_args(argv)
    from sre.backends.cohort import Cohort
    from sre.backends.files import load
    from sre.backends.norm import normalise
    from sre.io.trials import read_scores, write_scores
    from sre.scoring.evaluation import Evaluation
    from sre.scoring.read_cohort import read_cohort

    backend = load(args.backend)
    trials, raw = read_scores(args.scores)
    evaluation = Evaluation.read(trials, args.enroll_map, args.embeddings, args.utt2spk, args.cohort_utt2spk)
    pairs, rule = evaluation.pairs(backend), cohort_rule(args)
    chosen, evaluation = read_cohort(args.cohort, rule, evaluation, args.cohort_utt2spk, args.utt2spk)
    cohort = Cohort.of(backend, chosen)
    scores, facts = normalise(raw, pairs, cohort, args.method, args.top_n, evaluation.speakers)
    write_scores(args.out, trials, scores)
    say(f"{args.out}: {len(scores)} trials, " + ", ".join(f"{key} {value}" for key, value in facts.items()))


if __name__ == "__main__":
    run(main)
