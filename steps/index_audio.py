"""How many samples each utterance of a data dir has; what cannot be decoded or used is rejected.

e.g.: python -m steps.index_audio data/mini_train data/mini_train/audio

All is decoded once, by all cores: a recording that is damaged in its middle would end a training that draws it.
Networks that are trained on audio, or embed it, read OUT/utt2num_samples where OUT is DATA/audio.
"""

from sre.cli.arguments import Parser, input_folder, output_folder
from sre.cli.configs import audio_rules, config_argument
from sre.machine.log import run
from steps.arguments import add_max_rejected


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("data", type=input_folder, help="data directory with wav.scp")
    parser.add_argument("out", type=output_folder, help="folder for utt2num_samples, config and rejected.tsv")
    sound = "sample_rate (Hz), resample, channel, allow_pipes: a YAML, as a recipe's config.yaml, or JSON text"
    parser.add_argument("--audio", type=config_argument, metavar="CONFIG", help=sound)
    headers = "read headers alone, and decode only what has no length there: fast, and damage is not found"
    parser.add_argument("--headers-only", action="store_true", help=headers)
    add_max_rejected(parser)
    args = parser.parse_args(argv)
    from sre.features.audio_index import write_index
    from sre.features.make_shards import read_checked

    rules, decode = audio_rules(args.audio), not args.headers_only
    write_index(read_checked(args.data), rules, args.out, args.max_rejected, decode)


if __name__ == "__main__":
    run(main)
