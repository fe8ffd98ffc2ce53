"""What a number depends on beside its inputs: versions of the code and of packages, Python, the processor."""

import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import sre
from sre.machine.cores import available_cores

PROJECT = Path(sre.__file__).resolve().parents[1]
PACKAGES = ("torch", "torchaudio", "numpy", "scipy", "pandas", "pyarrow", "kaldiio", "soundfile", "snakemake")
CODE = ("sre", "steps", "local", "Snakefile", "recipes/*/*.smk")


def environment() -> dict[str, Any]:
    """Return what a number depends on beside its inputs: versions of code, Python and packages, the processor."""
    return {
        "code": code_version(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := package_version(name))},
        "device": _gpu() or f"{_processor()}, {available_cores()} cores",
    }


NOTED: dict[str, Any] = {}  # what the step of this process was asked, by its own words


def note_settings(**settings: Any) -> None:
    """Note what a step was asked, for the record of its job, which steps.record_job writes in the same process."""
    NOTED.update(settings)


@cache
def code_version() -> str:
    """Return `<version>+<git revision>[.changed]`; without the revision if the code is no git checkout.

    The answer of the first call is kept: the checkout may move on under a long job.
    """
    if not (PROJECT / ".git").exists():
        return sre.__version__
    try:
        revision = _git(PROJECT, "rev-parse", "--short=12", "HEAD")
        changed = _git(PROJECT, "status", "--porcelain", "--", *CODE)
    except (OSError, subprocess.CalledProcessError):
        return sre.__version__
    return f"{sre.__version__}+{revision}" + ".changed" * bool(changed)


def _git(folder: Path, *command: str) -> str:
    # git status takes a lock and writes an index by the way; a job that is killed then would leave the lock behind
    quiet = ["git", "--no-optional-locks", "-C", str(folder)]
    done = subprocess.run([*quiet, *command], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@cache
def package_version(package: str) -> str | None:
    """Return the version of an installed package; None where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _gpu() -> str | None:
    """Return the name of the GPU that this process has used, if it has used one."""
    torch = sys.modules.get("torch")
    return torch.cuda.get_device_name() if torch and torch.cuda.is_initialized() else None


@cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
