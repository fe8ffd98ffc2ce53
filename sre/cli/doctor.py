"""`sre doctor`: what would stop a recipe, before its first stage: machine, packages, corpora, trial lists, disk.

sre doctor
sre doctor --config recipe=librispeech corpus=/data/LibriSpeech
sre doctor voxceleb --config voxceleb1=/data/VoxCeleb1 root=/big/disk
sre doctor --configfile mine.yaml --json

It takes the arguments that snakemake takes, or a recipe's name before them, and writes nothing. Relative paths start at
the project's root. If something would stop the recipe, the exit status is 1. --json prints the same as JSON.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from contextlib import chdir
from importlib import import_module
from pathlib import Path

from sre import SreError


def doctor(arguments: Sequence[str]) -> None:
    """Print the page. Raises SreError for a config that is none."""
    if {"-h", "--help"} & {*arguments}:
        print(f"usage: sre doctor [RECIPE] [as snakemake] [--json]\n\n{__doc__}", end="")
        return
    from sre.config.overrides import read_command
    from sre.config.recipe import load_recipe
    from sre.config.stages import SURVEYS
    from sre.doctor.examine import examine
    from sre.doctor.findings import page, stops
    from sre.experiments.explain import project_root

    project, surveys = project_root(), import_module(SURVEYS)
    asked = [word for word in arguments if word != "--json"]
    if folder := next((word for word in asked[:1] if "/" in word and Path(word).is_dir()), None):
        raise SreError(
            f"{folder}: a folder and no recipe's name; give custom --config recordings={folder} for recordings"
        )
    with chdir(project):
        recipe = load_recipe(read_command(project / "recipes", asked), project / "recipes")
        name = recipe.config["recipe"]
        found = list(examine(recipe, project, [*surveys.ROOTS.get(name, ()), *surveys.NOISES]))
        root = Path(recipe.config["root"]).absolute()
    if "--json" in arguments:
        print(json.dumps({"recipe": name, "name": recipe.name, "found": [one._asdict() for one in found]}, indent=1))
    else:
        about = f"recipe {name}" + (f", experiment {recipe.name}" if recipe.name != name else "")
        print("\n".join(page(f"sre doctor: {about}, root {root}", found)))
    if stops(found):
        sys.exit(1)


def add(commands: argparse._SubParsersAction, text: str) -> None:
    """A subcommand that takes Snakemake's options too."""
    parser = commands.add_parser("doctor", help=text, prefix_chars="\0", add_help=False)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="a recipe, and what snakemake takes")
    parser.set_defaults(do=doctor)
