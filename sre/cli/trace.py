"""`sre trace`: from a number or a file back to config, data and code."""

import argparse

from sre.experiments.trace import trace


def add(commands: argparse._SubParsersAction, text: str) -> None:
    parser = commands.add_parser("trace", help=text, description=text)
    row = "exp/NAME/report.tsv:LINE or exp/NAME/RUN/LIST/SYSTEM; of exp/NAME all rows are listed"
    parser.add_argument("what", metavar="FILE_OR_ROW", help=f"a file, or {row}")
    parser.add_argument("--long", action="store_true", help="whole commands, packages, the config of a training")
    parser.set_defaults(do=trace)
