"""A copy of a data directory with distorted sound: noise, rooms, codecs; labels and VAD are those of the original.

e.g.: python -m steps.copy_distorted data/train data/train_noise --distort noise.yaml --noises data/musan

The sound is written as FLAC files under OUT/audio, one an utterance. What is drawn depends on the seed, the suffix and
the id of the utterance alone. The same command goes on after a kill.
"""

from sre.cli.arguments import Parser, input_folder, output_folder, processes, seed
from sre.cli.configs import audio_rules, config_argument, distort_config
from sre.machine.log import run
from steps.arguments import add_max_rejected


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("data", type=input_folder, help="data directory with wav.scp and utt2spk")
    parser.add_argument("out", type=output_folder, help="data directory to write")
    steps = "a YAML or JSON text with distort: [...] (docs/augmentation.md), or a model's YAML with augment.distort"
    parser.add_argument("--distort", type=config_argument, required=True, metavar="CONFIG", help=steps)
    made = "data directory that local.prepare_{} has made"
    parser.add_argument("--noises", type=input_folder, metavar="DIR", help=made.format("musan"))
    parser.add_argument("--rooms", type=input_folder, metavar="DIR", help=made.format("rirs"))
    parser.add_argument("--seed", type=seed, default=1, metavar="N", help="of all draws (default: 1)")
    ids = "appended to the utterance ids, e.g. --suffix=-noise (default: the ids stay as they are)"
    parser.add_argument("--suffix", default="", help=ids)
    sound = "sample_rate (Hz), resample, channel, allow_pipes: a YAML, as a recipe's config.yaml, or JSON text"
    parser.add_argument("--audio", type=config_argument, metavar="CONFIG", help=sound)
    parser.add_argument("--num-workers", "--nj", type=processes, default=1, metavar="N", help="processes (default: 1)")
    add_max_rejected(parser)
    args = parser.parse_args(argv)
    from sre.augment.copies import Copying, copy_distorted
    from sre.augment.distorter import Distorter
    from sre.augment.manifest import Manifest
    from sre.augment.options import steps_of
    from sre.datadir.datadir import read_data_dir
    from sre.io.ids import check_ids

    if args.suffix:
        check_ids("--suffix", [args.suffix], "suffix")
    rules = audio_rules(args.audio)
    noises, rooms = (Manifest(folder) if folder else None for folder in (args.noises, args.rooms))
    distorter = Distorter(steps_of(distort_config(args.distort)), noises, rooms, rules.sample_rate)
    data = read_data_dir(args.data, every_table=True)
    copy_distorted(
        Copying(data, args.out, distorter, rules, args.seed, args.suffix), args.num_workers, args.max_rejected
    )


if __name__ == "__main__":
    run(main)
