"""Two known systems trained as their authors' scripts have it, beside ours: same network and machine, no more minutes.

python -m benchmarks.originals --work /tmp/originals --out benchmarks/originals.md    # 75 minutes, nothing beside
python -m benchmarks.originals --work /tmp/originals --systems blstm --seeds 2        # one part; the page joins all

The originals are benchmarks/plain_loops.py. Ours is `steps.train_embedding` with a model of recipes/systems/models, in
a process of its own: Python's start, reading, checkpoints and final.pt are inside its seconds, and a plain loop has as
many for its steps and its validation alone. A first short training tells how many updates fit into ours, which ends at
the steps of its YAML if they are fewer. Both networks are scored on the same lists by the same code. Each run leaves a
JSON in --work, and is not done again.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.scoring import show_page
from benchmarks.training import machine
from sre import SreError
from sre.backends import Backend, Cohort, Cosine, Pairs, fit, normalise, scores_of_pairs
from sre.cli.arguments import Parser, input_folder, output_file, output_folder
from sre.cli.arguments import number as bounded
from sre.cli.arguments import seed as whole_seed
from sre.io.atomic import write_json
from sre.io.embeddings import Embeddings
from sre.io.tables import read_utt2spk
from sre.io.text import canonical, read_json
from sre.io.trials import LabelledTrials, read_enroll_map, read_trials, speakers_of_sides
from sre.io.yaml_text import read_yaml
from sre.machine.environment import environment
from sre.machine.log import run, say
from sre.metrics.equal_error import equal_error_rate

ROOT = Path(__file__).resolve().parents[1]
CORPUS = ROOT / "../shared/corpora/ko-fbank40"
LISTS = {"trials": False, "trials_enroll5": True}  # of eval: whether its models are those of eval/enroll
PROBE = 200  # updates of the training that tells the rate, by its second half
EPOCHS = 10  # of ours: those of the models' YAMLs
SHARE = 0.97  # of the seconds that are planned: a rate differs from minute to minute
LDA = {"type": "cosine", "chain": ["centre", "lda:99:0.02"]}  # lda_cosine of recipes/custom/ko_finetune.yaml
NEAREST = 300  # and its asnorm_utts
BACKENDS = ("cosine", "lda_cosine+asnorm_utts")


@dataclass(frozen=True)
class System:
    """A known system: what it is called, the model of ours, and what is the same in both."""

    title: str
    model: Path
    same: str


SYSTEMS = {
    "dvector": System(
        "d-vector (SpeakerRecognition_tutorial)",
        ROOT / "recipes/systems/models/dvector_quick.yaml",
        "ResNet18, softmax",
    ),
    "blstm": System(
        "bidirectional LSTM (SpeakerRecognitionFromScratch)",
        ROOT / "recipes/systems/models/blstm_quick.yaml",
        "3 layers of 64 each way, triplet loss",
    ),
}


def command(module: str, *arguments: object) -> float:
    """Return the seconds that `python -m module …` takes, with as many threads as torch takes by itself."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GOMP_")}
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", module, *map(str, arguments)], env=clean, cwd=ROOT, check=False)
    if done.returncode:
        raise SreError(f"{module} ended with {done.returncode}; mend what it says above, then the same command goes on")
    return time.perf_counter() - begun


def with_steps(config: Mapping[str, Any], steps: int) -> dict[str, Any]:
    """Return a model's config of so many updates, in EPOCHS epochs."""
    training = {**config["training"], "steps": steps, "interval": max(1, round(steps / EPOCHS))}
    return {**config, "training": training}


