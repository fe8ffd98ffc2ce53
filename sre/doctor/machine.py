"""What the machine has: cores, memory, GPUs, shared memory, open files."""

import os
import resource
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from multiprocessing import get_all_start_methods
from pathlib import Path
from typing import NamedTuple

from sre.config.recipe import Recipe
from sre.doctor.findings import NOTE, OK, STOP, Finding
from sre.features.types import dimension_of, options_of
from sre.machine.cards import holder_of, nvidia_smi
from sre.machine.cores import available_cores
from sre.machine.device import TorchBuild, torch_build
from sre.machine.memory import machine_mib

SECTION = "Machine"
LEAST_FILES = 1024  # open at once, what Linux gives
PREFETCHED = 2  # batches that each reading process has ready, torch's default
SHM = Path("/dev/shm")
GIB = 2**10  # MiB


class Gpu(NamedTuple):
    """A card as nvidia-smi describes it; memory in MiB."""

    uuid: str
    name: str
    total_mib: float
    free_mib: float
    driver: str


def looked_at(recipe: Recipe) -> Iterator[Finding]:
    """Yield what the machine has, beside what the recipe wants of it."""
    cards = gpus_here()
    yield _cores()
    yield _memory()
    yield from gpus(cards, torch_build(), {recipe.config["device"], recipe.config["features_device"]})
    if cards and recipe.config["device"] != "cpu":
        yield from _devices(recipe, len(cards))
    yield from _shared_memory(recipe.trainings)
    yield _open_files()


def _cores() -> Finding:
    usable, all_of_them = available_cores(), os.cpu_count() or 1
    of = f" of {all_of_them}, which this process may run on" if usable < all_of_them else ""
    return Finding(SECTION, "cores", OK, f"{usable}{of}")


def _memory() -> Finding:
    found = machine_mib()
    if found is None:
        return Finding(SECTION, "memory", NOTE, "this system does not tell")
    total, free = found
    text = f"{free / GIB:.1f} of {total / GIB:.1f} GiB are free"
    if free < 2 * GIB:
        return Finding(SECTION, "memory", NOTE, text, "Training and scoring need 2 GiB and more: end other programs.")
    return Finding(SECTION, "memory", OK, text)


def gpus_here() -> list[Gpu]:
    """Return the cards that nvidia-smi lists; none without it."""
    told = nvidia_smi("--query-gpu=uuid,name,memory.total,memory.free,driver_version", "--format=csv,noheader,nounits")
    rows = [[cell.strip() for cell in line.split(",")] for line in told]
    return [Gpu(row[0], row[1], _mib(row[2]), _mib(row[3]), row[4]) for row in rows if len(row) == 5]


def _mib(text: str) -> float:
    return float(text) if text.replace(".", "", 1).isdigit() else 0.0  # [N/A] of a part of a card


def gpus(cards: Sequence[Gpu], torch: TorchBuild, asked: Collection[str]) -> Iterator[Finding]:
    """Yield the cards, whose they are, and whether torch can use them.

    asked : the values of device and features_device
    """
    needed = STOP if "cuda" in asked else NOTE
    if not cards and not torch.devices:
        text = "none, and cuda is asked for" if needed == STOP else "none: networks are trained on the CPU"
        cure = "Set device and features_device to auto or cpu, or take a machine with one." if needed == STOP else ""
        yield Finding(SECTION, "GPU", needed if cure else OK, text, cure)
        return
    for card in cards:
        text = f"{card.name}, {card.free_mib / GIB:.1f} of {card.total_mib / GIB:.1f} GiB free, driver {card.driver}"
        holder = holder_of(card.uuid)
        text += f"; job {holder} has it" if holder else ""
        yield Finding(SECTION, "GPU", NOTE if holder else OK, text, "A job waits until it is free." if holder else "")
    yield _torch_on(torch, needed)


