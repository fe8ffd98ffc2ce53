"""A trial list of a data directory, as recipe custom makes one; `sre data trials` for people.

python -m local.make_trials data/mine_eval data/trials/mine_trials --per-speaker 200 --nontargets 10
"""

from sre.cli.arguments import Parser
from sre.cli.data_trials import add_arguments, make_trial_list
from sre.machine.log import run


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    add_arguments(parser)
    make_trial_list(**vars(parser.parse_args(argv)))


if __name__ == "__main__":
    run(main)
