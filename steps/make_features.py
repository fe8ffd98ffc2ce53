"""The common body of make_fbank and make_mfcc, and --shard and --join, by which Snakemake runs them in parts."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch

from sre import SreError
from sre.cli.arguments import Parser, input_folder, json_object, output_folder, processes, shard, share
from sre.cli.given import DEFAULT_FEATURES, audio_config, config_argument, feature_config, told
from sre.datadir.datadir import DataDir, read_data_dir, read_rejected_rows, write_rejected
from sre.datadir.missing import check_promised
from sre.features.make import import_features, make_features
from sre.io.atomic import atomic_output
from sre.io.audio import AudioRules
from sre.io.shards import check_complete, join_keys, join_tables, shard_of
from sre.io.text import canonical


def make(kind: str, doc: str, argv: list[str] | None) -> None:
    defaults = (
        f"Without --config: {told(DEFAULT_FEATURES[kind])}; with it, the defaults that recipes/config.schema.yaml has."
    )
    parser = Parser(description=doc, epilog=f"{defaults} OUT/config has all of them.")
    taken = "data directory; needs only wav.scp (or feats.scp, which is taken over)"
    parser.add_argument("data", type=input_folder, help=taken)
    parser.add_argument("out", type=output_folder, help="folder for feats.scp and what belongs to it")
    options = "a YAML of options, JSON text, the config beside other features, or the final.pt that is to take these"
    parser.add_argument("--config", f"--{kind}-config", type=config_argument, metavar="CONFIG", help=options)
    parser.add_argument("--num-workers", "--nj", type=processes, default=1, metavar="N", help="processes, and archives")
    audio_options = 'the recipe\'s audio section as JSON text, e.g. \'{"sample_rate": 8000, "resample": true}\''
    parser.add_argument("--audio", type=json_object, default={}, metavar="JSON", help=audio_options)
    parser.add_argument("--shard", type=shard, metavar="K/N", help="make only the K-th of N archives")
    parser.add_argument("--join", type=processes, metavar="N", help="join N archives that --shard made")
    bad = "of the utterances that may be rejected; one may always be, none at 0 (default: 0.01)"
    parser.add_argument("--max-rejected", type=share, default=0.01, metavar="SHARE", help=bad)
    args = parser.parse_args(argv)
    if args.shard and args.join:
        raise SreError("--shard makes one archive and --join joins them all; give one of the two")
    torch.set_num_threads(1)  # parallel by shards: the bytes do not depend on the cores
    config = feature_config(kind, args.config, args.audio.get("sample_rate"))
    rules = AudioRules(**audio_config(args.audio, config["sample_rate"]))
    data = read_data_dir(args.data, need_speakers=False)
    if data.utt2spk:
        check_promised(args.data, args.data / "utt2spk", data.utt2spk, data.utts, args.data)
    if data.wav is None:
        import_features(data, {"cmn": config["cmn"], "cmn_window": config["cmn_window"]}, args.out)
        return
    run_shard = partial(_shard, data, config, rules, args.out)
    if args.shard:
        run_shard(*args.shard)
        return
    shards = args.join or args.num_workers
    if not args.join:
        _run_all(run_shard, shards, args.out)
    _join(data, config, args.out, shards, args.max_rejected)
    if not args.join:  # Snakemake declares the tables of its shards; the archives stay, and feats.scp points to them
        for part in range(1, shards + 1):
            for name in (f"feats.{part}.scp", f"utt2num_frames.{part}", f"rejected.{part}.tsv"):
                (args.out / name).unlink()


def _run_all(run_shard: Callable[[int, int], None], shards: int, out: Path) -> None:
    """Each shard in a process of its own; a single one in this."""
    if shards == 1:
        return run_shard(1, 1)
    try:
        with ProcessPoolExecutor(shards, mp_context=get_context("spawn")) as pool:
            list(pool.map(run_shard, range(1, shards + 1), [shards] * shards))
    except BrokenProcessPool:
        raise SreError(
            f"{out}: one of {shards} processes was killed, for lack of memory? Lower --num-workers"
        ) from None


def _shard(data: DataDir, config: dict, rules: AudioRules, out: Path, number: int, of: int) -> None:
    torch.set_num_threads(1)
    make_features(data, shard_of(data.utts, (number, of)), config, rules, out, f".{number}")


def _join(data: DataDir, config: dict, out: Path, shards: int, max_rejected: float) -> None:
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
