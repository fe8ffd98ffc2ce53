"""`sre data`: look after Kaldi data directories; the actions are in the modules that are named here."""

import argparse
from collections.abc import Callable
from importlib import import_module

MODULES = (  # of this room; each has add_actions(action)
    "data_check",
    "data_parts",
    "data_trials",
    "data_sound",
    "data_import",
    "data_convert",
)
Action = Callable[[str, Callable[..., None], str], argparse.ArgumentParser]


def add(commands: argparse._SubParsersAction, text: str) -> None:
    """Add the verb `data` with the actions of all modules.

    A module's `add_actions(action)` calls `action(name, do, help)` for each, and adds arguments to what that returns.
    """
    data = commands.add_parser("data", help=text)
    actions = data.add_subparsers(dest="_action", metavar="ACTION", required=True)

    def action(name: str, do: Callable[..., None], text: str) -> argparse.ArgumentParser:
        parser = actions.add_parser(name, help=text, description=text)
        parser.set_defaults(do=do)
        return parser

    for module in MODULES:
        import_module(f"sre.cli.{module}").add_actions(action)
