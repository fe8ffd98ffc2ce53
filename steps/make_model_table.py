"""The table of all models in docs/models.md, made anew from docs/models.yaml beside it.

e.g.: python -m steps.make_model_table docs/models.md --no-speed

For use by hand: no rule calls it.
"""

from sre.cli.arguments import Parser, input_file
from sre.cli.configs import schema
from sre.machine.log import run


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("page", type=input_file, metavar="PAGE", help="docs/models.md, with the marks of the table")
    parser.add_argument("--no-speed", action="store_false", dest="with_speed", help="leave the column of speeds empty")
    args = parser.parse_args(argv)
    from sre.models.table import write_table

    write_table(args.page, schema(), args.with_speed)


if __name__ == "__main__":
    run(main)
