"""The device that torch computes on, its precision, and what makes two runs the same."""

import ctypes
import os
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sre import SreError
from sre.machine import cards


def choose_device(name: str = "auto", least_mib: float = cards.LEAST_MIB) -> torch.device:
    """Return the device of a config's `device`: auto, cpu or cuda, and take a card for this process where it is one.

    least_mib : free memory that the card must have; the process waits for one that no other job has
    Raises SreError if there is no CUDA device.
    """
    if name != "cpu" and torch.backends.cuda.is_built() and not torch.cuda.is_initialized():
        cards.take(1, least_mib, own=int(os.environ["LOCAL_RANK"]) if "LOCAL_RANK" in os.environ else None)
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise SreError(
            "device: cuda was asked for and torch finds no CUDA device; set device: auto, or mend the driver"
        )
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> str:
    """Return the precision of a name: its own, or for 'auto' bf16 if the hardware multiplies it, else fp32."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    cpu = Path("/proc/cpuinfo")
    flags = cpu.read_text() if cpu.is_file() else ""
    return "bf16" if "avx512_bf16" in flags or "amx_bf16" in flags else "fp32"


def autocast(device: torch.device, precision: str) -> torch.autocast:
    """Return the context in which products are of a precision: fp32, bf16 or fp16."""
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return torch.autocast(device.type, kinds.get(precision, torch.bfloat16), enabled=precision in kinds)


def to_device(tensor: Tensor, device: torch.device) -> Tensor:
    """Return a tensor of the CPU on a device. From pinned memory, so that the host does not wait for a GPU."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)


def prepare(device: torch.device, threads: int, deterministic: bool = True) -> None:
    """Fix what could make two runs differ, and keep glibc from returning big blocks that are mapped anew each step.

    The number of threads is set here and not by the environment: results must not depend on snakemake's -j.

    deterministic : on a GPU cuDNN takes algorithms that give the same bytes each time, by a rule; False: for each shape
        it tries which is fastest
    """
    torch.set_num_threads(threads)
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = deterministic, not deterministic
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # fp32 means fp32
    if device.type == "cpu":
        try:
            libc = ctypes.CDLL("libc.so.6")
        except OSError:
            return  # not glibc
        M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
        libc.mallopt(M_MMAP_MAX, 0), libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1), libc.mallopt(M_TOP_PAD, 256 << 20)


def peak_memory_mib(device: torch.device) -> float | None:
    """Return the peak of what tensors of this process have taken of a GPU, in MiB; None of a CPU."""
    return torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else None


class TorchBuild(NamedTuple):
    """What torch was built for: its version of CUDA (None: CPUs), architectures; the cards that it sees, and theirs."""

    version: str
    cuda: str | None
    archs: list[str]
    devices: int
    of_cards: list[str]


def torch_build() -> TorchBuild:
    """Return what torch was built for, and what it sees of this machine."""
    devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    numbers = [torch.cuda.get_device_capability(number) for number in range(devices)]
    of_cards = sorted({f"sm_{major}{minor}" for major, minor in numbers})
    return TorchBuild(torch.__version__, torch.version.cuda, torch.cuda.get_arch_list(), devices, of_cards)


def card_uuid(device: torch.device) -> str | None:
    """Return the UUID of a GPU as NVML knows it, whatever CUDA_VISIBLE_DEVICES makes its number; None of a CPU."""
    return f"GPU-{torch.cuda.get_device_properties(device).uuid}" if device.type == "cuda" else None


def memory_format(network: nn.Module) -> torch.memory_format:
    """Return the layout of a network's weights: channels_last if it is 2-D, a third faster on a CPU.

    Never below 16 channels: with 4 and 8, torch 2.11 on a CPU died of a corrupt heap ("free(): invalid next size").
    """
    widths = [module.out_channels for module in network.modules() if isinstance(module, nn.Conv2d)]
    good = widths and all(width % 16 == 0 for width in widths)
    return torch.channels_last if good else torch.preserve_format
