"""What a GPU makes of a training: steps of ours beside a plain fp32 loop on the same card, and whole trainings.

python -m benchmarks.gpu --out benchmarks/gpu.md    # under 6 minutes on one card
python -m benchmarks.gpu --tiny --out tiny.md       # under a minute on a CPU: to see that it runs through

First come the tests of tests/gpu. A step is that of benchmarks/training.py, on chunks that are on the card: the plain
loop is WeSpeaker's, with torch's defaults, by which convolutions are in TF32. The whole trainings are of an x-vector,
which asks most of what reads: by steps.train_embedding, on synthetic data, from archives in memory, archives on disk
and audio on disk, with speeds and masks. Each part is written to the page, and to a .json beside it, when it is there:
a run that is cut short keeps what it has, and what the time does not reach is named.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.training import (
    BINS,
    CLASSES,
    COMPILED,
    FRAMES,
    NETWORKS,
    PLAIN,
    ROOT,
    Way,
    hardware,
    model,
    our_step,
    plain_step,
    wait,
)
from benchmarks.training import parts as parts_of
from sre import SreError
from sre.cli.arguments import Parser, output_file, whole
from sre.machine.environment import environment
from sre.machine.log import run, say

SECONDS = 340  # of the whole run
SCHEDULE = 164_000_000  # chunks: 150 epochs of VoxCeleb2 dev, as WeSpeaker's
MEASURE_S = 2.0  # of steps, of which the rate is
BATCHES = (256, 512)
TRAINING = """\
features: FEATURES
architecture: xvector
options: {embedding: second}
filter: {min_frames: 50, min_utterances: 1}
augment: {speeds: [0.9, 1.1], time_masks: 1, freq_masks: 1}
training: {epochs: 3, interval: STEPS, batch_size: BATCH, chunk_frames: [200, 200], average_last: 1, warmup_epochs: 0}
validation: {speakers: 0, utterances: 0}
"""


class Size(NamedTuple):
    """How much is measured: batches, seconds of steps, utterances of 3 s, steps of an epoch, side of a matrix."""

    batches: tuple[int, ...]
    seconds: float
    utts: int
    steps: int
    side: int
    frames: int


FULL, TINY = Size(BATCHES, MEASURE_S, 2000, 150, 8192, FRAMES), Size((2,), 0.2, 12, 1, 256, 50)


class Run:
    """The results so far, which are written after each part, and the time that is left."""

    def __init__(self, out: Path, seconds: float, begun: float) -> None:
        self.out, self.until = out, begun + seconds
        self.results: dict[str, Any] = {"machine": machine(), "steps": [], "trainings": [], "left_out": []}

    def part(self, name: str, expected_s: float, work: Callable[[], None]) -> None:
        """Do a part, if the time reaches for it, and write what there is. What fails is a line of the page."""
        if time.monotonic() + expected_s > self.until:
            self.results["left_out"].append(f"{name}: no time was left")
        else:
            try:
                work()
            except Exception as error:  # one part that fails must not take the others
                self.results["left_out"].append(f"{name}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
        say(f"{name}: {max(0, self.until - time.monotonic()):.0f} s are left")
        self.out.with_suffix(".json").write_text(json.dumps(self.results, indent=1) + "\n")
        self.out.write_text(page(self.results))


def device() -> Any:
    """Return the card, or the CPU without one."""
    from sre.machine.device import choose_device

    return choose_device("auto")


def machine() -> dict[str, Any]:
    """Return what the numbers depend on."""
    import torch

    card = device()
    told: dict[str, Any] = {"date": str(date.today()), "python": platform.python_version(), "torch": torch.__version__}
    if card.type == "cuda":
        one = torch.cuda.get_device_properties(card)
        told |= {"memory_gib": round(one.total_memory / 2**30), "cuda": torch.version.cuda}
        torch.zeros(1, device=card)
    return told | {"device": environment()["device"], "cores": os.cpu_count()}


def run_tests(results: dict[str, Any]) -> None:
    """Run the tests of tests/gpu, and keep their last line."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", "tests/gpu"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
        lines = done.stdout.strip().splitlines()
        failed = [line for line in lines if line.startswith(("FAILED", "ERROR", "E  "))]
        results["tests"] = " ".join([*failed[:5], lines[-1]] if lines else [done.stderr[-300:]])
    except subprocess.TimeoutExpired:
        results["tests"] = "not done after 120 s"


