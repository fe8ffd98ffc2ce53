"""The numbers of a report as a small JSON that a recipe keeps, and the tables of its pages made of such files.

e.g.: python -m steps.make_results exp/mini recipes/mini/results/mini.json --command "snakemake -j8"
      python -m steps.make_results --update recipes/custom/RESULTS.md

Without --command the file keeps the one that it has. In the Markdown, all numbers of an experiment stand between
`<!-- begin mini.json -->` and `<!-- end mini.json -->`. A table with a line for each list of several experiments stands
between `<!-- begin summary a.json b.json -->` and its end of the same words. Paths are from the page's folder.

For use by hand: no rule calls it.
"""

from pathlib import Path

from sre import SreError
from sre.cli.arguments import Parser, input_file, input_folder, output_file
from sre.io.atomic import atomic_output, write_json
from sre.io.text import read_object, read_text
from sre.machine.log import run, say


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("experiment", type=input_folder, nargs="?", help="exp/<name>, with its report.tsv")
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
    from sre.report.published import collect

    if command is None and not out.is_file():
        raise SreError(f"{out}: --command is needed, the line that makes {experiment}")
    results = collect(experiment, read_object(out, {"command": str})["command"] if command is None else command)
    write_json(out, results, end="\n", ensure_ascii=False)
    say(f"{out}: {len(results['rows'])} rows on {len(results['lists'])} lists")


def update(path: Path) -> None:
    from sre.report.published import rendered

    text = rendered(read_text(path), lambda name: read_object(path.parent / name))
    with atomic_output(path) as file:
        file.write(text)


if __name__ == "__main__":
    run(main)
