"""Operations on whole data directories, with every table they hold: subset, combine, split."""

import os
import random
from collections.abc import Collection, Iterable
from pathlib import Path

from sre import SreError
from sre.datadir.datadir import write_data_dir
from sre.datadir.validate import UTT_TABLES, Table, parse_segment
from sre.io.ark import read_scp
from sre.io.audio import resolve
from sre.io.ids import check_known
from sre.io.tables import invert, read_table, read_utt2spk
from sre.machine.log import say

READERS = {"utt2spk": read_utt2spk, "feats.scp": read_scp, "vad.scp": read_scp}

Tables = dict[str, Table]  # file name -> id -> value


def read_tables(path: str | Path) -> Tables:
    """Every table of a data directory, locations openable. Raises SreError where a needed one is missing."""
    path = Path(path)
    if not path.is_dir():
        raise SreError(f"{path}: no such data directory; check the path, or run the stage that makes it")
    names = sorted(file.name for file in path.iterdir() if UTT_TABLES.fullmatch(file.name) and file.is_file())
    tables = {name: READERS.get(name, read_table)(path / name) for name in names}
    if "wav.scp" in tables:
        tables["wav.scp"] = {key: resolve(location, path) for key, location in tables["wav.scp"].items()}
    main_table(path, tables)
    if "utt2spk" not in tables:
        raise SreError(f"{path}: no utt2spk in it; write one `utterance speaker` line for each utterance")
    return tables


def main_table(path: Path, tables: Tables) -> str:
    """The name of the table that says which utterances there are."""
    for name in ("segments", "wav.scp", "feats.scp"):
        if name in tables:
            return name
    raise SreError(f"{path}: neither wav.scp nor feats.scp in it; a data directory needs one of them")


def keep_utterances(tables: Tables, utts: Collection[str]) -> Tables:
    """The tables cut down to these utterances, their speakers and their recordings."""
    utts = set(utts)
    speakers = {spk for utt, spk in tables.get("utt2spk", {}).items() if utt in utts}
    recordings = utts
    if "segments" in tables:
        lines = ((utt, value) for utt, value in tables["segments"].items() if utt in utts)
        recordings = {parse_segment(Path(), utt, value)[0] for utt, value in lines}

    def kept(name: str) -> Collection[str]:
        if name.startswith("spk2"):
            return speakers
        return recordings if name == "wav.scp" or name.startswith("reco2") else utts

    return {name: {key: value for key, value in table.items() if key in kept(name)} for name, table in tables.items()}


def write_tables(out: str | Path, tables: Tables) -> None:
    """Write what `read_tables` gave, paths that exist as absolute ones; spk2utt is made from utt2spk."""
    out = Path(out)
    rest = dict(tables)
    wav, segments = rest.pop("wav.scp", None), rest.pop("segments", None)
    rest.pop("spk2utt", None)
    write_data_dir(
        out,
        wav=wav and {key: os.path.abspath(text) if os.path.exists(text) else text for key, text in wav.items()},
        segments=segments and {utt: parse_segment(out, utt, value) for utt, value in segments.items()},
        utt2spk=rest.pop("utt2spk"),
        feats=rest.pop("feats.scp", None),
        extra=rest,
    )


def subset(
    source: str | Path,
    out: str | Path,
    *,
    utts: Collection[str] | None = None,
    speakers: Collection[str] | None = None,
    first: int | None = None,
    per_speaker: int | None = None,
    random_count: int | None = None,
    seed: int = 1,
) -> int:
    """Write part of a data directory and return its number of utterances; conditions apply in this order.

    `utts`, `speakers`: these ids. `per_speaker`: at most N utterances of each speaker, drawn with `seed`.
    `random_count`: N utterances drawn with `seed`. `first`: the first N in bytewise order.
    Raises SreError for an id that is not there or a count that cannot be had.
    """
    tables = _read_other(source, out)
    utt2spk = tables["utt2spk"]
    chosen = sorted(utt2spk)
    if utts is not None:
        check_known("the utterances asked for", utts, utt2spk, source)
        chosen = sorted(set(utts))
    if speakers is not None:
        check_known("the speakers asked for", speakers, utt2spk.values(), source)
        wanted = set(speakers)
        chosen = [utt for utt in chosen if utt2spk[utt] in wanted]
    if per_speaker is not None:
        groups = invert({utt: utt2spk[utt] for utt in chosen})
        chosen = sorted(utt for spk, group in groups.items() for utt in _draw(group, per_speaker, f"{seed} {spk}"))
    if random_count is not None:
        _enough(source, random_count, chosen)
        chosen = sorted(_draw(chosen, random_count, str(seed)))
    if first is not None:
        _enough(source, first, chosen)
        chosen = chosen[:first]
    write_tables(out, keep_utterances(tables, chosen))
    return len(chosen)


