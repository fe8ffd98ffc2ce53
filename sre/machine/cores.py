"""How many cores this process may use, and how many of them numpy's products take."""

import ctypes
import os
from pathlib import Path

import numpy as np


def available_cores() -> int:
    """Return the number of cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def one_blas_thread() -> None:
    """Let one thread compute numpy's products in this process, where numpy has the OpenBLAS of its wheels.

    The environment decides that when numpy is loaded, which is too early for a process that is forked.
    """
    for path in (Path(np.__file__).parents[1] / "numpy.libs").glob("*openblas*"):
        library = ctypes.CDLL(str(path))
        for name in ("scipy_openblas_set_num_threads64_", "openblas_set_num_threads64_"):
            if change := getattr(library, name, None):
                change(1)
