"""Embeddings from elsewhere, for the utterances of a data dir, in the project's form; others are left out and counted.

python -m steps.import_embeddings theirs/train.scp data/mine_train/utt2spk exp/mine_train.scp exp/mine_train.ark
"""

import numpy as np

from sre.cli.arguments import Parser, input_file, output_file
from sre.io.tables import read_utt2spk
from sre.machine.log import run, say


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("embeddings", type=input_file, help="scp or ark")
    parser.add_argument("utt2spk", type=input_file, help="the utterances that must be there")
    parser.add_argument("scp", type=output_file, help="scp to write")
    parser.add_argument("ark", type=output_file, help="ark to write")
    args = parser.parse_args(argv)
    from sre.io.ark import write_ark
    from sre.io.embeddings import Embeddings

    theirs, wanted = Embeddings.read([args.embeddings]), np.array(sorted(read_utt2spk(args.utt2spk)), dtype=object)
    vectors = theirs.vectors[theirs.rows(wanted, f"utterances of {args.utt2spk} in {args.embeddings}")]
    write_ark(args.ark, args.scp, zip(wanted, vectors, strict=True))
    left_out = len(theirs) - len(wanted)
    say(f"{args.scp}: {len(wanted)} embeddings of dimension {vectors.shape[1]}, {left_out} left out")


if __name__ == "__main__":
    run(main)