def _draw(items: list[str], count: int, seed: str) -> list[str]:
    """`count` items; random() alone keeps its sequence in every Python, so the draw is a sort by it."""
    generator = random.Random(seed)
    return [item for _, item in sorted((generator.random(), item) for item in items)[:count]]


def _enough(source: str | Path, count: int, chosen: list[str]) -> None:
    if not 0 < count <= len(chosen):
        raise SreError(f"{source}: {count} utterances asked of {len(chosen)}; ask for 1 to {len(chosen)}")


def _read_other(source: str | Path, out: str | Path) -> Tables:
    if Path(source).resolve() == Path(out).resolve():
        raise SreError(f"{out}: the output is the input itself; name another directory")
    check_free(out)
    return read_tables(source)


def check_free(out: str | Path) -> None:
    """Raise SreError where a data directory stands already: what is in it would be mixed with what is written."""
    if not Path(out).is_dir():
        return
    there = sorted(file.name for file in Path(out).iterdir() if UTT_TABLES.fullmatch(file.name))
    if there:
        raise SreError(f"{out}: a data directory stands there ({', '.join(there[:3])}); delete it, or name another")


def combine(sources: Iterable[str | Path], out: str | Path) -> int:
    """Join data directories and return the number of utterances.

    A table that only some of them have is left out, and that is said; but where some have segments, the
    recordings of the others become segments by their utt2dur. Raises SreError where an utterance or recording
    id stands in two, or a speaker has two values (gender …).
    """
    parts = [(Path(source), _read_other(source, out)) for source in sources]
    if any("segments" in tables for _, tables in parts):
        for path, tables in parts:
            _whole_segments(path, tables)
    everything = set.union(*(set(tables) for _, tables in parts)) - {"spk2utt"}
    names = sorted(name for name in everything if all(name in tables for _, tables in parts))
    if not {"wav.scp", "feats.scp"} & set(names):
        raise SreError(f"{out}: some of the directories have only wav.scp, others only feats.scp; make features first")
    for name in sorted(everything - set(names)):
        say(f"{out}: {name} is left out, for not every directory has it")
    joined: Tables = {name: {} for name in names}
    for path, tables in parts:
        for name in names:
            _add(path / name, joined[name], tables[name])
    write_tables(out, joined)
    return len(joined["utt2spk"])


def _add(file: Path, table: Table, more: Table) -> None:
    clash = sorted(table.keys() & more.keys())
    if file.name.startswith("spk2"):  # a speaker may be in several directories, but is one person
        clash = [spk for spk in clash if table[spk] != more[spk]]
    if clash:
        raise SreError(
            f"{file}: {len(clash)} ids are also in another of the directories, e.g. {clash[0]};"
            " rename them, e.g. with a prefix for each corpus"
        )
    table.update(more)


def _whole_segments(path: Path, tables: Tables) -> None:
    if "segments" in tables:
        return
    if "wav.scp" not in tables or tables["wav.scp"].keys() - tables.get("utt2dur", {}).keys():
        raise SreError(
            f"{path}: it has no segments and not every length in utt2dur, others have segments; make utt2dur"
        )
    tables["segments"] = {utt: f"{utt} 0.0 {tables['utt2dur'][utt]}" for utt in tables["wav.scp"]}


def split(source: str | Path, out: str | Path, parts: int, by: str = "speaker") -> list[int]:
    """Write `out`/1 … `out`/n of about equal numbers of utterances and return these numbers.

    `by` "speaker" keeps a speaker in one part (the largest speakers first, each to the smallest part),
    "utterance" cuts the sorted list. Raises SreError where there are fewer speakers (utterances) than parts.
    """
    tables = _read_other(source, out)
    utt2spk = tables["utt2spk"]
    groups = invert(utt2spk) if by == "speaker" else {utt: [utt] for utt in sorted(utt2spk)}
    if not 0 < parts <= len(groups):
        raise SreError(f"{source}: {parts} parts were asked of {len(groups)} {by}s; ask for 1 to {len(groups)}")
    if earlier := sorted(path.parent.name for path in Path(out).glob("*/utt2spk") if path.parent.name.isdigit()):
        raise SreError(
            f"{out}: an earlier split stands there (part {earlier[0]}); delete it, or name another directory"
        )
    shares: list[list[str]] = [[] for _ in range(parts)]
    if by == "speaker":
        for spk in sorted(groups, key=lambda spk: (-len(groups[spk]), spk)):
            min(shares, key=len).extend(groups[spk])
    else:
        utts = list(groups)
        shares = [utts[len(utts) * i // parts : len(utts) * (i + 1) // parts] for i in range(parts)]
    for number, share in enumerate(shares, 1):
        write_tables(Path(out) / str(number), keep_utterances(tables, share))
    return [len(share) for share in shares]
