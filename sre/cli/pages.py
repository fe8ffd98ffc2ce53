"""The command line of what keeps an experiment's numbers in a recipe: as a small JSON, and as tables of a page."""

from collections.abc import Callable
from pathlib import Path

from sre import SreError
from sre.cli.arguments import Parser, input_file, input_folder, output_file
from sre.io.atomic import atomic_output
from sre.io.text import read_object
from sre.machine.log import say


def keep_numbers(
    argv: list[str] | None,
    description: str | None,
    needed: str,
    make: Callable[[Path, Path, str], str],
    update: Callable[[Path], str],
) -> None:
    """Write the JSON of an experiment, or the tables of a page, as a command line says.

    needed : what the experiment has to have
    make : writes the JSON of an experiment and the command that makes it; returns what there is in it
    update : returns the text of a page with its tables made anew
    Raises SreError where nobody tells the command.
    """
    parser = Parser(description=description)
    parser.add_argument("experiment", type=input_folder, nargs="?", help=f"exp/<name>, with {needed}")
    parser.add_argument("out", type=output_file, nargs="?", help="JSON to write")
    parser.add_argument("--command", help="the command line that makes the experiment")
    parser.add_argument("--update", type=input_file, metavar="PAGE.md", help="write its tables anew")
    args = parser.parse_args(argv)
    if bool(args.update) == bool(args.out):
        parser.error("give EXPERIMENT and OUT, or --update PAGE.md")
    if args.update:
        text = update(args.update)
        with atomic_output(args.update) as file:
            file.write(text)
        return
    out, command = args.out, args.command
    if command is None and not out.is_file():
        raise SreError(f"{out}: --command is needed, the line that makes {args.experiment}")
    command = read_object(out, {"command": str})["command"] if command is None else command
    say(f"{out}: {make(args.experiment, out, command)}")
