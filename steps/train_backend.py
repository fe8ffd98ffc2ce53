"""Fit a back-end on training embeddings.

python -m steps.train_backend lda_plda --embeddings E.scp --utt2spk utt2spk plda.npz
python -m steps.train_backend '{"type": "plda", "chain": ["centre:adapt", "lda:128", "length_norm"],
    "adapt": {"method": "kaldi"}}' --embeddings E.scp --utt2spk utt2spk --adapt A.scp plda.npz
"""

import argparse
import json
from pathlib import Path

import numpy as np

from sre import SreError
from sre.backends import fit, save
from sre.backends.files import save_failure
from sre.config import BACKENDS, read_yaml, resolve_backend
from sre.io.tables import read_table
from sre.log import run, say
from steps.common import read_embeddings, schema, speakers_of


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="a YAML, JSON text, or the name of a built-in back-end")
    parser.add_argument(
        "--embeddings", action="append", required=True, type=Path, help="training embeddings, scp or ark"
    )
    parser.add_argument("--utt2spk", required=True, type=Path)
    parser.add_argument("--adapt", type=Path, help="embeddings of the target domain, for back-ends that adapt")
    parser.add_argument("--leave-out", type=Path, help="speakers not to fit on, one a line (of a development list)")
    parser.add_argument("--record-failure", action="store_true", help="what cannot be fitted becomes the report's row")
    parser.add_argument("backend", type=Path, help="the back-end file to write")
    args = parser.parse_args(argv)
    if args.config.lstrip().startswith("{"):
        given = json.loads(args.config)
    else:
        given = BACKENDS.get(args.config) or read_yaml(args.config)
    config = resolve_backend(schema(), given, "back-end config")
    ids, embeddings = read_embeddings(args.embeddings)
    speakers = speakers_of(ids, read_table(args.utt2spk), args.utt2spk)
    if args.leave_out:
        kept = ~np.isin(speakers, args.leave_out.read_text().split())
        embeddings, speakers = embeddings[kept], speakers[kept]
    adapt = read_embeddings([args.adapt])[1] if args.adapt else None
    try:
        backend = fit(config, embeddings, speakers, adapt)
    except (SreError, np.linalg.LinAlgError) as error:
        if not args.record_failure:
            raise
        say(f"cannot be fitted: {error}")
        save_failure(args.backend, str(error))
        return
    save(args.backend, backend)
    say(f"{args.backend}: " + ", ".join(f"{key} {value}" for key, value in backend.facts.items()))


if __name__ == "__main__":
    run(main)
