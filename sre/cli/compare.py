"""`sre compare`: what changed between the experiments of two recipes, commits or machines, and whether it matters.

sre compare exp/mini ../other/exp/mini
sre compare exp/ko_fbank40 exp/ko_grid --map xvector_aug=xvector_narrow
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from sre.cli.arguments import input_folder


def print_comparison(folders: Sequence[Path], renamed: Sequence[str] = ()) -> None:
    """Print what changed between the experiments. Raises SreError where a folder is none."""
    from sre.experiments.compare import compare

    print("\n".join(compare(folders, renamed)))


def add(commands: argparse._SubParsersAction, text: str) -> None:
    parser = commands.add_parser("compare", help=text, description=__doc__)
    parser.add_argument(
        "folders", metavar="EXP", type=input_folder, nargs="+", help="exp/NAME; all are compared with the first"
    )
    named = "a model of the first and its name in the others; may be repeated"
    parser.add_argument("--map", metavar="A=B", action="append", default=[], dest="renamed", help=named)
    parser.set_defaults(do=print_comparison)
