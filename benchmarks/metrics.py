"""Error rates of many trials against scikit-learn's roc_curve, all in one run on one machine.

python -m benchmarks.metrics --out benchmarks/metrics.md    # scikit-learn takes some 1.5 GB

Scores are synthetic (seeded): normal, 1 % targets, which score 3 higher. Each measurement is a process of its own,
whose peak memory is all that it takes, with Python, its libraries and the scores and labels given. Both compute EER,
as `sre.metrics.eer` defines it, and minDCF at P_target 0.05, 0.01 and 0.001.
"""

import resource
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from benchmarks.scoring import machine, seconds_of
from sre.cli.arguments import Parser, output_file, whole
from sre.machine.log import run

REPEATS, TRIALS = 5, 10_000_000
BOOTSTRAP_TRIALS, SPEAKERS, DRAWS = 580_000, 1_251, 1_000
P_TARGETS = (0.05, 0.01, 0.001)


def make_scores(trials: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(trials)
    target = draw.random(trials, np.float32) < 0.01
    scores = draw.standard_normal(trials, np.dtype(dtype))
    scores[target] += 3
    return scores, target


def rates_ours(scores: np.ndarray, target: np.ndarray) -> list[float]:
    from sre.metrics.sorted_scores import SortedScores

    ranked = SortedScores(scores, target)
    return [ranked.eer()[0], *(ranked.min_dcf(p)[0] for p in P_TARGETS)]


def rates_scikit_learn(scores: np.ndarray, target: np.ndarray) -> list[float]:
    from sklearn.metrics import roc_curve

    p_fa, hits, _ = roc_curve(target, scores, drop_intermediate=False)
    p_miss = 1 - hits
    at = int(np.argmax(p_fa >= p_miss))  # thresholds descend
    gap, gap_before = p_fa[at] - p_miss[at], p_miss[at - 1] - p_fa[at - 1]
    eer = p_miss[at] + gap / (gap + gap_before) * (p_miss[at - 1] - p_miss[at])
    return [eer, *(np.min(p * p_miss + (1 - p) * p_fa) / p for p in P_TARGETS)]


SYSTEMS = {"scikit-learn": rates_scikit_learn, "ours": rates_ours}


def measure(system: str, trials: int, dtype: str) -> tuple[float, float, np.ndarray]:
    """Median wall time in s, peak resident memory in MB, and the rates."""
    scores, target = make_scores(trials, dtype)
    SYSTEMS[system](scores[:1000], target[:1000])  # imports
    seconds, rates = seconds_of(lambda: SYSTEMS[system](scores, target), REPEATS)
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, np.array(rates)


def alone(*arguments: object) -> tuple[float, float, np.ndarray]:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(measure, *arguments).result()


def against_scikit_learn(trials: int) -> list[str]:
    rows = [
        "| EER and 3 minDCF | scikit-learn s | peak MB | ours s | peak MB | ratio | largest difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for dtype in ("float32", "float64"):
        (theirs, their_peak, expected), (ours, peak, rates) = (alone(system, trials, dtype) for system in SYSTEMS)
        cells = [f"{trials:,} trials, {dtype}", f"{theirs:.2f}", f"{their_peak:.0f}", f"{ours:.3f}", f"{peak:.0f}"]
        rows.append(f"| {' | '.join(cells)} | {theirs / ours:.1f}x | {np.abs(rates - expected).max():.1g} |")
    return [*rows, "", f"Median of {REPEATS}."]


def bootstrap(trials: int) -> list[str]:
    """A list as large as VoxCeleb1-E: half targets, 1,251 speakers."""
    from sre.metrics.bootstrap import COLUMNS, Bootstrap

    trials, draw = min(trials, BOOTSTRAP_TRIALS), np.random.default_rng(1)
    first, target = draw.integers(SPEAKERS, size=trials), draw.random(trials) < 0.5
    second = np.where(target, first, (first + draw.integers(1, SPEAKERS, size=trials)) % SPEAKERS)
    scores = (draw.standard_normal(trials) + 3 * target).astype(np.float32)
    of_speakers = Bootstrap.of_speakers(first, second, DRAWS, 1)
    seconds, _ = seconds_of(lambda: of_speakers.replicates(scores, target), 1)
    of_trials = Bootstrap.of_trials(trials, DRAWS // 10, 1)
    tenth, _ = seconds_of(lambda: of_trials.replicates(scores, target), 1)
    return [
        f"| {DRAWS:,} draws of {len(COLUMNS)} rates (EER, minDCF, actDCF, Cllr) of {trials:,} trials | seconds |",
        "|---|---|",
        f"| of {SPEAKERS:,} speakers | {seconds:.1f} |",
        f"| of trials ({DRAWS // 10} draws x 10) | {10 * tenth:.1f} |",
    ]


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--trials", type=whole(1000), default=TRIALS, help=f"default: {TRIALS}")
    parser.add_argument("--out", type=output_file, help="a Markdown file, besides stdout")
    args = parser.parse_args()
    report = ["# Metrics", "", f"`python -m benchmarks.metrics {' '.join(sys.argv[1:])}`: {machine()}", ""]
    for part in (against_scikit_learn, bootstrap):
        report += [*part(args.trials), ""]
    text = "\n".join(report)
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(main)
