"""The gates before training; what they saw goes into GATES.json, which the report shows.

e.g.: python -m steps.check_recipe data exp/mini/gates.json --train mini_train --list mini=mini_test

Looks at ids, labels and models of the lists, at speakers who are in training and in test, also in the training of a
network that is given, and at the room on the disk.
"""

from sre.cli.arguments import Parser, output_file, whole
from sre.cli.configs import feature_config
from sre.machine.log import run, say
from steps.arguments import add_list_options, lists_of, named_config, named_file


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    add_list_options(parser)
    parser.add_argument("out", type=output_file, help="GATES.json")
    parser.add_argument("--adapt", metavar="SPLIT", help="folder of DATA that back-ends are adapted on")
    more = "split of other utterances of the speakers of --train"
    parser.add_argument("--unheard", metavar="SPLIT", help=more)
    parts = "folder of DATA that the splits are parts of; what it lost is told too"
    parser.add_argument("--source", metavar="FOLDER", help=parts)
    made = "features to be made: a YAML or JSON text; may be repeated"
    parser.add_argument("--features", type=named_config, action="append", default=[], metavar="NAME=CONFIG", help=made)
    parser.add_argument("--checkpoints", type=whole(), default=0, metavar="N", help="to be written (default: 0)")
    copy = "distorted copy of the training split, to be made; may be repeated"
    parser.add_argument("--copy", action="append", default=[], metavar="SPLIT", help=copy)
    before = "a network that was trained before, and may have heard speakers of the lists; may be repeated"
    parser.add_argument("--bundle", type=named_file, action="append", default=[], metavar="NAME=FINAL.PT", help=before)
    noted = "a sentence for the report; may be repeated"
    parser.add_argument("--note", action="append", default=[], metavar="TEXT", help=noted)
    args = parser.parse_args(argv)
    from sre.config.problems import Problems
    from sre.training.gate_checks import (
        ListFiles,
        check_disk,
        check_overlap,
        check_tables,
        check_trials,
        describe_split,
    )
    from sre.training.gate_files import Gates
    from sre.training.heard import check_bundles

    data, lists = args.data, lists_of(args)
    features = {name: feature_config(given.content.get("type", "fbank"), given) for name, given in args.features}
    train = data / args.train
    splits = {item.split: data / item.split for item in lists.values() if item.split != args.train}
    others = {args.adapt: data / args.adapt} if args.adapt else {}
    apart = {args.unheard: data / args.unheard} if args.unheard else {}
    copies = dict.fromkeys(args.copy, args.train)
    problems = Problems()
    counts = {}

    for folder in (train, *others.values()):
        problems.tried(check_overlap, folder, splits)
    for folder in {train, *splits.values(), *others.values(), *apart.values()}:
        problems.tried(check_tables, folder)
    for name, item in lists.items():
        if found := problems.tried(check_trials, ListFiles.of(item, data)):
            counts[name] = found
    notes = check_bundles(dict(args.bundle), [ListFiles.of(lists[name], data) for name in counts], train, problems)
    problems.tried(check_disk, data, {args.train, *splits, *others, *apart}, features, args.checkpoints, copies)
    problems.end()
    source = [data / args.source] if args.source and (data / args.source / "utt2spk").is_file() else []
    folders = [*source, train, *(folder for _, folder in sorted({**splits, **others, **apart}.items()))]
    Gates([*args.note, *notes], [describe_split(folder) for folder in folders], counts).write(args.out)
    for note in (*args.note, *notes):
        say(note)
    say(f"gates passed: {len(counts)} trial lists, no speaker of {', '.join(splits)} in {train.name}")


if __name__ == "__main__":
    run(main)
