"""Extraction of 8-second utterances on a CPU beside a plain loop of the same network, interleaved, on one machine.

python -m benchmarks.extraction --out benchmarks/extraction.md    # about 4 minutes

The plain loop is what toolkits ship: one process that loads an utterance's features, calls the network on a batch of
one without gradient, and takes the result as numpy. It has all cores as threads. Ours is `extract`, as recipes run it:
a process a core, each with one thread and its shard; and one process with a thread a core (--threads of the step).
Weights are random; features are on disk, uncompressed.
"""

import platform
import statistics
import tempfile
import time
from datetime import date
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from sre.cli.arguments import Parser, output_file, whole
from sre.machine.cores import available_cores
from sre.machine.environment import environment
from sre.machine.log import run, say

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = {"resnet34": 24, "xvector": 128, "ecapa512": 64}  # of recipes/voxceleb/models: utterances a repeat
FRAMES, BINS = 800, 80
PLAIN = "plain loop"
WAYS = {PLAIN: "fp32", "fp32": "fp32", "fp32, one process": "fp32", "fp32_fast": "fp32_fast", "bf16": "bf16"}


def make_bundle(name: str, path: Path) -> None:
    """Write a bundle of random weights whose batch norms have seen something."""
    import torch

    from sre.cli.configs import schema
    from sre.config.resolve import resolve_features, resolve_model
    from sre.models import build
    from sre.models.bundle import Bundle

    features = resolve_features(schema(), {}, 16000, "features")
    model = resolve_model(schema(), ROOT / f"recipes/voxceleb/models/{name}.yaml", {"fbank80": features}, seed=1)
    torch.manual_seed(0)
    network = build(model["architecture"], BINS, model["options"]).train()
    with torch.no_grad():
        network(torch.randn(4, 200, BINS))
    Bundle(model, {"type": "given", "cmn": "none"}, BINS, network.state_dict()).save(path)


def make_feats(folder: Path, count: int) -> None:
    from sre.io.ark import write_ark

    draw = np.random.default_rng(0)
    records = ((f"u{number:04}", draw.normal(size=(FRAMES, BINS)).astype(np.float32)) for number in range(count))
    write_ark(folder / "feats.ark", folder / "feats.scp", records)


def worker(way: str, folder: Path, threads: int, part: slice, commands: Connection) -> None:
    """Embed this part of the utterances at each command, until None comes; answer with them and the CPU time in s."""
    import torch

    from sre.extraction.embedder import Embedder, extract
    from sre.features.store import FeatureStore
    from sre.machine.device import prepare

    store = FeatureStore(folder / "feats.scp")
    if way == PLAIN:
        torch.set_num_threads(threads)
    else:
        prepare(torch.device("cpu"), threads)
    embedder = Embedder(folder / "final.pt", "cpu", WAYS[way])
    network = embedder.network
    if way == PLAIN:
        network.to(memory_format=torch.contiguous_format)

    def plain() -> dict[str, np.ndarray]:
        found = {}
        with torch.no_grad():
            for utt in utts:
                found[utt] = network.embed(torch.from_numpy(store.load(utt))[None])[0].numpy()
        return found

    while (count := commands.recv()) is not None:
        utts, begun = sorted(store.places)[:count][part], time.process_time()
        found = plain() if way == PLAIN else dict(extract(embedder, store, utts))
        commands.send((found, time.process_time() - begun))


class Way:
    """The processes of one way to extract."""

    def __init__(self, way: str, folder: Path) -> None:
        cores, context = available_cores(), get_context("spawn")
        alone = way in (PLAIN, "fp32, one process")
        parts = [slice(None)] if alone else [slice(k, None, cores) for k in range(cores)]
        threads, self.pipes, self.processes = cores if alone else 1, [], []
        for part in parts:
            ours, theirs = context.Pipe()
            process = context.Process(target=worker, args=(way, folder, threads, part, theirs))
            process.start()
            self.pipes.append(ours)
            self.processes.append(process)

    def embed(self, count: int) -> tuple[float, float, dict[str, np.ndarray]]:
        """Return utterances a second, those a second of CPU time, and the embeddings."""
        begun, spent, found = time.perf_counter(), 0.0, {}
        for pipe in self.pipes:
            pipe.send(count)
        for pipe in self.pipes:
            vectors, seconds = pipe.recv()
            found.update(vectors)
            spent += seconds
        return count / (time.perf_counter() - begun), count / spent, found

    def close(self) -> None:
        for pipe, process in zip(self.pipes, self.processes, strict=True):
            pipe.send(None)
            process.join()


def measure(name: str, folder: Path, repeats: int) -> list[str]:
    """Return the lines of one network."""
    make_bundle(name, folder / "final.pt")
    ways = {way: Way(way, folder) for way in WAYS}
    rates: dict[str, list[float]] = {way: [] for way in WAYS}
    by_cpu: dict[str, list[float]] = {way: [] for way in WAYS}
    cosines = {}
    for repeat in range(repeats + 1):
        found = {way: one.embed(NETWORKS[name] if repeat else 2 * available_cores()) for way, one in ways.items()}
        for way, (rate, a_cpu_second, vectors) in found.items():
            rates[way] += [rate] * bool(repeat)  # the first one warms up
            by_cpu[way] += [a_cpu_second] * bool(repeat)
            cosines[way] = min(_cosine(vectors[utt], exact) for utt, exact in found[PLAIN][2].items())
    for way in ways.values():
        way.close()
    say(f"{name}: " + ", ".join(f"{way} {statistics.median(each):.1f}" for way, each in rates.items()))
    return [
        f"| {name} | {way} | {statistics.median(each):.1f} | {min(each):.1f} to {max(each):.1f} |"
        f" {_ratio(each, rates[PLAIN])} | {statistics.median(by_cpu[way]):.1f} |"
        f" {_ratio(by_cpu[way], by_cpu[PLAIN])} | {cosines[way]:.6f} |"
        for way, each in rates.items()
    ]


def _ratio(each: list[float], plain: list[float]) -> str:
    return f"{statistics.median(a / b for a, b in zip(each, plain, strict=True)):.2f}x"


def _cosine(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", type=output_file, help="Markdown file to write")
    parser.add_argument("--repeats", type=whole(1), default=5, metavar="N", help="of which medians are taken")
    args = parser.parse_args(argv)
    lines = [
        "# Extraction\n",
        f"`python -m benchmarks.extraction`: {date.today()}, {environment()['device']}, Python"
        f" {platform.python_version()}, torch {environment()['packages']['torch']}. Utterances of 8 s (800 frames of"
        f" 80) a second; medians of {args.repeats} interleaved repeats, the ratio's too. The cosine is the least with"
        " the plain loop's embedding, on random weights.\n",
        "| network | way | utt/s | least to most | to plain | utt/CPU s | to plain | cosine |",
        "|---|---|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        make_feats(Path(folder), max(NETWORKS.values()))
        for name in NETWORKS:
            lines += measure(name, Path(folder), args.repeats)
    print("\n".join(lines))
    if args.out:
        args.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    run(main)
