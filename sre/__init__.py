"""sre: speaker recognition in small file-producing stages. Arrays and tensors in, arrays and tensors out.

    m = sre.load("model.sre")
    m.score(m.embed(wave, rate), m.embed(other, rate))

What is in __all__ is the public API, described in docs/python.md. It is loaded when it is asked for.
"""

import os
from importlib import import_module
from typing import Any

__version__ = "0.1.0"
PUBLIC = {  # name -> the module that has it, and its name there
    "Model": ("sre.voices.model", "Model"),
    "Voiceprint": ("sre.voices.voiceprint", "Voiceprint"),
    "eer": ("sre.metrics.equal_error", "equal_error_rate"),
    "fit_plda": ("sre.backends.fitting", "fit_plda"),
    "load": ("sre.voices.model", "load"),
}
__all__ = ["Model", "SreError", "Voiceprint", "__version__", "eer", "fit_plda", "load"]

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


def __getattr__(name: str) -> Any:
    """Return one of the PUBLIC names, whose module is loaded for it."""
    if name not in PUBLIC:
        raise AttributeError(f"module 'sre' has no attribute '{name}'")
    module, there = PUBLIC[name]
    return getattr(import_module(module), there)


def __dir__() -> list[str]:
    return sorted({*globals(), *PUBLIC})
