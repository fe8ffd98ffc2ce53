"""`sre trace`: from a number or a file back to config, data and code, and whether all of that is as it was.

sre trace exp/mini/xvector/mini/cosine+asnorm       a row: RUN/LIST/SYSTEM of exp/mini
sre trace exp/mini/report.tsv:2                     the same by its line
sre trace exp/mini/xvector/final.pt                 any file
sre trace exp/mini                                  which rows there are
"""

import argparse


def print_trace(what: str, long: bool = False) -> None:
    """Print lines as they are found; raises SreError after the last."""
    from sre.experiments.trace import trace

    for line in trace(what, long):
        print(line)


def add(commands: argparse._SubParsersAction, text: str) -> None:
    parser = commands.add_parser("trace", help=text, description=__doc__)
    row = "exp/NAME/report.tsv:LINE or exp/NAME/RUN/LIST/SYSTEM; of exp/NAME all rows are listed"
    parser.add_argument("what", metavar="FILE_OR_ROW", help=f"a file, or {row}")
    parser.add_argument("--long", action="store_true", help="whole commands, packages, the config of a training")
    parser.set_defaults(do=print_trace)
