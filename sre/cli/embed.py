"""`sre embed`: the embedding of every recording of what is given, by one loading of the model.

sre embed model.sre a.wav b.flac --out voices.npz          # names, vectors (N, D), speech_s, snr_db
sre embed model.sre /data/calls --out voices.parquet       # every audio file in a folder
sre embed model.sre list.txt --out voices.ark              # lines `path` or `id path`; voices.scp comes beside it
sre embed model.sre manifest.json --out voices.npz         # the recordings of a NeMo manifest
sre embed exp/mini/xvector/final.pt data/mini_test --out test.ark    # a data directory
sre embed exp/ko/dvector/final.pt feats/ann.npy --out ann.npz    # features, for a network on features from elsewhere

What cannot be used is listed in OUT.rejected.tsv, with its reason.
"""

import argparse
import json
from argparse import ArgumentTypeError
from pathlib import Path

from sre import SreError
from sre.cli.arguments import channel, input_file, output_file, processes, share

ENDINGS = (".ark", ".npz", ".parquet")


def add(commands: argparse._SubParsersAction, text: str) -> None:
    """Add the verb to the command line."""
    parser = commands.add_parser("embed", help=text, description=__doc__)
    parser.add_argument("model", metavar="MODEL", type=input_file, help="model.sre, or a training's final.pt")
    kinds = "audio files, folders of them, lists or manifests of them, data directories"
    parser.add_argument("recordings", metavar="RECORDINGS", nargs="+", help=kinds)
    forms = "file to write: .ark (and .scp), .npz or .parquet"
    parser.add_argument("--out", metavar="FILE", type=embeddings_file, required=True, help=forms)
    bad = "share of the recordings that may be rejected; a few may always be, none at 0 (default: 0.01)"
    parser.add_argument("--max-rejected", type=share, default=0.01, metavar="SHARE", help=bad)
    parser.add_argument("--json", action="store_true", dest="as_json", help="print a summary as JSON")
    add_listening_options(parser)
    parser.set_defaults(do=embed)


def embeddings_file(text: str) -> Path:
    """A file whose ending tells how embeddings are written; the type of an argument."""
    path = output_file(text)
    if path.suffix not in ENDINGS:
        raise ArgumentTypeError(f"{text}: what to write is told by the ending; give one of {', '.join(ENDINGS)}")
    return path


def add_listening_options(parser: argparse.ArgumentParser) -> None:
    """Add what verbs share that load a model and read audio: --channel, --device, --threads."""
    several = "of recordings with several channels: one, from 0 on, or their mean; without it they are not taken"
    parser.add_argument("--channel", type=channel, metavar="N|mix", help=several)
    where = "where it runs; auto: a GPU if there is one (default: auto)"
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"), help=where)
    threads = "threads of the CPU; with 1, the default, an embedding has the bytes that a recipe's extraction gives it"
    parser.add_argument("--threads", type=processes, default=1, metavar="N", help=threads)


def embed(
    model: Path,
    recordings: list[str],
    out: Path,
    max_rejected: float,
    as_json: bool,
    channel: str | None,
    device: str,
    threads: int,
) -> None:
    """Write the embeddings. Raises SreError where nothing can be embedded, or too much cannot."""
    from sre.extraction.sources import judge_rejected
    from sre.machine.device import choose_device, prepare
    from sre.machine.log import Progress
    from sre.voices.model import load
    from sre.voices.sources import check_ark_ids, embedded, named_recordings, write_embeddings

    on = choose_device(device)
    prepare(on, threads)
    loaded = load(model, on)
    named = named_recordings(recordings, loaded)
    if out.suffix == ".ark":  # now, and not when all are embedded
        check_ark_ids(out, named.files)
    progress = Progress("embed", named.total, "recordings", at_most=True)
    found = []
    for one in embedded(loaded, named, channel):
        found.append(one)
        progress.add(1)
    table = out.with_name(f"{out.name}.rejected.tsv")
    judge_rejected(table, named.rejected, named.total, max_rejected)
    if not found:
        raise SreError("no recording was found; give audio files, a folder or list of them, or a data directory")
    write_embeddings(out, found)
    progress.close(f"({len(named.rejected)} rejected)" if named.rejected else "")
    speech = sum(float(one.qualities["speech_s"].sum()) for _, one in found)
    if as_json:
        told = {"embedded": len(found), "rejected": len(named.rejected), "dimension": loaded.dimension}
        print(
            json.dumps(told | {"speech_s": round(speech, 3), "out": str(out), "model_sha256": loaded.embedding_sha256})
        )
    else:
        print(f"{out}: {len(found)} embeddings of {loaded.dimension} values, of {speech:.1f} s of speech")
