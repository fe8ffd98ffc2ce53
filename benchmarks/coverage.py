"""How often do the intervals hold the truth, and the paired test find what is there?  Writes the tables of the docs.

python -m benchmarks.coverage --out docs/uncertainty.md     # between the marks in it; 15 minutes on 2 cores

A population of speakers is simulated: a speaker's mean is normal in 10 dimensions, each speaker has a spread of his own
(goats and sheep), and a trial's score is the cosine of two utterances. The truth is the rate over 100,000 speakers.
"""

from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np

from sre.cli.arguments import Parser, count, output_file, whole
from sre.io.atomic import atomic_output
from sre.io.text import read_text
from sre.machine.cores import available_cores
from sre.machine.log import run
from sre.metrics.bootstrap import Bootstrap, interval, interval_column, paired
from sre.metrics.rates import summarise

D, UTTERANCES, NONTARGETS = 10, 5, 10  # dimensions, utterances a speaker, nontarget trials an utterance
SPREAD = 0.5
NAMES = ("eer", "min_dcf_0.05", "min_dcf_0.01")
SPEAKERS = (6, 20, 40, 100, 200)
SHOWN = {"eer": "EER", "min_dcf_0.05": "minDCF(0.05)", "min_dcf_0.01": "minDCF(0.01)"}
# system: noise added to every embedding. The null pair differs in the noise, but not in its strength
PAIRS = {"none": (0.2, 0.2), "planted": (0.2, 0.32)}


