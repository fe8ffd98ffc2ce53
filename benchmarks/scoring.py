"""Scoring as a whole process, and PLDA's arithmetic alone, against plain loops: all in one run on one machine.

python -m benchmarks.scoring --voxceleb-scale --out benchmarks/scoring.md    # 2.5 GB in $TMPDIR

The loops are written as toolkits commonly do: a dictionary of vectors, one scikit-learn call a trial, scores line by
line; score normalisation with a sort of each cohort row and a loop over the lines of the score file. They start with
numpy and scikit-learn imported; our times are those of whole processes, from the interpreter's start to its end.
Embeddings are synthetic (seeded). --scale 0.05 is for trying it out: numbers x 0.05, trials x 0.05 squared.
"""

import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path

import numpy as np

from sre.cli.arguments import Parser, output_file
from sre.cli.arguments import number as bounded
from sre.io.atomic import atomic_output
from sre.machine.log import run

ROOT = Path(__file__).resolve().parents[1]
D, TOP_N, REPEATS, LOOP_AT_MOST = 256, 300, 3, 100_000
LISTS = {37_720: 4_708, 581_480: 5_000, 5_000_000: 5_000}  # trials: utterances
COHORT, EM_SPEAKERS, EM_UTTERANCES = 5_994, 2_000, 100_000
TRAIN, TEST, VOX_TRIALS, VOX_COHORT = 1_092_009, 145_160, 580_000, 20_000


def make_embeddings(ark: Path, count: int, speakers: int, seed: int) -> None:
    """Utterances in turn of each speaker, sorted by their ids, and their utt2spk beside."""
    from sre.io.ark import write_ark

    draw = np.random.default_rng(seed)
    spread = draw.normal(size=(D, D)) / D**0.5
    centres = draw.normal(size=(speakers, D)) @ spread
    owners = np.sort(np.arange(count) % speakers)
    ids = [f"id{seed}{owner:04}/{number:07}.wav" for number, owner in enumerate(owners)]
    x = ((centres[owner] + draw.normal(size=D)).astype(np.float32) for owner in owners)
    write_ark(ark, ark.with_suffix(".scp"), zip(ids, x, strict=True))
    ark.with_suffix(".utt2spk").write_text("".join(f"{utt} {utt[:7]}\n" for utt in ids))


