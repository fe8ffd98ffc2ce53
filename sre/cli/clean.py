"""`sre clean`: what can be removed of experiments."""

import argparse

from sre.cli.arguments import input_folder
from sre.experiments.clean import clean


def add(commands: argparse._SubParsersAction, text: str) -> None:
    parser = commands.add_parser("clean", help=text, description=__doc__)
    named = "exp/NAME (default: every experiment in exp/)"
    parser.add_argument("folders", metavar="EXP", type=input_folder, nargs="*", help=named)
    parser.add_argument("--yes", action="store_true", help="remove what is listed")
    parser.set_defaults(do=clean)
