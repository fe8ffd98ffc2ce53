"""A data directory of the stretches of speech in another one's utterances: wav.scp and segments; no sound is copied.

e.g.: python -m steps.segment_speech data/calls data/calls_speech --vad '{"type": "silero"}' --num-workers 8
      python -m steps.segment_speech data/calls data/calls_speech --min-silence 0.5

Utterances without speech, or whose sound cannot be used, are in OUT/rejected.tsv. For use by hand: no rule calls it.
"""

from sre.cli.arguments import Parser, input_folder, number, output_folder, processes
from sre.cli.configs import audio_rules, config_argument, vad_config
from sre.machine.log import run
from steps.arguments import add_max_rejected


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("data", type=input_folder, help="data directory; needs only wav.scp")
    parser.add_argument(
        "out", type=output_folder, help="data directory to write; an id is that of the utterance, with times"
    )
    taken = "a YAML of VAD options, JSON text, or the config of features with a VAD (default: energy)"
    parser.add_argument("--vad", "--config", type=config_argument, metavar="CONFIG", help=taken)
    sound = "sample_rate (Hz), resample, channel, allow_pipes: a YAML, as a recipe's config.yaml, or JSON text"
    parser.add_argument("--audio", type=config_argument, metavar="CONFIG", help=sound)
    seconds = number(0, 3600)
    least = "speech that is not longer is none (default: the VAD's, 0.25)"
    parser.add_argument("--min-speech", type=seconds, metavar="SECONDS", dest="min_speech_s", help=least)
    pause = "a shorter pause does not end speech (default: the VAD's, 0.1)"
    parser.add_argument("--min-silence", type=seconds, metavar="SECONDS", dest="min_silence_s", help=pause)
    pad = "what is added on both sides (default: the VAD's, 0.03)"
    parser.add_argument("--pad", type=seconds, metavar="SECONDS", dest="pad_s", help=pad)
    parser.add_argument("--num-workers", "--nj", type=processes, default=1, metavar="N", help="processes that listen")
    add_max_rejected(parser)
    args = parser.parse_args(argv)
    from sre.datadir.datadir import read_data_dir
    from sre.features.segmentation import LENGTHS, segment_speech

    rules = audio_rules(args.audio)
    lengths = {key: value for key in LENGTHS if (value := getattr(args, key)) is not None}
    data = read_data_dir(args.data, need_speakers=False, every_table=True)
    segment_speech(data, args.out, vad_config(args.vad), rules, lengths, args.num_workers, args.max_rejected)


if __name__ == "__main__":
    run(main)
