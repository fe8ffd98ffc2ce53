"""Join the shards of one split's embeddings under one scp, and check that none is missing.

python -m steps.join_embeddings embeddings.1.scp embeddings.2.scp data/mini_test/feats/fbank40/feats.scp mini_test.scp
"""

from collections.abc import Collection

from sre.cli.arguments import Parser, input_file, output_file
from sre.datadir.rejected import rejected_in
from sre.io.scp import read_scp
from sre.io.shards import check_complete, join_keys, join_tables
from sre.machine.log import run


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("shards", type=input_file, nargs="+", help="their scps, in order")
    whose = "feats.scp, or audio/utt2num_samples: the utterances that must be there"
    parser.add_argument("feats", type=input_file, help=whose)
    parser.add_argument("out", type=output_file, help="scp to write")
    of = "FEATS are embeddings, which the network reads"
    parser.add_argument("--of-embeddings", action="store_true", help=of)
    args = parser.parse_args(argv)
    from sre.features.audio_index import COUNTS, AudioIndex
    from sre.features.store import FeatureStore

    if args.of_embeddings:
        utts: Collection[str] = read_scp(args.feats)
    else:
        utts = (AudioIndex(args.feats.parent) if args.feats.name == COUNTS else FeatureStore(args.feats)).places
    rejected = {row[0] for part in args.shards for row in rejected_in(part.parent, [f"{part.stem}.rejected.tsv"])}
    check_complete(args.out, join_keys(args.shards), utts, rejected, args.feats)
    join_tables(args.shards, args.out)


if __name__ == "__main__":
    run(main)
