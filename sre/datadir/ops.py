"""Operations on whole data directories, with every table they hold: subset, combine, split."""

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from sre import SreError
from sre.datadir.datadir import DataDir, check_other, read_data_dir
from sre.datadir.durations import durations
from sre.datadir.layout import COMPLETE, Table, table_files
from sre.datadir.parts import split_evenly
from sre.datadir.rename import renamed
from sre.io.atomic import atomic_folder, atomic_output
from sre.io.audio import AudioRules
from sre.io.ids import check_known
from sre.io.name_tables import Texts, absent, present
from sre.io.tables import invert
from sre.io.text import read_text
from sre.io.text_tables import as_texts
from sre.machine.log import say

MARK = ".made_by"  # of a data directory: the command that wrote it


def subset(
    source: str | Path,
    out: str | Path,
    *,
    utts: Collection[str] | None = None,
    speakers: Collection[str] | None = None,
    min_duration: float | None = None,
    min_utterances: int | None = None,
    first: int | None = None,
    per_speaker: int | None = None,
    random_count: int | None = None,
    seed: int = 1,
) -> int:
    """Write part of a data directory and return its number of utterances; conditions apply in this order.

    `utts`, `speakers`: these ids. `min_duration`: utterances of so many seconds or more. `min_utterances`: speakers
    with so many or more that are left. `per_speaker`: at most N utterances of each speaker, drawn with `seed`.
    `random_count`: N utterances drawn with `seed`. `first`: the first N in bytewise order. Says what each leaves out.
    Raises SreError for an id that is not there or a count that cannot be had.
    """
    data = _read_other(source, out)
    choice = Choice(data)
    if utts is not None:
        check_known("the utterances asked for", utts, choice.utt2spk, source)
        choice.keep(sorted(set(utts)), "not asked for")
    if speakers is not None:
        check_known("the speakers asked for", speakers, choice.utt2spk.values(), source)
        wanted = set(speakers)
        choice.keep([utt for utt in choice.utts if choice.utt2spk[utt] in wanted], "of other speakers")
    if min_duration is not None:
        choice.long_enough(min_duration)
    if min_utterances is not None:
        counts = Counter(choice.utt2spk[utt] for utt in choice.utts)
        enough = [utt for utt in choice.utts if counts[choice.utt2spk[utt]] >= min_utterances]
        choice.keep(enough, f"of speakers with fewer than {min_utterances}")
    if per_speaker is not None:
        groups = invert({utt: choice.utt2spk[utt] for utt in choice.utts})
        drawn = sorted(utt for spk, group in groups.items() for utt in _draw(group, per_speaker, f"{seed} {spk}"))
        choice.keep(drawn, f"beyond {per_speaker} of a speaker")
    if random_count is not None:
        _enough(source, random_count, choice.utts)
        choice.keep(sorted(_draw(choice.utts, random_count, str(seed))), "not drawn")
    if first is not None:
        _enough(source, first, choice.utts)
        choice.keep(choice.utts[:first], f"after the first {first}")
    told = choice.told()
    write_data(data.keep(choice.utts), out)
    say(f"{out}: {told}")
    return len(choice.utts)


class Choice:
    """Utterances of a data directory, of which one condition after the other leaves some; what each does is counted."""

    def __init__(self, data: DataDir) -> None:
        self.data, self.utt2spk = data, dict(data.tables["utt2spk"].items())
        self.utts, self.lost = sorted(self.utt2spk), list[str]()

    def keep(self, utts: list[str], why: str) -> None:
        """Go on with some of the utterances; `why` is said of the others."""
        if len(utts) < len(self.utts):
            self.lost.append(f"{len(self.utts) - len(utts)} {why}")
        self.utts = utts

    def long_enough(self, seconds: float) -> None:
        """Go on with the utterances of so many seconds or more."""
        found = durations(self.data, AudioRules(resample=True))
        self.keep([utt for utt in self.utts if utt in found], "of unknown length")
        self.keep([utt for utt in self.utts if found[utt] >= seconds], f"shorter than {seconds:g} s")

    def told(self) -> str:
        """Return a line on what is left, and on what is not and why. Raises SreError where nothing is left."""
        if not self.utts:
            lost = ", ".join(self.lost)
            raise SreError(f"{self.data.path}: no utterance is left of {len(self.utt2spk)}: {lost}; ask for less")
        speakers = len({self.utt2spk[utt] for utt in self.utts}), len(set(self.utt2spk.values()))
        lost = f"; left out: {', '.join(self.lost)}" if self.lost else ""
        return f"{len(self.utts)} of {len(self.utt2spk)} utterances, {speakers[0]} of {speakers[1]} speakers{lost}"


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


