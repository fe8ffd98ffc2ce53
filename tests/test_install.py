"""What `make .venv` installs: packages work, pins are what setup.cfg allows, commands run from anywhere."""

import configparser
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def options() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def requirements(text: str) -> list[Requirement]:
    return [Requirement(line) for line in text.split("\n") if line.strip()]


REQUIRED = requirements(options()["options"]["install_requires"])


@pytest.mark.parametrize("package", [requirement.name for requirement in REQUIRED])
def test_a_required_package_can_be_imported(package: str) -> None:
    importlib.import_module({"PyYAML": "yaml"}.get(package, package))


def test_torchaudio_works_with_this_torch() -> None:
    """They are released apart: torch 2.11.0 could not load torchaudio 2.11.1."""
    import torchaudio.functional

    wave = torch.sin(torch.arange(4410) * 0.1)
    assert torchaudio.functional.resample(wave, 44100, 16000).shape == (1600,)


def test_pins_are_within_the_ranges() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {requirement.name: requirement for requirement in requirements("\n".join(lines[1:]))}
    pinned = {canonicalize_name(name): str(requirement.specifier) for name, requirement in pinned.items()}
    assert all(re.fullmatch(r"==[^*+]+", pin) for pin in pinned.values()), "one version each, of any build"
    extras = options()["options.extras_require"]
    for requirement in [*REQUIRED, *requirements(extras["dev"] + extras["demo"])]:
        pin = pinned[canonicalize_name(requirement.name)].removeprefix("==")
        assert requirement.specifier.contains(pin, prereleases=True), f"{requirement}, pinned {pin}; make upgrade"


@pytest.mark.parametrize("module", ["steps.make_fbank", "local.prepare_custom", "sre.cli"])
def test_commands_run_from_any_folder(module: str, tmp_path: Path) -> None:
    """Also where a folder steps or local stands, as in each of Kaldi's recipes."""
    (tmp_path / "steps").mkdir()
    (tmp_path / "local").mkdir()
    command = [sys.executable, "-m", module, "--help"]
    done = subprocess.run(command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:6]) == (0, "usage:"), done.stderr


@pytest.mark.parametrize(
    ("given", "count"), [({}, "1000"), ({"OMP_WAIT_POLICY": "ACTIVE"}, ""), ({"GOMP_SPINCOUNT": "7"}, "7")]
)
def test_waiting_threads_soon_sleep_where_nothing_else_is_asked(given: dict[str, str], count: str) -> None:
    code = "import sre, os; print(os.environ.get('GOMP_SPINCOUNT', ''))"
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == count