def ways(batches: tuple[int, ...], precision: str) -> list[tuple[Way, int, bool]]:
    """Return what is measured of a network: the way, the chunks of a batch, and whether cuDNN is deterministic."""
    first, best = batches[0], Way(precision, precision)
    found = [(Way(PLAIN, "fp32"), first, False), *((best, batch, True) for batch in batches)]
    return [*found, (Way(f"{precision}, cuDNN tries", precision), first, False), (Way("fp32", "fp32"), first, True)]


def measure(results: dict[str, Any], name: str, way: Way, batch: int, deterministic: bool, size: Size) -> None:
    """Add the row of a network trained in one way."""
    import torch

    from sre.machine.device import memory_format, peak_memory_mib, prepare
    from sre.models import cost

    card = device()
    prepare(card, os.cpu_count() or 1, deterministic)
    if way.name == PLAIN:  # torch's defaults
        torch.backends.cudnn.deterministic = torch.backends.cudnn.benchmark = False
        torch.backends.cudnn.allow_tf32 = True
    if card.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(card)
    torch._dynamo.reset()
    network, head, chunks, labels = (part.to(card) for part in parts_of(name, batch, size.frames))
    if way.name == PLAIN:
        step = plain_step(network, head, chunks, labels)
    else:
        network.to(memory_format=memory_format(network))
        step = our_step(way, network, head, chunks, labels)
    begun = time.monotonic()
    step(), wait(card)
    first_s = time.monotonic() - begun
    rate, joules = rate_of(step, card, batch, size.seconds)
    architecture, options = model(name)
    work = 3 * cost.macs(cost.Spec(architecture, BINS, options), size.frames / 100) / 1e9  # backward is twice forward
    product = results["matrix_gmacs"]["fp32" if way.precision == "fp32" else "half"]
    plain = [row["utt_per_s"] for row in results["steps"] if (row["network"], row["way"]) == (name, PLAIN)]
    results["steps"].append(
        {
            "network": name,
            "way": way.name,
            "batch": batch,
            "utt_per_s": round(rate, 1),
            "to_plain": round(rate / plain[0], 2) if plain else None,
            "of_product": round(rate * work / product, 3),
            "peak_mib": peak_memory_mib(card),
            "joules_per_1000": None if joules is None else round(1000 * joules, 1),
            "hours": round(SCHEDULE / rate / 3600, 1),
            "first_step_s": round(first_s, 1),
        }
    )


def rate_of(step: Callable[[], None], card: Any, batch: int, seconds: float) -> tuple[float, float | None]:
    """Return chunks a second, the median over groups of steps, and the joules of the card for a chunk, where told."""
    group = 10 if card.type == "cuda" else 1
    for _ in range(group):
        step()
    wait(card)
    watch = watched(card)
    rates: list[float] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until or len(rates) < 2:
        begun = time.monotonic()
        for _ in range(group):
            step()
        wait(card)
        rates.append(group * batch / (time.monotonic() - begun))
    joules = watch.energy_j if watch else None
    if watch:
        watch.close()
    return statistics.median(rates), None if joules is None else joules / (len(rates) * group * batch)


def watched(card: Any) -> Any:
    """Return what NVML tells of the card from now on; None on a CPU, or where it tells nothing."""
    if card.type == "cpu":
        return None
    from sre.machine.device import card_uuid
    from sre.machine.nvml import Cards

    return Cards.watch([card_uuid(card)])


