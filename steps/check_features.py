"""The last gate before training: every utterance of every trial list has features.

e.g.: python -m steps.check_features data exp/mini/features_checked.json --train mini_train --list mini=mini_test \\
          --features fbank40

Features are those of DATA/<split>/feats/<features>.
"""

from sre.cli.arguments import Parser, output_file
from sre.machine.log import run, say
from steps.arguments import add_list_options, lists_of


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    add_list_options(parser)
    parser.add_argument("out", type=output_file, help="JSON of what was checked")
    named = "features; may be repeated"
    parser.add_argument("--features", action="append", required=True, metavar="NAME", help=named)
    args = parser.parse_args(argv)
    from sre.config.problems import Problems
    from sre.features.store import FeatureStore
    from sre.training.gate_checks import ListFiles, check_features, describe_features
    from sre.training.gate_files import FeaturesChecked

    data, lists = args.data, lists_of(args)
    trials = {name: {"split": item.split, "enroll": item.has_enroll_map} for name, item in lists.items()}
    job = {"train": args.train, "trials": trials, "features": args.features}
    problems = Problems()
    described = []
    for features in args.features:
        splits = {args.train, *(item.split for item in lists.values())}
        folders = {split: data / split / "feats" / features for split in sorted(splits)}
        stores = {split: FeatureStore(folder / "feats.scp") for split, folder in folders.items()}
        described += [describe_features(split, folder, stores[split]) for split, folder in folders.items()]
        for item in lists.values():
            problems.tried(check_features, ListFiles.of(item, data), stores[item.split])
    problems.end()
    FeaturesChecked(described, job).write(args.out)
    say(f"every utterance of {', '.join(lists)} has features")


if __name__ == "__main__":
    run(main)
