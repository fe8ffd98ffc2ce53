"""The last gate before training: every utterance of every trial list has features, or audio.

e.g.: python -m steps.check_features data exp/mini/features_checked.json --train mini_train --list mini=mini_test \\
          --features fbank40

Features are those of DATA/<split>/feats/<features>, the index of audio is DATA/<split>/audio.
"""

from sre.cli.arguments import Parser, output_file
from sre.machine.log import run, say
from steps.arguments import add_list_options, lists_of


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    add_list_options(parser)
    parser.add_argument("out", type=output_file, help="JSON of what was checked")
    named = "features; may be repeated"
    parser.add_argument("--features", action="append", default=[], metavar="NAME", help=named)
    parser.add_argument("--audio", action="store_true", help="networks read the audio of these splits")
    args = parser.parse_args(argv)
    if not (args.features or args.audio):
        parser.error("nothing to check: give --features NAME, --audio or both")
    from sre.config.problems import Problems
    from sre.features.audio_index import AudioIndex
    from sre.features.store import FeatureStore
    from sre.training.gate_checks import ListFiles, check_features, describe_features, summary_of
    from sre.training.gate_files import FeaturesChecked

    data, lists = args.data, lists_of(args)
    trials = {name: {"split": item.split, "enroll": item.has_enroll_map} for name, item in lists.items()}
    job = {"train": args.train, "trials": trials, "features": args.features}
    splits = sorted({args.train, *(item.split for item in lists.values())})
    kinds: list[dict[str, FeatureStore | AudioIndex]] = []
    kinds += [{name: FeatureStore(data / name / "feats" / f / "feats.scp") for name in splits} for f in args.features]
    kinds += [{name: AudioIndex(data / name / "audio") for name in splits} for _ in range(args.audio)]
    problems = Problems()
    described = []
    for stores in kinds:
        described += [describe_features(split, store.scp.parent, store) for split, store in stores.items()]
        for item in lists.values():
            problems.tried(check_features, ListFiles.of(item, data), stores[item.split])
    problems.end()
    FeaturesChecked(described, job).write(args.out)
    say(f"every utterance of {', '.join(lists)} has features")
    say(summary_of(described, args.train))


if __name__ == "__main__":
    run(main)
