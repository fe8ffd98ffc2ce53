"""The table of all models in docs/models.md, made anew from docs/models.yaml beside it.

python -m steps.make_model_table docs/models.md --no-speed
"""

from sre.cli.arguments import Parser, input_file
from sre.cli.given import schema
from sre.machine import log
from sre.models.table import BEGIN, END, write_table


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("page", type=input_file, metavar="PAGE", help=f"with the lines {BEGIN}and {END}")
    parser.add_argument("--no-speed", action="store_false", dest="with_speed", help="leave the column of speeds empty")
    args = parser.parse_args(argv)
    write_table(args.page, schema(), args.with_speed)


if __name__ == "__main__":
    log.run(main)
