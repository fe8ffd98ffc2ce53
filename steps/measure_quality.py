"""What calibration with quality measures is told of utterances: seconds of speech, and an estimate of the SNR.

e.g.: python -m steps.measure_quality data/mini_test data/mini_test/feats/fbank80/utt2num_frames utt2quality --snr

Seconds are those of the frames that networks see: of utt2num_frames or utt2num_voiced beside features, or of
utt2num_samples, by the config beside it and --features, which are made of them. OUT has lines `utterance seconds SNR`;
without --snr the SNR is nan.
"""

from sre.cli.arguments import Parser, input_file, input_folder, json_object, output_file, processes
from sre.cli.configs import audio_rules, config_argument
from sre.machine.log import run


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("data", type=input_folder, help="data directory, of whose utterances it is")
    counts = "utt2num_frames, utt2num_voiced or utt2num_samples, which may have more utterances"
    parser.add_argument("counts", type=input_file, help=counts)
    parser.add_argument("out", type=output_file, metavar="OUT", help="utt2quality")
    parser.add_argument("--snr", action="store_true", help="estimate the SNR from the sound of DATA")
    sound = "sample_rate (Hz), resample, channel, allow_pipes: a YAML, as a recipe's config.yaml, or JSON text"
    parser.add_argument("--audio", type=config_argument, metavar="CONFIG", help=sound)
    made = "resolved config of the features that are made of utt2num_samples, JSON text; without it their seconds count"
    parser.add_argument("--features", type=json_object, metavar="CONFIG", help=made)
    parser.add_argument("--num-workers", "--nj", type=processes, default=1, metavar="N", help="processes (default: 1)")
    args = parser.parse_args(argv)
    from sre.features.quality import measure

    rules = audio_rules(args.audio) if args.snr else None
    measure(args.data, args.counts, args.out, rules, args.num_workers, args.features)


if __name__ == "__main__":
    run(main)
