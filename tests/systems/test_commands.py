"""The commands of docs/systems.md, run from the top of each section's table to its end, in a checkout of its own."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import worlds
from system_tables import ROOT, STEPS, SYSTEMS, rows
from workflow.checkouts import checkout, needs_corpora
from worlds import World


def as_tested(command: str, world: World) -> str:
    """The command as the test runs it: places of the world, its config entries, two jobs."""
    for there, here in world.places.items():
        command = re.sub(rf"(?<![\w/.]){re.escape(there)}(?![\w.-])", lambda _, here=here: here, command)
    strange = re.search(r"(?<![\w/.])/data/[^\s'\"]*", command)
    assert not strange, f"{strange[0]} is no place of the system's World in tests/systems/worlds.py"
    if command.startswith("snakemake"):
        command = re.sub(r" -j ?\d+", " -j2", command)
        entries = " ".join(f"'{entry}'" for entry in world.config)
        if entries and "--config " in command:
            command = command.replace("--config ", f"--config {entries} ", 1)
        elif entries:
            command += f" --config {entries}"
    return command


def run_all(project: Path, commands: list[tuple[int, str]], world: World) -> None:
    """Run (line of the page, command) in the project's folder, with the project's code; fails at the first fault."""
    programs = Path(sys.executable).parent
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "PYTHONPATH": f"{project}:{ROOT}"}
    for line, command in commands:
        began = time.monotonic()
        done = subprocess.run(
            ["bash", "-c", as_tested(command, world)],
            cwd=project, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        print(f"{time.monotonic() - began:.1f} s  {command}")  # shown by pytest -rP
        where = f"docs/systems.md:{line}: {as_tested(command, world)}"
        assert done.returncode == 0, f"{where}\nexit status {done.returncode}\n{done.stdout[-4000:]}"


@pytest.mark.slow
@needs_corpora
@pytest.mark.parametrize("system", SYSTEMS)
def test_commands_of_the_page_work(system: str, tmp_path: Path) -> None:
    commands = [(row.line, command) for row in rows(SYSTEMS[system], STEPS) for command in row.commands()]
    project = checkout(tmp_path)
    run_all(project, commands, getattr(worlds, system)(project))


def test_a_command_that_fails_is_named_with_its_row_and_its_output(tmp_path: Path) -> None:
    commands = [(7, "local/makes.sh /data/mine"), (8, "sre info /data/mine/model.sre")]
    (tmp_path / "local").mkdir()
    (tmp_path / "local/makes.sh").write_text("#!/bin/sh\necho text > $1/model.sre\n")
    (tmp_path / "local/makes.sh").chmod(0o755)
    (tmp_path / "mine").mkdir()
    world = World(places={"/data/mine": str(tmp_path / "mine")})
    with pytest.raises(
        AssertionError,
        match=r"docs/systems.md:8: sre info .*/mine/model.sre\s+exit status 1\s+error: .*/mine/model.sre",
    ):
        run_all(tmp_path, commands, world)


def test_a_snakemake_command_gets_the_world_s_entries() -> None:
    world = World(places={"/data/a": "/x y"}, config=["nj=1"])
    assert as_tested("snakemake -j8 --config corpus=/data/a/b", world) == "snakemake -j2 --config 'nj=1' corpus=/x y/b"
    assert as_tested("snakemake -j8", world) == "snakemake -j2 --config 'nj=1'"
    with pytest.raises(AssertionError, match="/data/ab is no place"):
        as_tested("sre info /data/ab", world)
