"""A loss of 200,000 speakers with a sample of its classes in each update (loss.sampled), beside all of them.

python -m benchmarks.partial_fc --out benchmarks/partial_fc.md    # about 3 minutes and 6 GB, with nothing else running

Each way is a process of its own with all cores, and they take turns. A step is an `Update`, as trainings run it, of one
affine layer and AAM-softmax on a batch of embeddings: the network's own time and memory come on top in each way. The
memory is the peak above what the process had after its imports; the classes and the momentum are a part of it.
"""

import statistics
import time
from collections.abc import Callable
from datetime import date
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import NamedTuple

from sre.cli.arguments import Parser, output_file, whole
from sre.machine.cores import available_cores
from sre.machine.environment import environment
from sre.machine.log import run, say
from sre.machine.memory import own_peak_mib

SHARES = (1.0, 0.3, 0.1, 0.03)
STATES = {"sgd": 1, "adam": 2}  # tensors as large as the classes that the optimiser keeps
STEPS = 3  # a turn


class Size(NamedTuple):
    """Speakers, length of an embedding, chunks of a batch."""

    speakers: int
    dim: int
    chunks: int


def step_of(size: Size, optimizer: str, share: float) -> Callable[[int], None]:
    """Return the work of an update by its number."""
    import torch
    from torch import Tensor, nn

    from sre.cli.configs import schema
    from sre.losses import build_head
    from sre.losses.partial import Part
    from sre.machine.device import prepare
    from sre.models.base import Network
    from sre.training.optimizers import build_optimizer, trained
    from sre.training.options import TrainingOptions
    from sre.training.ranks import ALONE
    from sre.training.update import Update

    class Affine(Network):
        def __init__(self) -> None:
            super().__init__(size.dim)
            self.layer = nn.Linear(size.dim, size.dim)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x[:, 0])

    device = torch.device("cpu")
    prepare(device, available_cores())
    torch.manual_seed(0)
    network, head = Affine(), build_head(size.dim, size.speakers, "aam", 32.0)
    if share < 1:
        head.part = Part(head.rows(), size.speakers, ALONE, share, sharded=False, seed=1)
    given = {"batch_size": size.chunks, "precision": "fp32", "optimizer": optimizer}
    training = schema().check(given, "training", "$defs", "model", "properties", "training")
    options = TrainingOptions(**training, margin=0.2, margin_epochs=(0, 0), seed=1)
    made = build_optimizer(options, network, head)
    update = Update(network, head, made, trained(network, head), options, device)
    chunks = torch.randn(size.chunks, 1, size.dim)
    labels = torch.randint(size.speakers, (size.chunks,))

    def step(number: int) -> None:
        update(chunks, labels, 0.01, 0.2, False, number, labels)
        update.outcomes()

    return step


def worker(size: Size, optimizer: str, share: float, commands: Connection) -> None:
    """Do so many steps at each command, until None comes; answer with the seconds of each, and the peak in MiB."""
    import sre.training.trainer  # noqa: F401  (all imports come before the memory is looked at)

    before = own_peak_mib()
    step, number = step_of(size, optimizer, share), 0
    while (count := commands.recv()) is not None:
        seconds = []
        for _ in range(count):
            begun = time.perf_counter()
            step(number)
            seconds.append(time.perf_counter() - begun)
            number += 1
        commands.send((seconds, own_peak_mib() - before))


def measure(size: Size, optimizer: str, repeats: int) -> list[str]:
    """Return the lines of one optimiser."""
    context, pipes, processes = get_context("spawn"), {}, []
    for share in SHARES:
        pipes[share], theirs = context.Pipe()
        processes.append(context.Process(target=worker, args=(size, optimizer, share, theirs), daemon=True))
        processes[-1].start()
        pipes[share].send(1)  # the first step makes what the optimiser keeps
        pipes[share].recv()
    times: dict[float, list[float]] = {share: [] for share in SHARES}
    peaks = {}
    for _ in range(repeats):
        for share, pipe in pipes.items():
            pipe.send(STEPS)
            seconds, peaks[share] = pipe.recv()
            times[share].append(statistics.median(seconds))
    for pipe, process in zip(pipes.values(), processes, strict=True):
        pipe.send(None)
        process.join()
    kept = (1 + STATES[optimizer]) * size.speakers * size.dim * 4 / 2**20
    lines = []
    for share, each in times.items():
        ratio = statistics.median(whole / part for whole, part in zip(times[1.0], each, strict=True))
        lines.append(
            f"| {optimizer} | {'all' if share == 1 else f'{share:g}'} | {1000 * statistics.median(each):.0f} |"
            f" {1000 * min(each):.0f} to {1000 * max(each):.0f} | {ratio:.1f}x | {peaks[share]:.0f} | {kept:.0f} |"
        )
        say(lines[-1])
    return lines


def text(lines: list[str], size: Size, repeats: int, command: str) -> str:
    """Return the page."""
    return "\n".join(
        [
            "# A sample of the classes (partial FC)\n",
            f"`{command}`: {date.today()}, {environment()['device']} and as many threads; torch"
            f" {environment()['packages']['torch']}. AAM-softmax over {size.speakers:,} speakers, embeddings of"
            f" {size.dim}, batches of {size.chunks}, fp32; medians of {repeats} turns of {STEPS} steps, also of the"
            " ratio.\n",
            "A step is the loss, its gradient and the update of the classes, with one affine layer in the place of a"
            " network. Memory: the peak above that of the imports. Of it the classes with what the optimiser keeps of"
            " them, which are all in memory in each way: `loss.sharded` divides these by the number of processes.\n",
            "| optimizer | loss.sampled | ms a step | least to most | to all | peak, MiB | of it kept, MiB |",
            "|---|--:|--:|--:|--:|--:|--:|",
            *lines,
            "",
        ]
    )


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--out", type=output_file, help="Markdown file to write")
    parser.add_argument("--repeats", type=whole(1), default=5, metavar="N", help="turns, of which medians are taken")
    parser.add_argument("--speakers", type=whole(10), default=200_000, metavar="N", help="fewer, to try it out")
    args = parser.parse_args(argv)
    size = Size(args.speakers, 256, 256)
    lines = [line for optimizer in STATES for line in measure(size, optimizer, args.repeats)]
    command = "python -m benchmarks.partial_fc" + (f" --out {args.out}" if args.out else "")
    page = text(lines, size, args.repeats, command)
    print(page)
    if args.out:
        args.out.write_text(page)


if __name__ == "__main__":
    run(main)
