"""A trial list, or an enrolment map, under another name: the same trials of utterances in another condition.

e.g.: python -m steps.copy_trials data/trials/mini data/trials/mini_2s
"""

from sre.cli.arguments import Parser, input_file, output_file
from sre.machine.log import run


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("trials", type=input_file, help="trial list or enrolment map")
    parser.add_argument("out", type=output_file, help="copy to write")
    args = parser.parse_args(argv)
    from sre.io.atomic import atomic_output

    with atomic_output(args.out, "wb") as file:
        file.write(args.trials.read_bytes())


if __name__ == "__main__":
    run(main)