def make_data(folder: Path, utts: int) -> None:
    """Write a data directory of 3 s of noise an utterance, with features that are noise too, and a recipe."""
    import soundfile

    from sre.datadir.datadir import write_data_dir
    from sre.io.ark import write_ark
    from sre.io.scp import read_scp

    draw = np.random.default_rng(1)
    names = [f"s{number % 6:02}_{number:05}" for number in range(utts)]
    (folder / "wav").mkdir(parents=True)
    for name in names:
        soundfile.write(folder / f"wav/{name}.wav", draw.normal(0, 0.1, 48_000), 16_000, subtype="PCM_16")
    frames = draw.normal(size=(utts + 298, BINS)).astype(np.float32)
    records = ((name, frames[number : number + 298]) for number, name in enumerate(names))
    for kind in ("sound", "feats"):
        (folder / kind).mkdir()
    write_ark(folder / "feats.ark", folder / "raw.scp", records)
    of = {name: name[:3] for name in names}
    write_data_dir(folder / "sound", wav={name: str(folder / f"wav/{name}.wav") for name in names}, utt2spk=of)
    write_data_dir(folder / "feats", feats=read_scp(folder / "raw.scp"), utt2spk=of)
    (folder / "recipe/models").mkdir(parents=True)
    (folder / "recipe/config.yaml").write_text("features: {given: {}, fbank80: {type: fbank, num_mel_bins: 80}}\n")


def train(folder: Path, kind: str, in_memory: bool, size: Size) -> None:
    """Train, in a process of its own."""
    from sre.training import job
    from steps import train_embedding

    if not in_memory:
        job.CACHE_BYTES = 0  # as of a corpus that does not fit
    text = TRAINING.replace("STEPS", str(size.steps)).replace("BATCH", str(size.batches[0]))
    text = text.replace("FEATURES", "given" if kind == "feats" else "fbank80") + "source: audio\n" * (kind == "sound")
    path = folder / f"recipe/models/{kind}.yaml"
    path.write_text(text)
    train_embedding.main([str(path), "--data", str(folder / kind), str(folder / f"{kind}{in_memory}/final.pt")])


def whole_training(results: dict[str, Any], folder: Path, kind: str, in_memory: bool, size: Size) -> None:
    """Add the row of a whole training, of its last epoch."""
    process = get_context("spawn").Process(target=train, args=(folder, kind, in_memory, size))
    process.start()
    process.join()
    if process.exitcode:
        raise SreError(f"the training ended with {process.exitcode}; see what it said above")
    rows = (folder / f"{kind}{in_memory}/history.jsonl").read_text().splitlines()
    last = json.loads(rows[-1])
    kept = {
        key: last.get(key) for key in ("utt_per_s", "data_wait", "gpu_busy", "gpu_mib", "memory_mib", "workers_mib")
    }
    source = f"{'audio' if kind == 'sound' else 'archives'} {'in memory' if in_memory else 'on disk'}"
    hours = SCHEDULE / last["utt_per_s"] / 3600
    results["trainings"].append({"source": source, **kept, "hours": round(hours, 1)})


def page(results: dict[str, Any]) -> str:
    """Return the page of what there is so far."""
    told = results["machine"]
    cuda = f", CUDA {told['cuda']}" if "cuda" in told else ""
    lines = [
        "# Training on a GPU\n",
        f"`python -m benchmarks.gpu`: {told['date']}, {told['device']}, {told['cores']} cores; Python {told['python']},"
        f" torch {told['torch']}{cuda}.\n",
        f"Tests of tests/gpu: {results.get('tests', 'not run')}\n",
    ]
    if results["steps"]:
        lines += of_steps(results)
    if results["trainings"]:
        lines += of_trainings(results)
    return "\n".join([*lines, *(f"\nLeft out: {reason}" for reason in results["left_out"]), ""])


