"""How the trainings of an experiment went by epoch, as a small JSON that a recipe keeps, and the tables of its README.

e.g.: python -m steps.make_curves exp/mini recipes/mini/curves/mini.json --command "snakemake -j8 --until train"
      python -m steps.make_curves --update recipes/mini/README.md

Without --command the file keeps the one that it has. In the Markdown, the tables stand between
`<!-- begin curves mini.json -->` and `<!-- end curves mini.json -->`. Paths are from the page's folder.

For use by hand: no rule calls it.
"""

from pathlib import Path

from sre.cli.pages import keep_numbers
from sre.io.atomic import atomic_output
from sre.io.text import read_text
from sre.machine.log import run


def main(argv: list[str] | None = None) -> None:
    keep_numbers(argv, __doc__, "trainings that are done", make, updated)


def make(experiment: Path, out: Path, command: str) -> str:
    from sre.report.curves import collect

    told = collect(experiment, command)
    with atomic_output(out) as file:
        file.write(told.text())
    return ", ".join(name for model in told.models.values() for name in model.runs)


def updated(page: Path) -> str:
    from sre.report.curves import Curves, rendered

    return rendered(read_text(page), lambda name: Curves.read(page.parent / name))


if __name__ == "__main__":
    run(main)
