"""A data directory of the same utterances, each cut to a length from its middle; shorter ones stay whole.

e.g.: python -m steps.cut_utterances data/mini_test data/mini_test_2s --seconds 2

The utterances keep their ids, so that the trials are the same. They become segments; no sound is copied.
"""

from sre.cli.arguments import Parser, input_folder, number, output_folder
from sre.cli.configs import audio_rules, config_argument
from sre.machine.log import run


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("data", type=input_folder, help="data directory with sound")
    parser.add_argument("out", type=output_folder, metavar="OUT_DIR", help="data directory to write")
    parser.add_argument("--seconds", type=number(1e-3, 1e6), required=True, metavar="S", help="length of each piece")
    sound = "sample_rate (Hz), resample, channel, allow_pipes: a YAML, as a recipe's config.yaml, or JSON text"
    parser.add_argument("--audio", type=config_argument, metavar="CONFIG", help=sound)
    args = parser.parse_args(argv)
    from sre.datadir.cut import cut_utterances

    cut_utterances(args.data, args.out, args.seconds, audio_rules(args.audio))


if __name__ == "__main__":
    run(main)
