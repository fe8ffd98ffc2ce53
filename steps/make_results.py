"""The numbers of a report as a small JSON that a recipe keeps, and the tables of its pages made of such files.

e.g.: python -m steps.make_results exp/mini recipes/mini/results/mini.json --command "snakemake -j8"
      python -m steps.make_results --update recipes/custom/RESULTS.md

Without --command the file keeps the one that it has. In the Markdown, all numbers of an experiment stand between
`<!-- begin mini.json -->` and `<!-- end mini.json -->`. A table with a line for each list of several experiments stands
between `<!-- begin summary a.json b.json -->` and its end of the same words. Paths are from the page's folder.

For use by hand: no rule calls it.
"""

from pathlib import Path

from sre.cli.pages import keep_numbers
from sre.io.atomic import write_json
from sre.io.text import read_object, read_text
from sre.machine.log import run


def main(argv: list[str] | None = None) -> None:
    keep_numbers(argv, __doc__, "its report.tsv", make, updated)


def make(experiment: Path, out: Path, command: str) -> str:
    from sre.report.published import collect

    results = collect(experiment, command)
    write_json(out, results, end="\n", ensure_ascii=False)
    return f"{len(results['rows'])} rows on {len(results['lists'])} lists"


def updated(page: Path) -> str:
    from sre.report.published import rendered

    return rendered(read_text(page), lambda name: read_object(page.parent / name))


if __name__ == "__main__":
    run(main)
