"""Joining shards: separate archives under one scp, counts checked against what was to be there."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TypeVar

from sre import SreError
from sre.io.scp import read_scp, write_scp
from sre.io.tables import read_table, write_table

Item = TypeVar("Item")


def join_keys(parts: Sequence[Path]) -> dict[str, str]:
    """Read tables of disjoint keys as one, with places that can be opened. Raises SreError for a key in two of them."""
    joined: dict[str, str] = {}
    for part in parts:
        table = read_scp(part) if part.suffix == ".scp" else read_table(part)
        twice = joined.keys() & table.keys()
        if twice:
            raise SreError(f"{part}: '{min(twice)}' is in another shard too; delete the shards and make them again")
        joined.update(table)
    return joined


def join_tables(parts: Sequence[Path], out: Path) -> None:
    """Write tables of disjoint keys as one, in bytewise order; the places of an scp are relative to its own folder."""
    (write_scp if out.suffix == ".scp" else write_table)(out, join_keys(parts))


def check_complete(
    what: Path,
    found: Collection[str],
    expected: Collection[str],
    rejected: Collection[str] = (),
    source: object = "the data dir",
) -> None:
    """Raise SreError unless the utterances found are those that `source` has (`expected`) without the rejected ones."""
    missing = sorted(set(expected) - set(found) - set(rejected))
    if missing:
        raise SreError(f"{what}: {len(missing)} utterances are missing, e.g. {missing[0]}; run the stage again")
    stale = sorted(set(found) - set(expected))
    if stale:
        raise SreError(
            f"{what}: {len(stale)} utterances are not in {source}, e.g. {stale[0]}; look whether that is whole, or"
            " delete the folder and run again"
        )


def shard_of(utts: list[Item], shard: tuple[int, int] | None) -> list[Item]:
    """Return shard (K, N) of a sorted list: the K-th of N contiguous parts, whose sizes differ by one at most."""
    if shard is None:
        return utts
    number, count = shard
    return utts[(number - 1) * len(utts) // count : number * len(utts) // count]
