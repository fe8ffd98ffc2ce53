"""Joining shards: separate archives under one scp, counts checked against what was to be there."""

from collections.abc import Collection, Sequence
from pathlib import Path

from sre import SreError
from sre.io.atomic import atomic_output
from sre.io.tables import read_table


def join_tables(parts: Sequence[Path], out: Path) -> dict[str, str]:
    """Concatenate tables of disjoint keys, in bytewise order; raises SreError for a key in two of them."""
    joined: dict[str, str] = {}
    for part in parts:
        table = read_table(part)
        twice = joined.keys() & table.keys()
        if twice:
            raise SreError(f"{part}: '{min(twice)}' is in another shard too; delete the shards and make them again")
        joined.update(table)
    with atomic_output(out) as file:
        file.writelines(f"{key} {value}\n" for key, value in sorted(joined.items()))
    return joined


def check_complete(scp: Path, expected: Collection[str], rejected: Collection[str] = ()) -> None:
    """Raises SreError unless the scp holds each expected utterance that was not rejected, and nothing else."""
    found = read_table(scp).keys()
    missing = sorted(set(expected) - found - set(rejected))
    if missing:
        raise SreError(f"{scp}: {len(missing)} utterances are missing, e.g. {missing[0]}; run the stage again")
    stale = sorted(found - set(expected))
    if stale:
        raise SreError(
            f"{scp}: {len(stale)} utterances are not in the data dir, e.g. {stale[0]}; delete the folder and run again"
        )
