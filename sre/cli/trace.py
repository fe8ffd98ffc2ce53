"""`sre trace`: from a number or a file back to config, data and code."""

import argparse


def print_trace(what: str, long: bool = False) -> None:
    """Print lines as they are found; raises SreError after the last."""
    from sre.experiments.trace import trace

    for line in trace(what, long):
        print(line)


def add(commands: argparse._SubParsersAction, text: str) -> None:
    parser = commands.add_parser("trace", help=text, description=text)
    row = "exp/NAME/report.tsv:LINE or exp/NAME/RUN/LIST/SYSTEM; of exp/NAME all rows are listed"
    parser.add_argument("what", metavar="FILE_OR_ROW", help=f"a file, or {row}")
    parser.add_argument("--long", action="store_true", help="whole commands, packages, the config of a training")
    parser.set_defaults(do=print_trace)
