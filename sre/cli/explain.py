"""`sre explain`: what snakemake will run, why, and at what cost."""

import argparse

from sre.experiments.explain import explain


def add(commands: argparse._SubParsersAction, text: str) -> None:
    """A subcommand that leaves all it is given, options too, to Snakemake."""
    parser = commands.add_parser("explain", help=text, prefix_chars="\0", add_help=False)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="as snakemake takes them")
    parser.set_defaults(do=explain)
