"""How a file was made: the record of each job, which `sre trace` follows back to config, data and code.

A record is JSON: command (list), inputs and outputs (path -> {"bytes", "sha256"}), seconds, peak_memory_mib, begun
(ISO 8601, UTC) and the environment: code, python, packages, device. Paths are as the job was given them.
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import sre
from sre import SreError
from sre.cores import available_cores
from sre.io.atomic import sha256_file

PACKAGES = ("torch", "torchaudio", "numpy", "scipy", "pandas", "pyarrow", "kaldiio", "soundfile", "snakemake")
CODE = ("sre", "steps", "local", "Snakefile", "recipes/*/data.smk")
HASHED_BYTES = 2**30  # a larger file is known by its size only: archives of features would take minutes
LEVELS = 4  # folders above a file whose log/ may hold its record


def environment() -> dict[str, object]:
    """What a number depends on beside its inputs: code, Python, packages, processor."""
    return {
        "code": code_version(),
        "python": platform.python_version(),
        "packages": {name: found for name in PACKAGES if (found := _version(name))},
        "device": _gpu() or f"{_processor()}, {available_cores()} cores",
    }


@cache
def code_version() -> str:
    """`<version>+<git revision>[.changed]`, without the revision where the code is no git checkout."""
    folder = Path(sre.__file__).resolve().parents[1]
    if not (folder / ".git").exists():
        return sre.__version__
    try:
        revision = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--", *CODE)
    except (OSError, subprocess.CalledProcessError):
        return sre.__version__
    return f"{sre.__version__}+{revision}" + ".changed" * bool(changed)


def _git(folder: Path, *command: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *command], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@cache
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _gpu() -> str | None:
    """Of a job that used one."""
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


def identify(paths: Iterable[str | Path]) -> dict[str, dict]:
    """path -> {"bytes", "sha256"}: no digest above HASHED_BYTES, nothing of a folder; None where it is missing."""
    return {str(path): _identity(Path(path)) for path in paths}


def _identity(path: Path) -> dict | None:
    if path.is_dir():
        return {}
    if not path.is_file():
        return None
    size = os.stat(path).st_size
    return {"bytes": size} | ({"sha256": sha256_file(path)} if size <= HASHED_BYTES else {})


def find_record(path: str | Path) -> tuple[Path, dict] | None:
    """The record that names `path` among its outputs, in the log/ of its folder or of one above; the newest."""
    path, found = Path(path), []
    for folder in list(path.absolute().parents)[:LEVELS]:
        for file in sorted((folder / "log").glob("*.json")):
            record = read_record(file)
            if any(_same(path, output) for output in record.get("outputs", {})):
                found.append((record.get("begun", ""), file, record))
    return max(found, key=lambda entry: entry[0])[1:] if found else None


def read_record(file: Path) -> dict:
    try:
        record = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SreError(f"{file}: not JSON ({error}); delete it, and what it says of a job is lost") from None
    return record if isinstance(record, dict) else {}


def _same(path: Path, other: str) -> bool:
    return path.name == Path(other).name and path.absolute() == Path(other).absolute()