def trial_list(random: np.random.Generator, speakers: int) -> tuple[np.ndarray, ...]:
    """Utterances of both sides (P,) and target (P,): all target trials, and nontarget trials drawn at random."""
    i, j = np.triu_indices(UTTERANCES, 1)
    base = np.arange(speakers)[:, None] * UTTERANCES
    first = np.repeat(np.arange(speakers * UTTERANCES), NONTARGETS)
    other = (first // UTTERANCES + 1 + random.integers(speakers - 1, size=len(first))) % speakers
    second = other * UTTERANCES + random.integers(UTTERANCES, size=len(first))
    first, second = np.append((base + i).ravel(), first), np.append((base + j).ravel(), second)
    return first, second, np.arange(len(first)) < len(i) * speakers


def embeddings(random: np.random.Generator, speakers: int) -> np.ndarray:
    spread = SPREAD * np.exp(0.35 * random.normal(size=(speakers, 1, 1)))
    means = random.normal(size=(speakers, 1, D))
    return (means + spread * random.normal(size=(speakers, UTTERANCES, D))).reshape(-1, D)


def cosines(x: np.ndarray, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return np.einsum("ij,ij->i", x[first], x[second])


def noisy(random: np.random.Generator, x: np.ndarray, strength: float) -> np.ndarray:
    return x + strength * random.normal(size=x.shape)


def simulate(speakers: int, draws: int, truth: dict[str, float], number: int) -> dict[tuple[str, str], bool]:
    """(rate, how) -> whether the interval of one simulated list holds the truth."""
    random = np.random.default_rng([speakers, number])
    first, second, target = trial_list(random, speakers)
    scores = cosines(noisy(random, embeddings(random, speakers), PAIRS["none"][0]), first, second)
    metrics, held = summarise(scores, target), {}
    of_speakers = Bootstrap.of_speakers(first // UTTERANCES, second // UTTERANCES, draws, number)
    by_speaker = of_speakers.replicates(scores, target)
    by_trial = Bootstrap.of_trials(len(scores), draws, number).replicates(scores, target)
    for name in NAMES:
        found = {
            "speaker": interval(metrics[name], by_speaker[interval_column(name, by_speaker)], speakers),
            "plain": interval(metrics[name], by_speaker[name], speakers),
            "trial": interval(metrics[name], by_trial[name], None),
        }
        for how, bounds in found.items():  # without an interval nothing was claimed, and the truth not held
            held[name, how] = bounds is not None and bool(bounds[0] <= truth[name] <= bounds[1])
    return held


def compare(speakers: int, draws: int, strengths: tuple[float, float], number: int) -> dict[str, tuple[float, float]]:
    """Rate -> its difference between two systems on one simulated list, and the p-value of that."""
    random = np.random.default_rng([speakers, number, 7])
    first, second, target = trial_list(random, speakers)
    x = embeddings(random, speakers)
    bootstrap = Bootstrap.of_speakers(first // UTTERANCES, second // UTTERANCES, draws, number)
    found = []
    for strength in strengths:
        scores = cosines(noisy(random, x, strength), first, second)
        found.append((summarise(scores, target), bootstrap.replicates(scores, target)))
    (a, of_a), (b, of_b) = found
    tested = {name: paired(b[name] - a[name], of_b[name] - of_a[name], speakers) for name in NAMES}
    return {name: (b[name] - a[name], result[2] if result else 1.0) for name, result in tested.items()}


def true_rates(strength: float) -> dict[str, float]:
    random, lists = np.random.default_rng(0), []
    for _ in range(25):
        first, second, target = trial_list(random, 4000)
        scores = cosines(noisy(random, embeddings(random, 4000), strength), first, second)
        lists.append(summarise(scores, target))
    return {name: float(np.mean([rates[name] for rates in lists])) for name in NAMES}


def coverage_table(pool: ProcessPoolExecutor, simulations: int, draws: int) -> list[str]:
    truth = true_rates(PAIRS["none"][0])
    means = ", ".join(f"{SHOWN[name]} {value:.4g}" for name, value in truth.items())
    columns = [(name, "speaker") for name in NAMES] + [(name, "plain") for name in NAMES[1:]] + [("eer", "trial")]
    words = {"speaker": "", "plain": ", plain", "trial": ", by trial"}
    lines = [
        f"Per cent of {simulations:,} simulated lists whose 95 % interval holds the truth ({means}); {draws} draws.",
        "",
    ]
    lines.append("| speakers | " + " | ".join(SHOWN[name] + words[how] for name, how in columns) + " |")
    lines.append("| --: |" + " --: |" * len(columns))
    for speakers in SPEAKERS:
        done = list(pool.map(partial(simulate, speakers, draws, truth), range(simulations), chunksize=20))
        shares = [f"{100 * np.mean([held[column] for held in done]):.1f}" for column in columns]
        lines.append(f"| {speakers} | " + " | ".join(shares) + " |")
        print(lines[-1], flush=True)
    return lines


def comparison_table(pool: ProcessPoolExecutor, simulations: int, draws: int) -> list[str]:
    lines = [f"Per cent of {simulations:,} simulated pairs of systems where p < 0.05, and in the right direction.", ""]
    lines.append("| speakers | true EERs, % | difference | " + " | ".join(SHOWN[name] for name in NAMES) + " |")
    lines.append("| --: | --: | --- |" + " --: |" * len(NAMES))
    for what, strengths in PAIRS.items():
        eers = " and ".join(f"{true_rates(strength)['eer']:.2f}" for strength in strengths)
        for speakers in SPEAKERS[1:]:
            done = list(pool.map(partial(compare, speakers, draws, strengths), range(simulations), chunksize=20))
            shares = []
            for name in NAMES:
                found = [difference > 0 for difference, p in (pair[name] for pair in done) if p < 0.05]
                right = f" ({100 * sum(found) / simulations:.1f})" if what == "planted" else ""
                shares.append(f"{100 * len(found) / simulations:.1f}{right}")
            lines.append(f"| {speakers} | {eers} | {what} | " + " | ".join(shares) + " |")
            print(lines[-1], flush=True)
    return lines


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--simulations", type=count, default=2000, help="of each line of the first table")
    parser.add_argument("--pairs", type=count, default=500, help="of the second")
    parser.add_argument("--draws", type=whole(2), default=300, help="of speakers, for each interval")
    parser.add_argument("--out", type=output_file, help="a page with <!-- begin coverage --> and <!-- end coverage -->")
    args = parser.parse_args()
    with ProcessPoolExecutor(available_cores()) as pool:
        lines = coverage_table(pool, args.simulations, args.draws) + [""]
        lines += comparison_table(pool, args.pairs, args.draws)
    if args.out:
        begin, end = "<!-- begin coverage -->\n", "<!-- end coverage -->"
        before, _, rest = read_text(args.out).partition(begin)
        with atomic_output(args.out) as file:
            file.write(before + begin + "\n".join(lines) + "\n" + end + rest.partition(end)[2])


if __name__ == "__main__":
    run(main)
