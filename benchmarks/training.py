"""A training's step on a CPU beside a plain fp32 loop of the same network, interleaved, on one machine.

python -m benchmarks.training --out benchmarks/training.md    # about 5 minutes, on a machine that does nothing else

The plain loop is written as WeSpeaker's trainer is: contiguous weights, torch's default allocator, SGD, the loss asked
for after each step. Ours is `Update`, as trainings run it. A step is forward, backward and SGD with Nesterov momentum
on 32 chunks of 200 frames of 80 values, 1,211 classes, AAM-softmax. Each way has a process of its own and all cores.
What the hardware can do is measured in the same run: a product of two matrices, and a convolution with its gradients.
"""

import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from sre.cli.arguments import Parser, output_file, whole
from sre.machine.cores import available_cores
from sre.machine.environment import environment
from sre.machine.log import run, say

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = {"xvector": 4, "ecapa512": 2, "resnet34": 1}  # of recipes/voxceleb/models: steps a repeat
CHUNKS, FRAMES, BINS, CLASSES = 32, 200, 80, 1211
FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "amx_bf16")
PLAIN, COMPILED = "plain fp32", "compiled"


class Way(NamedTuple):
    """How to train: the plain loop, or ours in a precision, compiled or not."""

    name: str
    precision: str
    compile: bool = False


def precision_here() -> str:
    """Return what training.precision: auto is on this CPU."""
    import torch

    from sre.machine.device import choose_precision

    return choose_precision("auto", torch.device("cpu"))


def ways() -> list[Way]:
    """Return the ways of this machine: bf16 only where it multiplies it."""
    best = precision_here()
    found = [Way(PLAIN, "fp32"), Way("fp32", "fp32")]
    found += [Way("bf16", "bf16")] if best == "bf16" else []
    return [*found, Way(f"{best}, {COMPILED}", best, True)]


def plain_loop(name: str) -> Callable[[], None]:
    """Return a step of the plain loop, on the CPU."""
    import torch

    torch.set_num_threads(available_cores())
    return plain_step(*parts(name))


def our_loop(name: str, way: Way) -> Callable[[], None]:
    """Return a step of ours, on the CPU."""
    import torch

    from sre.machine.device import memory_format, prepare

    prepare(torch.device("cpu"), available_cores())
    network, head, chunks, labels = parts(name)
    network.to(memory_format=memory_format(network))
    return our_step(way, network, head, chunks, labels)


