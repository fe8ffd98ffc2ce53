"""Operations on whole data directories, with every table they hold: subset, combine, split."""

import random
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from sre import SreError
from sre.datadir.datadir import DataDir, check_other, read_data_dir
from sre.datadir.layout import Table, table_files
from sre.datadir.parts import split_evenly
from sre.io.atomic import atomic_folder, atomic_output
from sre.io.ids import check_known
from sre.io.tables import invert
from sre.io.text import read_text
from sre.machine.log import say

MARK = ".made_by"  # of a data directory: the command that wrote it


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
    data = _read_other(source, out)
    utt2spk = data.tables["utt2spk"]
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
    write_data(data.keep(chosen), out)
    return len(chosen)


def _draw(items: list[str], count: int, seed: str) -> list[str]:
    """Draw `count` items; random() alone keeps its sequence in every Python, so the draw is a sort by it."""
    generator = random.Random(seed)
    return [item for _, item in sorted((generator.random(), item) for item in items)[:count]]


def _enough(source: str | Path, count: int, chosen: list[str]) -> None:
    if not 0 < count <= len(chosen):
        raise SreError(f"{source}: {count} utterances asked of {len(chosen)}; ask for 1 to {len(chosen)}")


def write_data(data: DataDir, out: str | Path) -> None:
    """Write a data directory, the whole of it or nothing."""
    with atomic_folder(out) as folder:
        data.write(folder)


def _read_other(source: str | Path, out: str | Path) -> DataDir:
    check_other(source, out)
    check_free(out)
    return read_data_dir(source, every_table=True)


def check_free(out: str | Path) -> None:
    """Raise SreError where a data directory stands already: what is in it would be mixed with what is written."""
    if there := [file.name for file in table_files(Path(out))] if Path(out).is_dir() else []:
        raise SreError(f"{out}: a data directory stands there ({', '.join(there[:3])}); delete it, or name another")


def claim(out: str | Path, maker: str) -> None:
    """Mark a data directory to write as made by a command, which may write it again.

    Raises SreError where a data directory stands there that another command, or somebody, has made.
    """
    mark = Path(out) / MARK
    if not (mark.is_file() and read_text(mark).strip() == maker):
        check_free(out)
        with atomic_output(mark) as file:
            file.write(f"{maker}\n")


def combine(sources: Iterable[str | Path], out: str | Path) -> int:
    """Join data directories and return the number of utterances.

    A table that only some of them have is left out, and that is said; but where some have segments, the
    recordings of the others become segments by their utt2dur. Raises SreError where an utterance or recording
    id stands in two, or a speaker has two values (gender …).
    """
    parts = [_read_other(source, out) for source in sources]
    if any("segments" in data.tables for data in parts):
        parts = [_with_segments(data) for data in parts]
    everything = set.union(*(set(data.tables) for data in parts)) - {"spk2utt"}
    names = sorted(name for name in everything if all(name in data.tables for data in parts))
    if not {"wav.scp", "feats.scp"} & set(names):
        raise SreError(f"{out}: some of the directories have only wav.scp, others only feats.scp; make features first")
    for name in sorted(everything - set(names)):
        say(f"{out}: {name} is left out, for not every directory has it")
    joined = DataDir(Path(out), {name: {} for name in names})
    for data in parts:
        for name in names:
            _add(data.path / name, joined.tables[name], data.tables[name])
    write_data(joined, out)
    return len(joined.tables["utt2spk"])


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


def _with_segments(data: DataDir) -> DataDir:
    """Make each recording a segment of its whole length. Raises SreError where utt2dur does not have all lengths."""
    if "segments" in data.tables:
        return data
    wav, seconds = data.tables.get("wav.scp"), data.tables.get("utt2dur", {})
    if wav is None or wav.keys() - seconds.keys():
        raise SreError(
            f"{data.path}: it has no segments and not every length in utt2dur, others have segments; make utt2dur"
        )
    return DataDir(data.path, {**data.tables, "segments": {utt: f"{utt} 0.0 {seconds[utt]}" for utt in wav}})


def write_parts(data: DataDir, out: str | Path, parts: Mapping[str, Collection[str]]) -> None:
    """Write part -> its utterances as data directories in the folder `out`, all or none of them.

    Raises SreError where one of them, or another numbered part where these are numbered, stands there already.
    """
    out = Path(out)
    for name in parts:
        check_other(data.path, out / name)
        check_free(out / name)
    earlier = sorted(path.parent.name for path in out.glob("*/utt2spk") if path.parent.name.isdigit())
    if earlier and all(name.isdigit() for name in parts):
        raise SreError(
            f"{out}: an earlier split stands there (part {earlier[0]}); delete it, or name another directory"
        )
    with ExitStack() as stack:
        for name, utts in parts.items():
            data.keep(utts).write(stack.enter_context(atomic_folder(out / name)))


def split(source: str | Path, out: str | Path, parts: int, by: str = "speaker") -> list[int]:
    """Write `out`/1 … `out`/n of `split_evenly` and return their numbers of utterances. Raises SreError as that."""
    data = _read_other(source, out)
    try:
        shares = split_evenly(data.tables["utt2spk"], parts, by)
    except SreError as error:
        raise SreError(f"{source}: {error}") from None
    write_parts(data, out, shares)
    return [len(utts) for utts in shares.values()]