def train_ours(config: Mapping[str, Any], data: Path, seed: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Train a config for its steps, or as many as fit into so many seconds; return what was done."""
    feats = import_features(data, folder)
    half = PROBE // 2
    probe = {**config, "training": {**config["training"], "steps": PROBE, "interval": half}}
    took = train(probe, data, feats, seed, folder / "probe" / "final.pt")
    each = history(folder / "probe")[-1]["seconds"] / half
    beside = took - PROBE * each
    fit = max(10, int((SHARE * seconds - beside) / each))
    steps = min(fit, config["training"]["steps"])
    say(f"{1000 * each:.0f} ms an update, {beside:.0f} s beside; {fit} updates fit, and {steps} are done")
    took = train(with_steps(config, steps), data, feats, seed, folder / "final.pt")
    chunks = sum(row["chunks"] for row in history(folder))
    frames = mean(config["training"]["chunk_frames"])
    return {"seconds": took, "steps": steps, "chunks": chunks, "frames": int(chunks * frames)}


def import_features(data: Path, folder: Path) -> Path:
    """Return the feats.scp of a data directory's features as a recipe takes them: their mean is known to be 0."""
    out = folder / f"{data.name}_feats"
    command("steps.import_features", data, out, "--config", canonical({"cmn": "utterance"}))
    return out / "feats.scp"


def train(config: Mapping[str, Any], data: Path, feats: Path, seed: int, out: Path) -> float:
    """Return the seconds of a training as a process."""
    arguments = ["--data", data, "--feats", feats, "--seed", seed, out]
    return command("steps.train_embedding", canonical(config), *arguments)


def history(folder: Path) -> list[dict[str, Any]]:
    """Return the epochs of a training."""
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def our_embeddings(folder: Path, data: Path) -> Embeddings:
    """Return those of whole utterances by FOLDER/final.pt."""
    out = folder / data.name
    command("steps.extract_embeddings", folder / "final.pt", data, out, "--feats", import_features(data, folder))
    return Embeddings.read([out / "embeddings.scp"])


def train_theirs(system: str, data: Path, seed: int, seconds: float, folder: Path) -> dict[str, Any]:
    """Train the original, into FOLDER/network.pt; return what was done."""
    out = folder / "network.pt"
    command("benchmarks.plain_loops", system, data, "--seed", seed, "--seconds", seconds, out)
    return read_json(out.with_suffix(".json"))


def their_embeddings(system: str, folder: Path, data: Path, enrol: bool = False) -> Embeddings:
    """Return those that the original makes with FOLDER/network.pt, of utterances to enrol or to test."""
    from benchmarks.plain_loops import ENROL, TEST, embed_blstm, embed_dvector, load, read_speech

    network, (utts, feats) = load(system, folder / "network.pt"), read_speech(data)
    if system == "blstm":
        return Embeddings(np.array(utts), np.stack([embed_blstm(network, one) for one in feats]))
    frames = ENROL if enrol else TEST
    return Embeddings(np.array(utts), np.stack([embed_dvector(network, one, frames) for one in feats]))


def ours(system: str, seed: int, seconds: float, corpus: Path, folder: Path) -> dict[str, Any]:
    """Train and score ours."""
    done = train_ours(read_yaml(SYSTEMS[system].model), corpus / "train", seed, seconds, folder)
    train, test = (our_embeddings(folder, corpus / part) for part in ("train", "eval"))
    return done | scored(train, test, test, corpus)


def theirs(system: str, seed: int, seconds: float, corpus: Path, folder: Path) -> dict[str, Any]:
    """Train the original and score it."""
    done = train_theirs(system, corpus / "train", seed, seconds, folder)
    train, test = (their_embeddings(system, folder, corpus / part) for part in ("train", "eval"))
    return done | scored(train, their_embeddings(system, folder, corpus / "eval", enrol=True), test, corpus)


def scored(train: Embeddings, enrol: Embeddings, test: Embeddings, corpus: Path) -> dict[str, Any]:
    """Return back-end -> list -> [EER, low, high] in per cent.

    enrol, test : embeddings of the same utterances, for models and for tests
    """
    utt2spk = read_utt2spk(corpus / "train" / "utt2spk")
    train = train.with_speakers(utt2spk, corpus / "train" / "utt2spk")
    lda = fit(LDA, train.vectors, train.speakers)
    rates: dict[str, Any] = {name: {} for name in BACKENDS}
    for name, has_models in LISTS.items():
        trials = read_trials(corpus / "eval" / name)
        models = read_enroll_map(corpus / "eval" / "enroll" if has_models else None, trials)
        speakers = speakers_of_sides(trials, models, read_utt2spk(corpus / "eval" / "utt2spk"))
        groups = [enrol.rows(np.array(utts, dtype=object), "enrolment") for utts in models.values()]
        tests = test.vectors[test.rows(trials.test_ids, "tests")]

        def pairs(backend: Backend, trials=trials, groups=groups, tests=tests) -> Pairs:
            return Pairs(backend.enrol(enrol.vectors, groups), backend.test(tests), trials.enrol, trials.test)

        plain, better = pairs(Cosine()), pairs(lda)
        cohort = Cohort.of(lda, train)
        normed, _ = normalise(scores_of_pairs(better), better, cohort, "asnorm1", NEAREST, speakers)
        for backend, scores in zip(BACKENDS, (scores_of_pairs(plain), normed), strict=True):
            rates[backend][name] = with_interval(scores, trials, speakers)
    return {"eer": rates}


def with_interval(
    scores: np.ndarray, trials: LabelledTrials, speakers: tuple[np.ndarray, np.ndarray]
) -> list[float | None]:
    """Return the EER and its 95 % interval, in per cent."""
    sides = speakers[0][trials.enrol], speakers[1][trials.test]
    found = equal_error_rate(scores, trials.target, sides)
    return [None if share is None else 100 * share for share in (found.rate, found.low, found.high)]


SIDES = {"theirs": theirs, "ours": ours}


def measured(system: str, seed: int, side: str, args: Any) -> dict[str, Any]:
    """Return what a run told, which is done first if its JSON is not there."""
    name = f"{system}_{args.seconds:g}s_{seed}_{side}"
    told = args.work / f"{name}.json"
    if not told.is_file():
        shutil.rmtree(args.work / name, ignore_errors=True)  # of a run that was stopped
        say(f"{name} begins")
        found = SIDES[side](system, seed, args.seconds, args.corpus, args.work / name)
        write_json(told, found | {"machine": here()})
    return read_json(told)


def here() -> str:
    """Return the day, the machine and torch."""
    return f"{date.today()}, {machine()}; torch {environment()['packages']['torch']}"


def rate_text(rate: list[float | None]) -> str:
    """Return an EER with its interval, for people."""
    value, low, high = rate
    return f"{value:.2f}" if low is None else f"{value:.2f} ({low:.2f} to {high:.2f})"


def part_of_page(system: str, runs: Mapping[tuple[int, str], dict[str, Any]]) -> Iterable[str]:
    """Yield the lines of one system. runs : (seed, side) -> what it told"""
    about = SYSTEMS[system]
    yield from ("", f"## {about.title}", "", f"Both: {about.same}. Ours: `{about.model.relative_to(ROOT)}`.", "")
    heads = [f"{backend}, `{name}`" for backend in BACKENDS for name in LISTS]
    yield f"| loop | seed | s | updates | chunks/s | frames, M | {' | '.join(heads)} |"
    yield "|---|--:|--:|--:|--:|--:|" + "--:|" * len(heads)
    means: dict[str, list[float]] = {}
    for side in SIDES:
        some = {seed: told for (seed, of), told in runs.items() if of == side}
        for seed, told in some.items():
            speed = f"{told['seconds']:.0f} | {told['steps']:,} | {told['chunks'] / told['seconds']:.0f}"
            rates = [rate_text(told["eer"][backend][name]) for backend in BACKENDS for name in LISTS]
            yield f"| {side} | {seed} | {speed} | {told['frames'] / 1e6:.1f} | {' | '.join(rates)} |"
        each = [[told["eer"][backend][name][0] for told in some.values()] for backend in BACKENDS for name in LISTS]
        means[side] = [mean(values) for values in each]
        yield f"| **{side}** | mean | | | | | {' | '.join(f'**{value:.2f}**' for value in means[side])} |"
    ratios = [a / b for a, b in zip(means["ours"], means["theirs"], strict=True)]
    yield f"| **ours / theirs** | | | | | | {' | '.join(f'**{ratio:.2f}**' for ratio in ratios)} |"


def page(runs: Mapping[str, Mapping[tuple[int, str], dict[str, Any]]], seconds: float, words: str) -> Iterable[str]:
    """Yield the lines of the page. runs : system -> (seed, side) -> what it told"""
    machines = sorted({told["machine"] for some in runs.values() for told in some.values()})
    yield from (
        "# The originals beside ours",
        "",
        f"`python -m benchmarks.originals {words}`: {'; '.join(machines)}",
        "",
    )
    yield (
        f"Each trained for at most {seconds:g} s on `ko-fbank40` (100 speakers, 3,000 utterances) and scored on the"
        " lists of its `eval` (20 other speakers): EER in per cent, with its 95 % interval over speakers. Features"
        " are used as they are, also by the d-vector's loop, whose reader cuts half a second off both ends of"
        " its own corpus."
    )
    yield from (
        "",
        "- `theirs` is a plain loop in float32 with the original's settings (`benchmarks/plain_loops.py`). Its seconds"
        " are those of its steps and its validation. Utterances are embedded as the original does it.",
        "- `ours` is a process of `steps.train_embedding`, and its seconds are from its start to its end. Batch,"
        " schedule, precision and sampler are ours, and the mean of each chunk is subtracted (`training.chunk_cmn`)."
        " It ends before its seconds are over where its YAML has fewer steps. All this was chosen on training speakers"
        " ([settings.md](settings.md)). Utterances are embedded whole.",
        "- Each back-end is fitted on the same 3,000 utterances.",
    )
    for system, some in runs.items():
        yield from part_of_page(system, some)


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--work", type=output_folder, required=True, help="folder for networks and what runs told")
    parser.add_argument("--corpus", type=input_folder, default=CORPUS, help="ko-fbank40 (default: ../shared's)")
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=list(SYSTEMS), help="default: all")
    parser.add_argument("--seeds", nargs="+", type=whole_seed, default=[1, 2, 3], help="default: 1 2 3")
    parser.add_argument("--seconds", type=bounded(1, 1e6), default=390, help="of each training (default: 390)")
    parser.add_argument("--out", type=output_file, help="a Markdown file, besides stdout")
    args = parser.parse_args(argv)
    words = " ".join(sys.argv[1:] if argv is None else argv)
    runs = {
        system: {(one, side): measured(system, one, side, args) for one in args.seeds for side in SIDES}
        for system in args.systems
    }
    show_page(page(runs, args.seconds, words), args.out)


if __name__ == "__main__":
    run(main)