def plain_step(network: Any, head: Any, chunks: Any, labels: Any) -> Callable[[], None]:
    """Return a step of the plain loop of a network and its loss on a batch."""
    import torch

    weights = [*network.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(weights, 0.01, momentum=0.9, nesterov=True, weight_decay=1e-4)

    def step() -> None:
        network.train(), head.train()
        loss, _ = head(network(chunks), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()

    return step


def our_step(way: Way, network: Any, head: Any, chunks: Any, labels: Any) -> Callable[[], None]:
    """Return a step of ours of a network and its loss on a batch."""
    from sre.cli.configs import schema
    from sre.training.compiling import compiled
    from sre.training.optimizers import build_optimizer
    from sre.training.options import TrainingOptions
    from sre.training.update import Update

    given = {"batch_size": len(chunks), "precision": way.precision}
    training = schema().check(given, "training", "$defs", "model", "properties", "training")
    options = TrainingOptions(**training, margin=0.2, margin_epochs=(0, 0), seed=1)
    optimizer, weights = build_optimizer(options, network, head), [*network.parameters(), *head.parameters()]
    update = Update(network, head, optimizer, weights, options, chunks.device)
    if way.compile:
        update.module.compiled = compiled(network, chunks.device, (chunks.shape[1], chunks.shape[1]))
    classes = labels.cpu()

    def step() -> None:
        update(chunks, classes, 0.01, 0.2, False, 0, classes)
        if update.is_due:
            update.outcomes()

    return step


def parts(name: str, chunks: int = CHUNKS, frames: int = FRAMES) -> tuple:
    """Return a network, its loss, a batch and its classes."""
    import torch

    from sre.losses import build_head
    from sre.models import build

    torch.manual_seed(0)
    architecture, options = model(name)
    network = build(architecture, BINS, options)
    head = build_head(network.embedding_dim, CLASSES, "aam", 32.0)
    return network, head, torch.randn(chunks, frames, BINS), torch.randint(0, CLASSES, (chunks,))


def model(name: str) -> tuple[str, dict]:
    """Return the architecture and the options of a model of recipe voxceleb."""
    from sre.cli.configs import schema
    from sre.io.yaml_text import read_yaml

    given = read_yaml(ROOT / f"recipes/voxceleb/models/{name}.yaml")
    options = given.get("options", {})
    architecture = given["architecture"]
    return architecture, schema().check(options, name, "$defs", "architectures", architecture)


def hardware(precision: str, device: Any = "cpu", side: int = 2048) -> dict[str, float]:
    """Return multiply-adds a second, in 1e9, of a product of matrices, and of a convolution with its gradients.

    side : rows and columns of the matrices
    """
    import torch

    from sre.machine.device import prepare

    device = torch.device(device)
    prepare(device, available_cores())
    kind = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(precision, torch.float32)
    a, b = torch.randn(2, side, side, device=device).to(kind)
    x = torch.randn(16, 64, 40, 100, device=device).to(kind, memory_format=torch.channels_last).requires_grad_()
    layer = torch.nn.Conv2d(64, 64, 3, padding=1, bias=False, device=device).to(kind, memory_format=torch.channels_last)
    gradient = torch.randn(16, 64, 40, 100, device=device).to(kind, memory_format=torch.channels_last)

    def rate(work: Callable[[], object], operations: float) -> float:
        work(), wait(device)
        begun = time.perf_counter()
        for _ in range(3):
            work()
        wait(device)
        return 3 * operations / (time.perf_counter() - begun) / 1e9

    return {
        "product": rate(lambda: a @ b, side**3),
        "convolution": rate(lambda: layer(x).backward(gradient), 3 * 16 * 64 * 64 * 9 * 40 * 100),
    }


def wait(device: Any) -> None:
    """Wait until a device has done what it was given."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)


def worker(name: str, way: Way, commands: Connection) -> None:
    """Do so many steps at each command, until None comes; answer with the seconds of each."""
    step = plain_loop(name) if way.name == PLAIN else our_loop(name, way)
    while (count := commands.recv()) is not None:
        seconds = []
        for _ in range(count):
            begun = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - begun)
        commands.send(seconds)


def measure_hardware(precision: str, answer: Connection) -> None:
    """Answer with `hardware`, in a process of its own."""
    answer.send(hardware(precision))


def measure(name: str, repeats: int, limits: dict[str, dict[str, float]]) -> list[str]:
    """Return the lines of one network."""
    from sre.models import cost

    context, pipes, processes, first = get_context("spawn"), {}, [], {}
    for way in ways():
        pipes[way], theirs = context.Pipe()
        processes.append(context.Process(target=worker, args=(name, way, theirs), daemon=True))
        processes[-1].start()
        pipes[way].send(1)
        first[way] = pipes[way].recv()[0]  # alone, for it compiles on all cores
    rates: dict[Way, list[float]] = {way: [] for way in pipes}
    for repeat in range(repeats + 1):
        for way, pipe in pipes.items():
            pipe.send(NETWORKS[name] if repeat else 1)
            rates[way] += [CHUNKS / statistics.median(pipe.recv())] * bool(repeat)  # the first one warms up
    for pipe, process in zip(pipes.values(), processes, strict=True):
        pipe.send(None)
        process.join()
    architecture, options = model(name)
    work = 3 * cost.macs(cost.Spec(architecture, BINS, options), FRAMES / 100) / 1e9  # backward is twice forward
    plain = next(iter(rates))
    lines = []
    for way, each in rates.items():
        rate = statistics.median(each)
        ratio = statistics.median(a / b for a, b in zip(each, rates[plain], strict=True))
        start = f"{first[way] - CHUNKS / rate:.0f} s" if way.compile else ""
        shares = [f"{100 * rate * work / limits[way.precision][what]:.0f} %" for what in ("product", "convolution")]
        lines.append(
            f"| {name} | {way.name} | {rate:.1f} | {min(each):.1f} to {max(each):.1f} | {ratio:.2f}x |"
            f" {' | '.join(shares)} | {start} |"
        )
        say(f"{name}, {way.name}: {rate:.1f} utt/s")
    return lines


def limits_here() -> dict[str, dict[str, float]]:
    """Return what `hardware` measures of each precision, each in a process of its own."""
    found = {}
    for precision in dict.fromkeys(way.precision for way in ways()):
        ours, theirs = get_context("spawn").Pipe()
        process = get_context("spawn").Process(target=measure_hardware, args=(precision, theirs))
        process.start()
        found[precision] = ours.recv()
        process.join()
    return found


def machine() -> str:
    """Return the processor, its flags that matter here, and the threads."""
    cpu = Path("/proc/cpuinfo")
    flags = set(cpu.read_text().split()) if cpu.is_file() else set()
    has = [flag for flag in FLAGS if flag in flags]
    return f"{environment()['device']} and as many threads, with {', '.join(has) or 'none of ' + ', '.join(FLAGS)}"


def text(lines: list[str], limits: dict[str, dict[str, float]], repeats: int) -> str:
    """Return the page."""
    rates = "; ".join(
        f"{precision}: a product of matrices {found['product']:.0f}, a convolution {found['convolution']:.0f}"
        for precision, found in limits.items()
    )
    without = "" if "bf16" in limits else " This CPU does not multiply bf16, so there are no rows of it."
    return "\n".join(
        [
            "# Training\n",
            f"`python -m benchmarks.training`: {date.today()}, {machine()}; Python {platform.python_version()}, torch"
            f" {environment()['packages']['torch']}. Utterances a second of forward, backward and SGD on {CHUNKS}"
            f" chunks of {FRAMES} frames of {BINS}, {CLASSES} classes; medians of {repeats} interleaved repeats, the"
            " ratio's too. `plain fp32` is a loop as WeSpeaker's trainer has it; the others are ours. fp16 is for GPUs."
            f"{without}\n",
            "Of the product and of the convolution: the multiply-adds of a step (three times those of the forward pass)"
            f" a second, as a share of what those reach by themselves in the same precision. In 1e9 a second, {rates}."
            " Start: what the first step of a training takes longer, which is compiling.\n",
            "| network | way | utt/s | least to most | to plain | of the product | of the convolution | start |",
            "|---|---|---|---|---|---|---|---|",
            *lines,
            "",
        ]
    )


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", type=output_file, help="Markdown file to write")
    parser.add_argument("--repeats", type=whole(1), default=5, metavar="N", help="of which medians are taken")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS), help="default: all")
    args = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder  # what was compiled before would start at once
        limits = limits_here()
        lines = [line for name in args.networks for line in measure(name, args.repeats, limits)]
    page = text(lines, limits, args.repeats)
    print(page)
    if args.out:
        args.out.write_text(page)


if __name__ == "__main__":
    run(main)
