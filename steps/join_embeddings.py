"""Join the shards of one split's embeddings under one scp, and check that none is missing.

python -m steps.join_embeddings embeddings.1.scp embeddings.2.scp data/mini_test/feats/fbank40/feats.scp mini_test.scp
"""

import argparse
from pathlib import Path

from sre.io.feats import FeatureStore
from sre.io.shards import check_complete, join_keys, join_tables
from sre.log import run


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path, nargs="+")
    parser.add_argument("feats", type=Path, help="feats.scp: the utterances that must be there")
    parser.add_argument("out", type=Path)
    args = parser.parse_args(argv)
    check_complete(args.out, join_keys(args.shards), FeatureStore(args.feats).places)
    join_tables(args.shards, args.out)


if __name__ == "__main__":
    run(main)
