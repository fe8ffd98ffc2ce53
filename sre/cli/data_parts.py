"""`sre data subset`, `copy`, `combine` and `split`: parts of data directories, and several as one."""

import re
from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from sre import SreError
from sre.cli.arguments import MOST, count, input_file, input_folder, number, output_folder, share, whole
from sre.cli.data import Action
from sre.datadir import ops as datadir_ops
from sre.datadir.datadir import DataDir, read_data_dir
from sre.datadir.parts import Parts, split_by_counts, split_by_shares, split_by_speakers
from sre.io.tables import read_ids
from sre.machine.log import say


def add_actions(action: Action) -> None:
    subset = action("subset", subset_data, "write part of a data directory; conditions are applied in this order")
    subset.add_argument("--utts", type=input_file, metavar="FILE", help="the utterances whose ids begin its lines")
    subset.add_argument("--speakers", type=input_file, metavar="FILE", help="the speakers whose ids begin its lines")
    least = "utterances of S seconds or more, by segments, utt2dur or reco2dur, else by headers"
    subset.add_argument("--min-duration", type=number(0, 1e6), metavar="S", help=least)
    enough = "speakers of whom N utterances or more are left"
    subset.add_argument("--min-utterances", type=count, metavar="N", help=enough)
    subset.add_argument("--per-speaker", type=count, metavar="N", help="at most N utterances of each, drawn by seed")
    subset.add_argument("--random", type=count, metavar="N", dest="random_count", help="N utterances drawn by seed")
    subset.add_argument("--first", type=count, metavar="N", help="the first N utterances in bytewise order")
    subset.add_argument("--seed", type=whole(-MOST), default=1, metavar="N", help="of the draws (default: 1)")
    subset.add_argument("source", type=input_folder, help="data directory")
    subset.add_argument("out", type=output_folder, help="data directory to write; none may stand there")
    copy = action("copy", copy_data, "write a data directory under other ids, to be joined with one that has the same")
    ids = "before the ids of utterances and recordings"
    copy.add_argument("--prefix", default="", help=ids)
    copy.add_argument("--suffix", default="", help=ids.replace("before", "behind"))
    copy.add_argument("--speakers", action="store_true", help="the ids of speakers get them, too")
    copy.add_argument("source", type=input_folder, help="data directory")
    copy.add_argument("out", type=output_folder, help="data directory to write; none may stand there")
    combine = action("combine", combine_data, "join data directories that share no utterance id")
    combine.add_argument("sources", type=input_folder, nargs="+", help="data directories")
    combine.add_argument("out", type=output_folder, help="data directory to write; none may stand there")
    add_split(action)


def subset_data(source: Path, out: Path, utts: Path | None, speakers: Path | None, **conditions: Any) -> None:
    ids = [None if path is None else read_ids(path) for path in (utts, speakers)]
    datadir_ops.subset(source, out, utts=ids[0], speakers=ids[1], **conditions)


def copy_data(source: Path, out: Path, prefix: str, suffix: str, speakers: bool) -> None:
    if not prefix + suffix:
        raise SreError("the ids would stay as they are; give --prefix or --suffix")
    say(f"{out}: {datadir_ops.copy(source, out, prefix, suffix, speakers)} utterances of {source}")


def combine_data(sources: list[Path], out: Path) -> None:
    say(f"{out}: {datadir_ops.combine(sources, out)} utterances")


def add_split(action: Action) -> None:
    """Add `sre data split`, in its two forms: N even parts, or named ones."""
    split = action("split", split_data, "cut a data directory into OUT/1 … OUT/N of about equal size, or named parts")
    unit = "what stays in one part: speaker (default); session (a speaker's, by utt2session or utt2chapter) and"
    unit += " utterance split each speaker's utterances; for N, utterance cuts the sorted list"
    split.add_argument("--by", choices=["speaker", "session", "utterance"], default="speaker", help=unit)
    shares = "parts, each with a share of the units; `rest` is what the others leave"
    split.add_argument("--shares", type=named_shares, metavar="NAME=SHARE,…", help=shares)
    number = "parts, each with a number of utterances of each speaker; `rest`: those that are left, and all of a"
    number += " speaker with too few (without a rest these speakers are left out)"
    split.add_argument("--per-speaker", type=named_counts, metavar="NAME=N,…", help=number)
    lists = "parts, each with the speakers whose ids begin a file's lines; `rest`: all others"
    split.add_argument("--speakers", type=named_files, metavar="NAME=FILE,…", help=lists)
    strata = "with --shares: a table, as spk2gender, for each of whose values the shares hold, too"
    split.add_argument("--stratify", metavar="TABLE", help=strata)
    split.add_argument("--seed", type=whole(-MOST), default=1, metavar="N", help="of the draws (default: 1)")
    split.add_argument("source", type=input_folder, help="data directory")
    split.add_argument("parts", type=count, metavar="N", nargs="?", help="number of parts; none with named parts")
    split.add_argument("out", type=output_folder, help="folder of the parts")


