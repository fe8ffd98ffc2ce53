"""`sre clean`: what can be removed of experiments without losing anything that counts, and how much room it takes.

sre clean                    # of every experiment in exp/, and of data/; on a terminal it asks, elsewhere it only lists
sre clean exp/mini --yes     # removes it without asking

What goes: checkpoints of trainings that are done (their final.pt is newer than all of them), and temporary files of
processes that were killed. What a later run reads, trains or shows again stays: the report, sre trace and further
systems work as before.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from sre.cli.arguments import input_folder
from sre.experiments.clean import Item, find, listed, megabytes, remove
from sre.machine.log import say


def clean(folders: Sequence[Path], yes: bool = False) -> None:
    """List what can go of each experiment and remove it, with `yes` or where a person on the terminal says so.

    Raises SreError for what is no experiment.
    """
    found = find(folders)
    print("\n".join(listed(found)))
    everything = [item for some in found.values() for item in some]
    if not (yes or (everything and _agreed(everything))):
        say("nothing was removed" + "; the same command with --yes removes what is listed" * bool(everything))
        return
    for item in everything:
        remove(item)
    say(f"removed {megabytes(everything)} MB in {len(everything)} places")


def _agreed(everything: Sequence[Item]) -> bool:
    """Ask on a terminal whether all of it may go; where there is none, nobody has agreed."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    try:
        return input(f"Remove {megabytes(everything)} MB in {len(everything)} places? [y/N] ").lower() in ("y", "yes")
    except EOFError:
        return False


def add(commands: argparse._SubParsersAction, text: str) -> None:
    parser = commands.add_parser("clean", help=text, description=__doc__)
    named = "exp/NAME (default: every experiment in exp/)"
    parser.add_argument("folders", metavar="EXP", type=input_folder, nargs="*", help=named)
    parser.add_argument("--yes", action="store_true", help="remove what is listed without asking")
    parser.set_defaults(do=clean)
