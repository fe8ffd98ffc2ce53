"""`sre info`: what is in a model's file: networks, features, systems, thresholds, error rates, and where it is from.

sre info model.sre
sre info exp/mini/xvector/final.pt --json
"""

import argparse
import json
from pathlib import Path

from sre.cli.arguments import input_file


def add(commands: argparse._SubParsersAction, text: str) -> None:
    """Add the verb to the command line."""
    parser = commands.add_parser("info", help=text, description=__doc__)
    parser.add_argument("model", metavar="FILE", type=input_file, help="model.sre, or a training's final.pt")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print everything as JSON")
    parser.set_defaults(do=info)


def info(model: Path, as_json: bool = False) -> None:
    """Print it. The whole file is checked; raises SreError for what is wrong with it."""
    from sre.voices.facts import facts_of, page_of
    from sre.voices.model import package_of

    package = package_of(model, with_head=True)
    if as_json:
        print(json.dumps(facts_of(model, package), indent=1, sort_keys=True))
    else:
        print("\n".join(page_of(model, package)))
