"""sre: speaker recognition in small file-producing stages. Arrays and tensors in, arrays and tensors out."""

import os

__version__ = "0.1.0"

# How often threads of GNU OpenMP (torch) look before they sleep, while they wait for each other; it is read when torch
# is loaded, so it stands here. Its own default, 300,000, leaves a third of a training's rate beside one busy process;
# 1000 leaves half and costs up to 6 % alone; sleeping at once costs up to a fifth alone (benchmarks/beside.md).
if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ):
    os.environ["GOMP_SPINCOUNT"] = "1000"


class SreError(Exception):
    """Something a user can cause and mend; its text names the file or id, what is wrong, and the remedy."""


class BrokenOff(SreError):
    """Work that was ended from outside, or that hung: the same command goes on, so that it is worth a further try."""


class FileError(SreError):
    """A product that is damaged, or that cannot be written: never a row of the report, its stage ends."""