def _devices(recipe: Recipe, cards: int) -> Iterator[Finding]:
    """Yield the models of which a training asks for more cards than there are."""
    for run in recipe.runs.values():
        wanted = run.asked.get("devices", 1)
        if isinstance(wanted, int) and wanted > cards:
            text = f"training.devices {wanted} of {run.model}, and there are {cards}"
            cure = f"Lower it (set={run.model}.training.devices={cards}), or take a machine with more."
            yield Finding(SECTION, "devices", STOP, text, cure)


def _torch_on(torch: TorchBuild, needed: str) -> Finding:
    """Return whether torch is built for the cards that are there."""
    built = f"torch {torch.version} built for " + (f"CUDA {torch.cuda}" if torch.cuda else "CPUs alone")
    if torch.devices == 0:
        cure = "Install the build for CUDA: https://pytorch.org/get-started/locally."
        if torch.cuda:
            cure = f"Mend the driver, which CUDA {torch.cuda} may find too old, or unset CUDA_VISIBLE_DEVICES."
        return Finding(SECTION, "torch on GPU", needed, f"{built} uses none of the cards", cure)
    if foreign := [arch for arch in torch.of_cards if torch.archs and not _runs_on(arch, torch.archs)]:
        text = f"{built} has no code for {', '.join(foreign)}, only for {', '.join(torch.archs)}"
        cure = "Install a torch that is built for the card: https://pytorch.org/get-started/locally."
        return Finding(SECTION, "torch on GPU", STOP, text, cure)
    return Finding(SECTION, "torch on GPU", OK, f"{built} sees {torch.devices}")


def _runs_on(arch: str, built: Sequence[str]) -> bool:
    """Return whether code of some architectures runs on a card: of its generation and no newer, or to be compiled."""
    wanted = int(arch.removeprefix("sm_"))
    for one in built:
        kind, _, number = one.partition("_")
        known = int("".join(filter(str.isdigit, number)) or 0)
        if known <= wanted and (kind == "compute" or known // 10 == wanted // 10):
            return True
    return False


def _shared_memory(trainings: Mapping[str, dict]) -> Iterator[Finding]:
    """Yield whether /dev/shm has room for the batches that reading processes hand over."""
    if "fork" not in get_all_start_methods():
        yield Finding(SECTION, "fork", NOTE, "this system has none: features on disk are read by one process")
    if not SHM.is_dir():
        return
    free = shutil.disk_usage(SHM).free
    needed = max((_batches_bytes(one) for one in trainings.values()), default=0)
    text = f"{free / 2**30:.1f} GiB free"
    if not os.access(SHM, os.W_OK):
        yield Finding(SECTION, "/dev/shm", STOP, "cannot be written", "Mount it as tmpfs with mode 1777.")
    elif needed > free:
        read = any(one.get("source") == "audio" for one in trainings.values())
        text += f", and reading processes hand over batches of up to {needed / 2**30:.1f} GiB there"
        cure = "Give the container more: docker run --shm-size=8g, or --ipc=host."
        yield Finding(SECTION, "/dev/shm", STOP if read else NOTE, text, cure)
    else:
        yield Finding(SECTION, "/dev/shm", OK, text)


def _batches_bytes(training: dict) -> int:
    """Return the bytes of the batches that reading processes have ready at a time, at most."""
    config, options = training["feature_config"], training["training"]
    frames, batch = max(options["chunk_frames"]), options["batch_size"]
    if training.get("source") == "audio":
        values = options_of(config).num_samples(frames)
    else:
        values = frames * (dimension_of(config) if "of" not in config else config.get("dimension", 0))
    return int(4 * values * batch * PREFETCHED * min(8, available_cores()))


def _open_files() -> Finding:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = "no limit" if soft == resource.RLIM_INFINITY else f"{soft:,} at a time"
    if 0 <= soft < LEAST_FILES:
        cure = f"Raise the limit in the shell that starts it: ulimit -n {max(LEAST_FILES, min(hard, 65536))}."
        return Finding(SECTION, "open files", NOTE, f"{text}, {LEAST_FILES:,} are usual", cure)
    return Finding(SECTION, "open files", OK, text)
