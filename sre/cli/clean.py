"""`sre clean`: what can be removed of experiments without losing anything that counts, and how much room it takes.

sre clean                    # of every experiment in exp/: nothing is removed
sre clean exp/mini --yes     # removes it

What goes: checkpoints of trainings that are done (their final.pt is newer than all of them), and temporary files of
processes that were killed. What a later run reads, trains or shows again stays.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from sre.cli.arguments import input_folder
from sre.experiments.clean import find, listed, megabytes, remove
from sre.machine.log import say


def clean(folders: Sequence[Path], yes: bool = False) -> None:
    """List what can go of each experiment and, with `yes`, remove it. Raises SreError for what is no experiment."""
    found = find(folders)
    print("\n".join(listed(found)))
    everything = [item for some in found.values() for item in some]
    if everything and not yes:
        say("nothing was removed; the same command with --yes removes what is listed")
    for item in everything * yes:
        remove(item)
    if yes:
        say(f"removed {megabytes(everything)} MB in {len(everything)} places")


def add(commands: argparse._SubParsersAction, text: str) -> None:
    parser = commands.add_parser("clean", help=text, description=__doc__)
    named = "exp/NAME (default: every experiment in exp/)"
    parser.add_argument("folders", metavar="EXP", type=input_folder, nargs="*", help=named)
    parser.add_argument("--yes", action="store_true", help="remove what is listed")
    parser.set_defaults(do=clean)
