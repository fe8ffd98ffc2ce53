"""The common body of make_fbank and make_mfcc, and --shard and --join, by which Snakemake runs them in parts."""

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch

from sre import SreError
from sre.config import canonical
from sre.features.job import import_features, make_features
from sre.io.atomic import atomic_output
from sre.io.datadir import read_data_dir, read_rejected_rows, write_rejected
from sre.io.shards import check_complete, join_keys, join_tables
from steps.common import audio_config, feature_config, parse_shard, shard_of


def make(kind: str, doc: str, argv: list[str] | None) -> None:
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "data", type=Path, help="data directory; needs only wav.scp (or feats.scp, which is taken over)"
    )
    parser.add_argument("out", type=Path, help="folder for feats.scp and what belongs to it")
    parser.add_argument("--config", help="a YAML of options, or the resolved config as JSON text")
    parser.add_argument("--num-workers", type=int, default=1, help="processes, and archives")
    parser.add_argument("--audio", help="JSON text of the recipe's audio section")
    parser.add_argument("--shard", type=parse_shard, help="K/N: make only the K-th of N archives")
    parser.add_argument("--join", type=int, metavar="N", help="join N archives that --shard made")
    parser.add_argument("--max-rejected", type=float, default=0.01, help="share of the utterances")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)  # parallel by shards: the bytes do not depend on the cores
    audio = audio_config(args.audio)
    config = feature_config(kind, args.config, audio["sample_rate"])
    data = read_data_dir(args.data, need_speakers=False)
    if data.wav is None:
        import_features(data, {"cmn": config["cmn"], "cmn_window": config["cmn_window"]}, args.out)
        return
    run_shard = partial(_shard, data, config, audio, args.out)
    if args.shard:
        run_shard(*args.shard)
        return
    shards = args.join or args.num_workers
    if not args.join:
        with ProcessPoolExecutor(shards, mp_context=get_context("spawn")) as pool:
            list(pool.map(run_shard, range(1, shards + 1), [shards] * shards))
    _join(data, config, args.out, shards, args.max_rejected)


def _shard(data, config: dict, audio: dict, out: Path, number: int, of: int) -> None:
    torch.set_num_threads(1)
    make_features(data, shard_of(data.utts, (number, of)), config, audio, out, f".{number}")


def _join(data, config: dict, out: Path, shards: int, max_rejected: float) -> None:
    parts = range(1, shards + 1)
    rows = [row for part in parts for row in read_rejected_rows(out / f"rejected.{part}.tsv")]
    write_rejected(out / "rejected.tsv", rows, len(data.utts), "utterances", max_rejected)
    if len(rows) == len(data.utts):
        raise SreError(f"{out}: no utterance gave features; see rejected.tsv there")
    join_tables([out / f"utt2num_frames.{part}" for part in parts], out / "utt2num_frames")
    with atomic_output(out / "config") as file:
        file.write(canonical(config) + "\n")
    shard_scps = [out / f"feats.{part}.scp" for part in parts]
    check_complete(out / "feats.scp", join_keys(shard_scps), data.utts, {row[0] for row in rows})
    join_tables(shard_scps, out / "feats.scp")
