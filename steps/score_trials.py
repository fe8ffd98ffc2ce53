r"""Score a trial list by one back-end, normalised if asked.

python -m steps.score_trials cosine data/trials/mini --embeddings E.scp cosine.scores
python -m steps.score_trials plda.npz trials --embeddings E.scp --norm asnorm1 --cohort train.scp \
    --cohort-utt2spk utt2spk --top-n 300 plda.scores
"""

import argparse
from pathlib import Path

from sre import SreError
from sre.backends import load
from sre.backends.norm import Cohort, normalise
from sre.io.trials import read_trials, write_scores
from sre.log import run, say
from steps.common import cohort_of, evaluation_of


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backend", help="a back-end file, or the word cosine")
    parser.add_argument("trials", type=Path, help="enrol test target|nontarget, or 1|0 enrol test")
    parser.add_argument(
        "--embeddings", action="append", required=True, type=Path, help="of enrolment and test, scp or ark"
    )
    parser.add_argument("--enroll-map", type=Path, help="model utt1 utt2 …; without it a model is an utterance")
    parser.add_argument("--norm", choices=["snorm", "asnorm1"])
    parser.add_argument("--cohort", type=Path, help="embeddings of the cohort")
    parser.add_argument("--cohort-utt2spk", type=Path, help="with it the cohort is the mean of each speaker")
    parser.add_argument("--top-n", type=int, default=300, help="asnorm1")
    parser.add_argument("scores", type=Path, help="enrol test score")
    args = parser.parse_args(argv)
    if args.norm and not args.cohort:
        raise SreError("--norm needs --cohort; give the training embeddings")
    backend = load(args.backend)
    evaluation = evaluation_of(read_trials(args.trials), args.enroll_map, args.embeddings)
    enrol, test = evaluation.sides(backend)
    scores = evaluation.raw(enrol, test)
    if args.norm:
        cohort = Cohort.of(backend, *cohort_of(args.cohort, args.cohort_utt2spk))
        pairs = (evaluation.trials.enrol, evaluation.trials.test)
        scores, facts = normalise(scores, enrol, test, *pairs, cohort, args.norm, args.top_n)
        say(", ".join(f"{key} {value}" for key, value in facts.items()))
    write_scores(args.scores, evaluation.trials, scores)
    say(f"{args.scores}: {len(scores)} trials")


if __name__ == "__main__":
    run(main)