def of_steps(results: dict[str, Any]) -> list[str]:
    rates = ", ".join(f"{name} {value:.0f}" for name, value in results["matrix_gmacs"].items())
    lines = [
        "A step: forward, backward and SGD on chunks of 80 values that are on the card, AAM-softmax over"
        f" {CLASSES} classes. `{PLAIN}` is a plain loop with torch's defaults, where convolutions are in TF32; our fp32"
        " is fp32. `cuDNN tries` is `training.deterministic: false`. Of the product: the multiply-adds of a step (three"
        " times those of the forward pass) a second, as a share of those of a product of two matrices, in 1e9 a second:"
        f" {rates}. J: joules for 1,000 chunks. Hours: of {SCHEDULE / 1e6:.0f} million chunks, WeSpeaker's 150 epochs"
        " of VoxCeleb2. First: the first step, which compiles.\n",
        "| network | way | batch | chunks/s | to plain | of the product | peak MiB | J | hours | first |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in results["steps"]:
        cells = [row[key] for key in ("to_plain", "of_product", "peak_mib", "joules_per_1000", "hours")]
        lines.append(
            f"| {row['network']} | {row['way']} | {row['batch']} | {row['utt_per_s']:.0f} | {joined(cells)} |"
            f" {row['first_step_s']} s |"
        )
    return lines


def of_trainings(results: dict[str, Any]) -> list[str]:
    lines = [
        "\nWhole trainings of an x-vector, in bf16 where the card multiplies it, with speeds and masks; of the last"
        " epoch. Data wait: the share of the time in which the card waited for a batch.\n",
        "| source | chunks/s | data wait | card busy | card MiB | memory MiB | readers MiB | hours |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in results["trainings"]:
        cells = [cell for key, cell in row.items() if key != "source"]
        lines.append(f"| {row['source']} | {joined(cells)} |")
    return lines


def joined(cells: Sequence[float | None]) -> str:
    return " | ".join("" if cell is None else f"{cell:.4g}" for cell in cells)


def main(argv: list[str] | None = None) -> None:
    begun = time.monotonic()
    parser = Parser(description=__doc__)
    parser.add_argument("--out", type=output_file, required=True, help="Markdown page; a .json is written beside it")
    parser.add_argument("--seconds", type=whole(1), default=SECONDS, metavar="N", help="of the whole run")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="default: all")
    parser.add_argument("--tiny", action="store_true", help="next to nothing of each part: that it runs through")
    args = parser.parse_args(argv)
    from sre.machine.device import choose_precision

    card, size = device(), TINY if args.tiny else FULL
    precision, this = choose_precision("auto", card), Run(args.out, args.seconds, begun)
    results = this.results

    def matrix() -> None:
        kinds = {"fp32": "fp32", "half": precision}
        results["matrix_gmacs"] = {kind: hardware(one, card, size.side)["product"] for kind, one in kinds.items()}

    this.part("tests", 20, partial(run_tests, results))
    this.part("products", 5, matrix)
    for name in args.networks:
        for way, batch, fixed in ways(size.batches, precision):
            this.part(f"{name}, {way.name}, {batch}", 5, partial(measure, results, name, way, batch, fixed, size))
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        this.part("data", 10, partial(make_data, data, size.utts))
        for kind, kept in (("feats", True), ("feats", False), ("sound", False)):
            what = f"training on {kind}{' in memory' * kept}"
            this.part(what, 30, partial(whole_training, results, data, kind, kept, size))
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(Path(folder) / "compiled")  # what was compiled before is not found
        compiled = Way(f"{precision}, {COMPILED}", precision, True)
        for batch in () if args.tiny else reversed(size.batches):
            for name in args.networks:
                what = f"{name}, {compiled.name}, {batch}"
                this.part(what, 60, partial(measure, results, name, compiled, batch, True, size))
    print(args.out.read_text())


if __name__ == "__main__":
    run(main)