class Asked(NamedTuple):
    """How parts are asked for, in one way of the first four."""

    parts: int | None
    shares: dict[str, Any] | None
    per_speaker: dict[str, Any] | None
    speakers: dict[str, Any] | None
    by: str
    stratify: str | None
    seed: int

    def way(self) -> str:
        """Return the name of the way. Raises SreError for none or several, and for an option of another way."""
        ways = [name for name in ("parts", "shares", "per_speaker", "speakers") if getattr(self, name)]
        if len(ways) != 1:
            raise SreError("name the parts in one way: N, --shares, --per-speaker or --speakers")
        (way,) = ways
        if self.stratify and way != "shares":
            raise SreError("--stratify is for --shares; take it out")
        if self.by != "speaker" and way in ("per_speaker", "speakers"):
            raise SreError(f"--by is for N and --shares; take it out, --{way.replace('_', '-')} says what it takes")
        if self.by == "session" and way == "parts":
            raise SreError("N parts are by speaker or utterance; give --shares to keep sessions whole")
        return way


def split_data(source: Path, out: Path, **options: Any) -> None:
    asked = Asked(**options)
    if asked.way() == "parts" and asked.parts:
        counts = datadir_ops.split(source, out, asked.parts, asked.by)
        say(f"{out}/1 … {asked.parts}: {min(counts)} to {max(counts)} utterances each")
        return
    data = read_data_dir(source, every_table=True)
    try:
        parts = named_parts(data, asked)
    except SreError as error:
        raise SreError(f"{source}: {error}") from None
    datadir_ops.write_parts(data, out, parts)
    utt2spk = dict(data.tables["utt2spk"].items())
    left = len(utt2spk) - sum(map(len, parts.values()))
    for name, utts in parts.items():
        say(f"{out}/{name}: {len({utt2spk[utt] for utt in utts})} speakers, {len(utts)} utterances")
    if left:
        say(f"{source}: {left} of {len(utt2spk)} utterances are in no part")


def named_parts(data: DataDir, asked: Asked) -> Parts:
    """Return part -> utterances. Raises SreError where there are too few, or a table or speaker is not there."""
    utt2spk, named = data.tables["utt2spk"], getattr(asked, asked.way())
    values = {name: value for name, value in named.items() if value != REST}
    rest = next((name for name in named if name not in values), None)
    if asked.per_speaker:
        return split_by_counts(utt2spk, values, rest, asked.seed)
    if asked.speakers:
        return split_by_speakers(utt2spk, {name: read_ids(path) for name, path in values.items()}, rest)
    if rest is not None:
        values[rest] = 1 - sum(values.values())
    shares = {name: values[name] for name in named}
    strata = data.table(asked.stratify, "--stratify") if asked.stratify else None
    return split_by_shares(utt2spk, shares, by=asked.by, sessions=data.sessions, strata=strata, seed=asked.seed)


REST = "rest"


def named(convert: Callable[[str], Any], rest: bool = True) -> Callable[[str], dict[str, Any]]:
    """Return the type of `name=value,name=value`; one value may be the word rest."""

    def parse(text: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for part in text.split(","):
            name, equals, value = part.partition("=")
            if not equals or not re.fullmatch(r"\w[\w.-]*", name) or name in found:
                raise ArgumentTypeError(f"{part!r} is no part, or stands twice; write it like train=0.8,test=rest")
            found[name] = value if value == REST else convert(value)
        if list(found.values()).count(REST) > 1 or set(found.values()) == {REST}:
            raise ArgumentTypeError(f"{text!r}: one part may be the rest of the others; give the other parts a value")
        return found

    return parse


named_shares, named_counts, named_files = named(share), named(count), named(input_file)