def copy(source: str | Path, out: str | Path, prefix: str = "", suffix: str = "", speakers: bool = False) -> int:
    """Write a data directory under the ids of `renamed`, and return its number of utterances."""
    data = renamed(_read_other(source, out), prefix, suffix, speakers)
    write_data(data, out)
    return len(data.utts)


def combine(sources: Iterable[str | Path], out: str | Path) -> int:
    """Join data directories and return the number of utterances.

    A table that has all utterances (COMPLETE) is left out if only some of the directories have it. A map that may be
    partial, as spk2gender, is joined of those that have it. Both are said. Where some have segments, the recordings of
    the others become segments by their utt2dur. Raises SreError where an utterance or recording id stands in two, or a
    speaker has two values (gender …).
    """
    parts = [_read_other(source, out) for source in sources]
    if any("segments" in data.tables for data in parts):
        parts = [_with_segments(data) for data in parts]
    everywhere = set.intersection(*(set(data.tables) for data in parts))
    if not {"wav.scp", "feats.scp"} & everywhere:
        raise SreError(f"{out}: some of the directories have only wav.scp, others only feats.scp; make features first")
    joined = DataDir(Path(out), {})
    for name in sorted(set.union(*(set(data.tables) for data in parts)) - {"spk2utt"}):
        with_it = [data for data in parts if name in data.tables]
        if name in COMPLETE and name not in everywhere:
            say(f"{out}: {name} is left out, for not every directory has it")
            continue
        if name not in everywhere:
            say(f"{out}: {name} is only of {len(with_it)} of the {len(parts)} directories")
        joined.tables[name] = _joined(name, with_it)
    write_data(joined, out)
    return len(joined.tables["utt2spk"])


def _joined(name: str, parts: list[DataDir]) -> Table:
    """Return the rows of a table of all directories. Raises SreError for an id with two."""
    if name.startswith("spk2"):  # a speaker may be in several directories, but is one person
        table: dict[str, str] = {}
        for data in parts:
            more = data.tables[name]
            _check_clash(data.path / name, [spk for spk in more if table.get(spk, more[spk]) != more[spk]])
            table.update(more)
        return table
    tables = [as_texts(data.tables[name]) for data in parts]
    for place, data in enumerate(parts):
        for other in tables[:place]:
            _check_clash(data.path / name, _in_both(tables[place], other))
    return Texts.joined(tables)


def _in_both(table: Texts, other: Texts) -> list[str]:
    return [table.names[row] for row in np.flatnonzero(present(table, other)).tolist()]


def _check_clash(file: Path, clash: list[str]) -> None:
    if clash:
        raise SreError(
            f"{file}: {len(clash)} ids are also in another of the directories, e.g. {min(clash)};"
            " rename them, e.g. with a prefix for each corpus"
        )


def _with_segments(data: DataDir) -> DataDir:
    """Make each recording a segment of its whole length. Raises SreError where utt2dur does not have all lengths."""
    if "segments" in data.tables:
        return data
    wav, seconds = data.tables.get("wav.scp"), data.tables.get("utt2dur", {})
    if wav is None or absent(wav, seconds):
        raise SreError(
            f"{data.path}: it has no segments and not every length in utt2dur, others have segments; make utt2dur"
        )
    whole = Texts.of((utt, f"{utt} 0.0 {seconds[utt]}") for utt in wav)
    return DataDir(data.path, {**data.tables, "segments": whole})


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