def make_trials(path: Path, scp: Path, utterances: int, count: int) -> None:
    ids = [line.split()[0] for line in scp.read_text().splitlines()][:utterances]
    pairs = np.random.default_rng(count).choice(utterances**2, count, replace=False)
    with open(path, "w") as file:
        for e, t in zip((pairs // utterances).tolist(), (pairs % utterances).tolist(), strict=True):
            file.write(f"{ids[e]} {ids[t]} {'target' if ids[e][:7] == ids[t][:7] else 'nontarget'}\n")


def elsewhere(work: Callable, *args: object) -> None:
    """Call it in a process of its own: a child's peak memory counts from its parent's, which therefore stays small."""
    with ProcessPoolExecutor(1) as pool:
        pool.submit(work, *args).result()


def whole_process(*command: object) -> tuple[float, float]:
    """Wall time in s and peak resident memory in MB of one `python -m …`."""
    begun = time.perf_counter()
    child = subprocess.Popen([sys.executable, "-m", *map(str, command)], cwd=ROOT, stderr=subprocess.PIPE)
    message = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    seconds, child.returncode = time.perf_counter() - begun, os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: {message.decode()}")
    return seconds, usage.ru_maxrss / 1024


def seconds_of(work: Callable, repeats: int = 1) -> tuple[float, object]:
    """Median wall time, and what the last call returned."""
    clock = [time.perf_counter()]
    for _ in range(repeats):
        result = work()
        clock.append(time.perf_counter())
    return statistics.median(np.diff(clock)), result


def loop_cosine(trials: Path, scp: Path, out: Path, at_most: int) -> None:
    import kaldiio
    from sklearn.metrics.pairwise import cosine_similarity

    vectors = dict(kaldiio.load_scp_sequential(str(scp)))
    with open(trials) as lines, open(out, "w") as file:
        for line in itertools.islice(lines, at_most):
            enrol, test, _ = line.split()
            score = cosine_similarity(vectors[enrol].reshape(1, -1), vectors[test].reshape(1, -1))[0][0]
            file.write(f"{enrol} {test} {score:.9g}\n")


def loop_normalise(raw: Path, scp: Path, cohort_scp: Path, out: Path) -> None:
    import kaldiio

    def units(path: Path) -> tuple[list[str], np.ndarray]:
        vectors = dict(kaldiio.load_scp_sequential(str(path)))
        x = np.stack(list(vectors.values()))
        return list(vectors), x / np.linalg.norm(x, axis=1, keepdims=True)

    names, x = units(scp)
    nearest = np.sort(x @ units(cohort_scp)[1].T, axis=1)[:, ::-1][:, :TOP_N]
    means, deviations = dict(zip(names, nearest.mean(1), strict=True)), dict(zip(names, nearest.std(1), strict=True))
    with open(raw) as lines, open(out, "w") as file:
        for line in lines:
            enrol, test, score = line.split()
            by_enrol = (float(score) - means[enrol]) / deviations[enrol]
            by_test = (float(score) - means[test]) / deviations[test]
            file.write(f"{enrol} {test} {0.5 * (by_enrol + by_test):.9g}\n")


def loop_plda(u: np.ndarray, psi: np.ndarray, enrol: np.ndarray, test: np.ndarray) -> np.ndarray:
    """plda.cc's LogLikelihoodRatio of one enrolment utterance, trial by trial, where W is the unit matrix."""
    scores = np.empty(len(enrol))
    for number, (e, t) in enumerate(zip(enrol, test, strict=True)):
        mean, variance = psi / (psi + 1) * u[e], 1 + psi / (psi + 1)
        same = np.sum(np.log(variance)) + np.sum((u[t] - mean) ** 2 / variance)
        other = np.sum(np.log(1 + psi)) + np.sum(u[t] ** 2 / (1 + psi))
        scores[number] = -0.5 * (same - other)
    return scores


def loop_em(model, scatter: np.ndarray, means: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One EM iteration, speaker by speaker: each one's posterior by an inverse (plda.cc: GetStatsFromClassMeans)."""
    inv_W, inv_B = np.linalg.inv(model.W), np.linalg.inv(model.B)
    within, between = scatter.copy(), np.zeros_like(scatter)
    for m, n in zip(means - model.mean, counts, strict=True):
        mix = np.linalg.inv(inv_B + n * inv_W)
        w = mix @ (n * (inv_W @ m))
        between += mix + np.outer(w, w)
        within += n * (mix + np.outer(m - w, m - w))
    return within / counts.sum(), between / len(counts)


def row_of_list(trials: Path, count: int, embeddings: Path, cohort: Path, ours: tuple[float, float]) -> str:
    from sre.io.trials import read_scores

    raw, done = Path(f"{trials}.looped"), count if count <= 1_000_000 else LOOP_AT_MOST
    loop_cosine(trials, embeddings, raw, 1)  # imports
    load, _ = seconds_of(lambda: loop_cosine(trials, embeddings, raw, 1))
    cosine, _ = seconds_of(lambda: loop_cosine(trials, embeddings, raw, done))
    cosine = load + (cosine - load) * count / done
    scored = raw if done == count else Path(f"{trials}.raw")
    norm, _ = seconds_of(lambda: loop_normalise(scored, embeddings, cohort, Path(f"{trials}.loops")))
    differs = np.abs(read_scores(f"{trials}.ours")[1] - read_scores(f"{trials}.loops")[1]).max()
    cells = [f"{count:,}", f"{cosine:.1f}" + " \\*" * (done < count), f"{norm:.1f}", f"{ours[0]:.2f}"]
    return f"| {' | '.join(cells)} | {(cosine + norm) / ours[0]:.0f}x | {ours[1]:.0f} | {differs:.1g} |"


def score_lists(folder: Path, scale: float) -> list[str]:
    embeddings, cohort = folder / "test.scp", folder / "cohort.scp"
    elsewhere(make_embeddings, folder / "test.ark", int(max(LISTS.values()) * scale), int(500 * scale), 1)
    elsewhere(make_embeddings, folder / "cohort.ark", int(COHORT * scale), int(COHORT * scale), 2)
    ours = {}
    for full, utterances in LISTS.items():
        trials, count = folder / str(full), int(full * scale**2)
        elsewhere(make_trials, trials, embeddings, int(utterances * scale), count)
        score = ["steps.score_trials", "cosine", trials, "--embeddings", embeddings]
        norm = ["--norm", "asnorm1", "--cohort", cohort, "--top-n", TOP_N]
        runs = [whole_process(*score, *norm, f"{trials}.ours") for _ in range(REPEATS)]
        ours[trials, count] = statistics.median(seconds for seconds, _ in runs), max(peak for _, peak in runs)
        whole_process(*score, f"{trials}.raw")
    return [
        "| trials | loop: cosine s | AS-norm s | ours: whole process s | ratio | ours: peak MB | largest difference |",
        "|---|---|---|---|---|---|---|",
        *(row_of_list(*which, embeddings, cohort, seconds) for which, seconds in ours.items()),
        "",
        f"\\*: {LOOP_AT_MOST:,} trials measured, the rest extrapolated. Ours: median of {REPEATS}, largest peak.",
    ]


def compute_plda(scale: float) -> list[str]:
    from sre.backends import fit
    from sre.backends.sides import Pairs, scores_of_pairs, speaker_means
    from sre.backends.two_covariance import em_step, fit_two_covariance
    from sre.cli.configs import schema
    from sre.config.resolve import resolve_backend

    draw = np.random.default_rng(3)
    names = np.char.mod("%05d", np.sort(draw.integers(int(EM_SPEAKERS * scale), size=int(EM_UTTERANCES * scale))))
    x = draw.normal(size=(int(EM_SPEAKERS * scale), D))[names.astype(int)] + draw.normal(size=(len(names), D))
    config = resolve_backend(schema(), {"type": "plda", "chain": [], "iterations": 2, "scale": False}, "plda")
    plda = fit(config, x[: len(x) // 10], names[: len(x) // 10])
    mean, transform, psi = (plda.parts[f"plda_{part}"] for part in ("mean", "transform", "psi"))
    tests, groups = x[: int(5_000 * scale)], np.arange(int(5_000 * scale))[:, None]
    pairs = draw.integers(len(tests), size=(2, int(581_480 * scale**2)))

    def score() -> np.ndarray:
        return scores_of_pairs(Pairs(plda.enrol(tests, groups), plda.test(tests), *pairs))

    ours, scores = seconds_of(score, REPEATS)
    loop, expected = seconds_of(lambda: loop_plda((tests - mean) @ transform.T, psi, *pairs))
    rows = ["| arithmetic alone | loop s | ours s | ratio | largest difference |", "|---|---|---|---|---|"]
    row = "| {} | {:.2f} | {:.3f} | {:.0f}x | {:.1g} |"
    rows.append(
        row.format(f"PLDA, {pairs.shape[1]:,} trials", loop, ours, loop / ours, np.abs(scores - expected).max())
    )
    model, _ = fit_two_covariance(x, names, 1)
    _, means, counts = speaker_means(x, names)
    rest = x - np.repeat(means, counts, axis=0)  # speakers are sorted
    scatter = rest.T @ rest
    ours, (new, _) = seconds_of(lambda: em_step(model, scatter, means, counts), REPEATS)
    loop, (W, B) = seconds_of(lambda: loop_em(model, scatter, means, counts))
    what = f"PLDA EM, an iteration, {len(x):,} x {D} of {len(means):,} speakers"
    return [*rows, row.format(what, loop, ours, loop / ours, np.abs([new.W - W, new.B - B]).max())]


def voxceleb_scale(folder: Path, scale: float) -> list[str]:
    train, test, trials = folder / "train.scp", folder / "test.scp", folder / "trials"
    utterances, size, count = int(TEST * scale), int(VOX_COHORT * scale), int(VOX_TRIALS * scale**2)
    elsewhere(make_embeddings, train.with_suffix(".ark"), int(TRAIN * scale), int(COHORT * scale), 1)
    elsewhere(make_embeddings, test.with_suffix(".ark"), utterances, int(1_251 * scale), 2)
    elsewhere(make_trials, trials, test, utterances, count)
    owners = train.with_suffix(".utt2spk")
    fit = ["steps.train_backend", "lda_plda", "--embeddings", train, "--utt2spk", owners, folder / "plda.npz"]
    score = ["steps.score_trials", folder / "plda.npz", trials, "--embeddings", test, "--norm", "asnorm1"]
    score += ["--cohort", train, "--cohort-utt2spk", owners, "--top-n", TOP_N, folder / "scores"]
    commands = {
        f"train_backend lda_plda, {int(TRAIN * scale):,} x {D} of {int(COHORT * scale):,} speakers": fit,
        f"score_trials asnorm1, {count:,} trials, {utterances:,} utterances, cohort of all speaker means": score,
        f"the same, cohort of {size:,} utterances": [*score, "--cohort-of", "utterances", "--cohort-size", size],
    }
    rows = ["| VoxCeleb's scale, whole processes | wall s | peak MB |", "|---|---|---|"]
    return rows + ["| {} | {:.1f} | {:.0f} |".format(what, *whole_process(*run)) for what, run in commands.items()]


def machine() -> str:
    model = Path("/proc/cpuinfo").read_text().partition("model name")[2].partition("\n")[0].strip("\t :")
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pyarrow", "scikit-learn"))
    return f"{time.strftime('%Y-%m-%d')}, {model}, {len(os.sched_getaffinity(0))} cores, {packages}"


def show_page(lines: Iterable[str], out: Path | None) -> None:
    """Print a page, and write it where a file was given."""
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if out:
        with atomic_output(out) as file:
            file.write(text)


def main() -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--voxceleb-scale", action="store_true", help="a second part: 1,092,009 training embeddings")
    parser.add_argument(
        "--scale", type=bounded(0.02, 10), default=1.0, help="times as many trials and utterances (default: 1)"
    )
    parser.add_argument("--out", type=output_file, help="a Markdown file, besides stdout")
    args = parser.parse_args()
    report = ["# Scoring", "", f"`python -m benchmarks.scoring {' '.join(sys.argv[1:])}`: {machine()}", ""]
    # what is measured as a process comes first, while this one is small
    for part in [voxceleb_scale] * args.voxceleb_scale + [score_lists]:
        with tempfile.TemporaryDirectory() as folder:
            report += [*part(Path(folder), args.scale), ""]
    text = "\n".join([*report, *compute_plda(args.scale)]) + "\n"
    print(text)
    if args.out:
        args.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    run(main)
