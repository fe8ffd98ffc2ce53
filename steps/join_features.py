"""Join the archives that N runs of make_features --shard K/N made under one feats.scp, and check that none is missing.

e.g.: python -m steps.join_features data/mini_train data/mini_train/feats/fbank80 --num-shards 2
"""

from sre.cli.arguments import Parser, input_folder, processes
from sre.cli.configs import feature_config
from sre.machine.log import run
from steps.arguments import add_feature_config, add_max_rejected


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("data", type=input_folder, help="data directory")
    parser.add_argument("out", type=input_folder, help="folder with the shards' tables, for feats.scp")
    parser.add_argument("--num-shards", type=processes, required=True, metavar="N", help="how many there are")
    add_feature_config(parser, "that the shards were made with; it becomes OUT/config")
    add_max_rejected(parser)
    args = parser.parse_args(argv)
    from sre.features.make_shards import join_shards, read_checked

    config = feature_config(args.type, args.config, None)
    join_shards(read_checked(args.data), config, args.out, args.num_shards, args.max_rejected)


if __name__ == "__main__":
    run(main)
