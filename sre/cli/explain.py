"""`sre explain`: what snakemake will run, why, and at what cost.

sre explain
sre explain --until train --config recipe=librispeech corpus=/data/LibriSpeech

It takes the arguments that snakemake takes, and runs nothing. Relative paths start at the project's root.
"Last time" is what the records of the same jobs (log/*.json) and train_summary.json have measured.
"""

import argparse
from collections.abc import Sequence


def print_plan(arguments: Sequence[str]) -> None:
    """Print what Snakemake will run. Raises SreError with Snakemake's own sentence where it fails."""
    if {"-h", "--help"} & {*arguments}:
        print(f"usage: sre explain [as snakemake]\n\n{__doc__}", end="")
        return
    from sre.experiments.explain import explain

    print("\n".join(explain(arguments)))


def add(commands: argparse._SubParsersAction, text: str) -> None:
    """A subcommand that leaves all it is given, options too, to Snakemake."""
    parser = commands.add_parser("explain", help=text, prefix_chars="\0", add_help=False)
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="as snakemake takes them")
    parser.set_defaults(do=print_plan)
