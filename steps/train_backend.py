"""Fit a back-end on training embeddings.

python -m steps.train_backend lda_plda --embeddings E.scp --utt2spk utt2spk plda.npz
python -m steps.train_backend '{"type": "plda", "chain": ["centre:adapt", "lda:128", "length_norm"],
    "adapt": {"method": "kaldi"}}' --embeddings E.scp --utt2spk utt2spk --adapt A.scp plda.npz
"""

import numpy as np

from sre import SreError
from sre.arguments import Parser, input_file, output_file
from sre.backends import fit, save
from sre.backends.files import save_failure
from sre.config import BACKENDS
from sre.io.tables import read_table
from sre.io.text import read_text
from sre.log import run, say, warn
from steps.common import read_embeddings, speakers_of
from steps.configs import backend_config, told


def main(argv: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("config", type=backend_config, help=f"a YAML, JSON text, or one of {', '.join(BACKENDS)}")
    parser.add_argument(
        "--embeddings", action="append", required=True, type=input_file, help="training embeddings, scp or ark"
    )
    parser.add_argument("--utt2spk", required=True, type=input_file, help="their speakers")
    parser.add_argument("--adapt", type=input_file, help="embeddings of the target domain, for back-ends that adapt")
    parser.add_argument(
        "--leave-out", type=input_file, help="speakers not to fit on, one a line (of a development list)"
    )
    parser.add_argument("--record-failure", action="store_true", help="what cannot be fitted becomes the report's row")
    parser.add_argument("backend", type=output_file, help="the back-end file to write")
    args = parser.parse_args(argv)
    ids, embeddings = read_embeddings(args.embeddings)
    speakers = speakers_of(ids, read_table(args.utt2spk), args.utt2spk)
    if args.leave_out:
        kept = ~np.isin(speakers, read_text(args.leave_out).split())
        embeddings, speakers = embeddings[kept], speakers[kept]
    adapt = read_embeddings([args.adapt])[1] if args.adapt else None
    try:
        backend = fit(args.config, embeddings, speakers, adapt)
    except (SreError, np.linalg.LinAlgError) as error:
        if not args.record_failure:
            raise
        warn(f"cannot be fitted: {error}")
        save_failure(args.backend, str(error))
        return
    save(args.backend, backend)
    say(f"{args.backend}: " + told(backend.facts))


if __name__ == "__main__":
    run(main)
