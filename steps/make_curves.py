"""How the trainings of an experiment went by epoch, as a small JSON that a recipe keeps, and the tables of its README.

e.g.: python -m steps.make_curves exp/mini recipes/mini/curves/mini.json --command "snakemake -j8 --until train"
      python -m steps.make_curves --update recipes/mini/README.md

Without --command the file keeps the one that it has. In the Markdown, the tables stand between
`<!-- begin curves mini.json -->` and `<!-- end curves mini.json -->`. Paths are from the page's folder.

For use by hand: no rule calls it.
"""

from pathlib import Path

from sre import SreError
from sre.cli.arguments import Parser, input_file, input_folder, output_file
from sre.io.atomic import atomic_output
from sre.io.text import read_object, read_text
from sre.machine.log import run, say


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("experiment", type=input_folder, nargs="?", help="exp/<name>, with trainings that are done")
    parser.add_argument("out", type=output_file, nargs="?", help="JSON to write")
    parser.add_argument("--command", help="the command line that makes the experiment")
    parser.add_argument("--update", type=input_file, metavar="PAGE.md", help="write its tables anew")
    args = parser.parse_args(argv)
    if bool(args.update) == bool(args.out):
        parser.error("give EXPERIMENT and OUT, or --update PAGE.md")
    if args.update:
        update(args.update)
    else:
        make(args.experiment, args.out, args.command)


def make(experiment: Path, out: Path, command: str | None) -> None:
    from sre.report.curves import collect

    if command is None and not out.is_file():
        raise SreError(f"{out}: --command is needed, the line that makes {experiment}")
    told = collect(experiment, read_object(out, {"command": str})["command"] if command is None else command)
    with atomic_output(out) as file:
        file.write(told.text())
    say(f"{out}: {', '.join(name for model in told.models.values() for name in model.runs)}")


def update(path: Path) -> None:
    from sre.report.curves import Curves, rendered

    text = rendered(read_text(path), lambda name: Curves.read(path.parent / name))
    with atomic_output(path) as file:
        file.write(text)


if __name__ == "__main__":
    run(main)
