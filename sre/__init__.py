"""sre: speaker recognition in small file-producing stages. Arrays and tensors in, arrays and tensors out."""

import os

__version__ = "0.1.0"

# How often threads of GNU OpenMP (torch) look before they sleep, while they wait for each other. Its own default, some
# milliseconds, gains nothing alone and halves a training's rate beside other work (benchmarks/beside.md). It is read
# when torch is loaded, so it stands here.
if not {"GOMP_SPINCOUNT", "OMP_WAIT_POLICY"} & set(os.environ):
    os.environ["GOMP_SPINCOUNT"] = "1000"


class SreError(Exception):
    """Something a user can cause and mend; its text names the file or id, what is wrong, and the remedy."""


class FileError(SreError):
    """A product that is damaged, or that cannot be written: never a row of the report, its stage ends."""
