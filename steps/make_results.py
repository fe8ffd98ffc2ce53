"""The numbers of a report as a small JSON that a recipe keeps, and the tables of its RESULTS.md made of such files.

e.g.: python -m steps.make_results exp/mini recipes/mini/results/mini.json --command "snakemake -j8"
      python -m steps.make_results --update recipes/mini/RESULTS.md

Without --command the file keeps the one that it has. In the Markdown, tables stand between `<!-- begin
results/mini.json -->` and `<!-- end results/mini.json -->`, with paths from its folder.
"""

import argparse
import json
from pathlib import Path

from sre import SreError
from sre.io.atomic import atomic_output
from sre.log import run, say
from sre.report import read_json
from sre.results import collect, rendered


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", type=Path, nargs="?", help="exp/<name>, with its report.tsv")
    parser.add_argument("out", type=Path, nargs="?", help="JSON")
    parser.add_argument("--command", help="the command line that makes the experiment")
    parser.add_argument("--update", type=Path, metavar="RESULTS.md", help="write its tables anew")
    args = parser.parse_args(argv)
    if bool(args.update) == bool(args.out):
        parser.error("give EXPERIMENT and OUT, or --update RESULTS.md")
    if args.update:
        update(args.update)
    else:
        make(args.experiment, args.out, args.command)


def make(experiment: Path, out: Path, command: str | None) -> None:
    if command is None and not out.is_file():
        raise SreError(f"{out}: --command is needed, the line that makes {experiment}")
    results = collect(experiment, read_json(out)["command"] if command is None else command)
    with atomic_output(out) as file:
        json.dump(results, file, indent=1, sort_keys=True, ensure_ascii=False)
        file.write("\n")
    say(f"{out}: {len(results['rows'])} rows on {len(results['lists'])} lists")


def update(path: Path) -> None:
    if not path.is_file():
        raise SreError(f"{path}: no such file; write it, with the two marks of each JSON")
    text = rendered(path.read_text(encoding="utf-8"), lambda name: read_json(path.parent / name))
    with atomic_output(path) as file:
        file.write(text)


if __name__ == "__main__":
    run(main)
