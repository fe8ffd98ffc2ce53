r"""Normalise the scores that score_trials wrote.

python -m steps.normalize_scores cosine raw.scores --embeddings E.scp --cohort train.scp --cohort-utt2spk utt2spk \
    --method asnorm1 --top-n 300 norm.scores
"""

import argparse
from pathlib import Path

from sre.backends import load
from sre.backends.norm import Cohort, normalise
from sre.io.trials import read_scores, write_scores
from sre.log import run, say
from steps.common import cohort_of, evaluation_of


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("backend", help="the back-end that scored: a file, or the word cosine")
    parser.add_argument("scores", type=Path, help="enrol test score")
    parser.add_argument(
        "--embeddings", action="append", required=True, type=Path, help="of enrolment and test, scp or ark"
    )
    parser.add_argument("--enroll-map", type=Path, help="model utt1 utt2 …; without it a model is an utterance")
    parser.add_argument("--cohort", required=True, type=Path, help="embeddings of the cohort")
    parser.add_argument("--cohort-utt2spk", type=Path, help="with it the cohort is the mean of each speaker")
    parser.add_argument("--method", required=True, choices=["snorm", "asnorm1"])
    parser.add_argument("--top-n", type=int, default=300, help="asnorm1")
    parser.add_argument("out", type=Path)
    args = parser.parse_args(argv)
    backend = load(args.backend)
    trials, raw = read_scores(args.scores)
    evaluation = evaluation_of(trials, args.enroll_map, args.embeddings)
    cohort = Cohort.of(backend, *cohort_of(args.cohort, args.cohort_utt2spk))
    scores, facts = normalise(
        raw, *evaluation.sides(backend), trials.enrol, trials.test, cohort, args.method, args.top_n
    )
    write_scores(args.out, trials, scores)
    say(f"{args.out}: {len(scores)} trials, " + ", ".join(f"{key} {value}" for key, value in facts.items()))


if __name__ == "__main__":
    run(main)
