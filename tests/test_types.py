"""Types are checked: mypy, as setup.cfg tells it, finds no error in sre, steps and local."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TYPED = ("mypy", "numpy", "torch")  # mypy, and the packages whose hints it reads


def test_mypy_finds_no_error() -> None:
    pins = dict(re.findall(r"^(\S+)==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
    other = [f"{name} {version(name)}" for name in TYPED if version(name).partition("+")[0] != pins[name]]
    if other:
        pytest.skip(f"{', '.join(other)}: not as pinned in constraints.txt, and each version has other hints")
    done = subprocess.run([sys.executable, "-m", "mypy"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_ignored_error_has_its_reason() -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in ("sre", "steps", "local")
        for path in sorted((ROOT / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if "# type: ignore" in line and not re.search(r"# type: ignore\[[\w, -]+\]  # \w", line)
    ]
    assert bare == []
