"""Features of a data directory in shards, a process each, and the join of what the shards made."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from sre import SreError
from sre.datadir.datadir import DataDir, read_data_dir
from sre.datadir.missing import check_promised
from sre.datadir.rejected import read_rejected_rows, write_rejected
from sre.features.make import make_features
from sre.features.store import write_config
from sre.io.audio import AudioRules
from sre.io.shards import check_complete, join_keys, join_tables, shard_of
from sre.machine.device import choose_device
from sre.machine.processes import in_processes

TABLES = ("feats.{}.scp", "utt2num_frames.{}", "rejected.{}.tsv")  # of shard {}; Snakemake's rules declare them


def read_checked(path: Path) -> DataDir:
    """Read a data directory to make features of; utt2spk is optional, and is held against the utterances."""
    data = read_data_dir(path, need_speakers=False)
    if data.utt2spk:
        check_promised(path, path / "utt2spk", data.utt2spk, data.utts, path)
    return data


def make_shard(
    data: DataDir, config: dict, audio_rules: AudioRules, out: Path, shards: int, device: str, number: int
) -> None:
    """Make shard `number` of `shards`, with one thread: the bytes do not depend on the cores.

    config : the resolved feature config
    device : auto, cpu or cuda
    """
    _check_sound(data)
    torch.set_num_threads(1)
    make_features(data, shard_of(data.utts, (number, shards)), config, audio_rules, out, f".{number}", device)


def make_all_shards(
    data: DataDir,
    config: dict,
    audio_rules: AudioRules,
    out: Path,
    shards: int,
    max_rejected: float,
    device: str = "cpu",
) -> None:
    """Make all shards, a process each, and join them. Their tables go; the archives stay, feats.scp points to them.

    If that fails, there is no feats.scp, also where one was before.
    """
    _check_sound(data)
    choose_device(device)  # a card for all processes together
    (out / "feats.scp").unlink(missing_ok=True)  # the archives that it points into are written over
    arguments = (make_shard, data, config, audio_rules, out, shards, device)
    for _ in in_processes(_make, range(1, shards + 1), shards, partial, arguments):
        pass
    join_shards(data, config, out, shards, max_rejected)
    for name in TABLES:
        for part in range(1, shards + 1):
            (out / name.format(part)).unlink()


def _check_sound(data: DataDir) -> None:
    if data.wav is None:
        raise SreError(
            f"{data.path}: no wav.scp; add it, or take its feats.scp over by python -m steps.import_features"
        )


def _make(make: Callable[[int], None], number: int) -> None:
    make(number)


def join_shards(data: DataDir, config: dict, out: Path, shards: int, max_rejected: float) -> None:
    """Join the tables of shards 1 … `shards`, and write `config` beside feats.scp.

    max_rejected : share of the utterances that may have no features
    Raises SreError if more are rejected, or if a shard lacks utterances that it did not reject.
    """
    tables = [[out / name.format(part) for part in range(1, shards + 1)] for name in TABLES]
    scps, counts, rejected = tables
    if missing := [path for paths in tables for path in paths if not path.is_file()]:
        raise SreError(f"{missing[0]}: no such file; make this shard first (--shard K/{shards})")
    rows = [row for path in rejected for row in read_rejected_rows(path)]
    write_rejected(out / "rejected.tsv", rows, len(data.utts), "utterances", max_rejected)
    if len(rows) == len(data.utts):
        raise SreError(f"{out}: no utterance gave features; see rejected.tsv there")
    join_tables(counts, out / "utt2num_frames")
    write_config(out / "config", config)
    check_complete(out / "feats.scp", join_keys(scps), data.utts, {row[0] for row in rows})
    join_tables(scps, out / "feats.scp")
