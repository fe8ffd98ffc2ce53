"""Fit a back-end on training embeddings.

python -m steps.train_backend '{"type": "plda", "lda_dim": 128}' --embeddings E.scp --utt2spk utt2spk plda.npz
"""

import argparse
import json
from pathlib import Path

import numpy as np

from sre import SreError
from sre.backends import fit, save
from sre.backends.files import save_failure
from sre.config import BACKENDS, read_yaml
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
    parser.add_argument("--record-failure", action="store_true", help="what cannot be fitted becomes the report's row")
    parser.add_argument("backend", type=Path, help="the back-end file to write")
    args = parser.parse_args(argv)
    if args.config.lstrip().startswith("{"):
        given = json.loads(args.config)
    else:
        given = BACKENDS.get(args.config) or read_yaml(args.config)
    config = schema().check(given, "back-end config", "$defs", "backend")
    ids, embeddings = read_embeddings(args.embeddings)
    speakers = speakers_of(ids, read_table(args.utt2spk), args.utt2spk)
    try:
        backend = fit(config, embeddings, speakers)
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
