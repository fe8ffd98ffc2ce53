"""`--help` of every command: it says what to type, and loads nothing that takes long."""

import subprocess
import sys
from pathlib import Path

import pytest

from sre.cli import VERBS

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "pandas", "scipy", "matplotlib", "pyarrow", "snakemake"}  # 0.1 to 2 s each
FILES = [path for folder in ("steps", "local") for path in sorted((ROOT / folder).glob("*.py"))]
COMMANDS = [f"{path.parent.name}.{path.stem}" for path in FILES if "\ndef main(" in path.read_text("utf-8")]
CODE = """
import contextlib, io, os, runpy, sys
module, *sys.argv[1:] = sys.argv[1:]
text = io.StringIO()
with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
    runpy.run_module(module, run_name="__main__", alter_sys=True)
print(*{name.partition(".")[0] for name in sys.modules})
print(text.getvalue())
"""


def help_of(*command: str) -> tuple[set[str], str]:
    """Return the packages that it loads, and its text."""
    done = subprocess.run(
        [sys.executable, "-c", CODE, *command, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    packages, _, text = done.stdout.partition("\n")
    return set(packages.split()), text


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_shows_an_example_and_loads_nothing_that_takes_long(command: str) -> None:
    packages, text = help_of(command)
    assert packages & HEAVY == set()
    assert f"python -m {command} " in text.partition("\n\n")[2].replace("usage:", "")


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_a_verb_loads_nothing_that_takes_long(verb: str) -> None:
    packages, text = help_of("sre.cli", *[verb] * bool(verb))
    assert packages & HEAVY == set()
    assert text.startswith("usage: ") or verb == "explain"
