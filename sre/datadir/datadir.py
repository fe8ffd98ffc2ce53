"""A Kaldi data directory in memory (DataDir): read, cut down to some utterances, written.

Utterances are ordered bytewise, whatever the locale; nothing asks that utterance ids start with speaker ids.
"""

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sre import SreError
from sre.datadir.layout import (
    UTT_TABLES,
    Segment,
    Table,
    check_folder,
    lost_segments,
    main_table,
    parse_segment,
    recording_of,
    table_files,
)
from sre.io.name_tables import NameTable, kept_in, share_names
from sre.io.names import Names
from sre.io.place import exists, is_pipe, openable
from sre.io.scp import absolute, read_scp
from sre.io.tables import invert, read_table, read_utt2spk, write_table
from sre.io.text_tables import changed, read_scp_texts, read_speakers, read_texts

READERS = {"utt2spk": read_utt2spk, "feats.scp": read_scp, "vad.scp": read_scp}  # the others: read_table
IN_ARRAYS = {"utt2spk": read_speakers, "feats.scp": read_scp_texts, "vad.scp": read_scp_texts}  # the others: read_texts
SESSIONS = ("utt2session", "utt2chapter")
NEEDED = ("wav.scp", "segments", "utt2spk", "feats.scp")  # what stages read; other tables are only carried along


@dataclass(frozen=True)
class DataDir:
    """A data directory in memory; a table that was not read, or is not there, is None.

    Attributes
    ----------
    tables : file name -> id -> value as in the file, but openable paths in wav.scp, feats.scp and vad.scp
    wav : recording -> path or command; without segments a recording is an utterance
    segments : utterance -> part of a recording
    utt2spk : utterance -> speaker
    feats : utterance -> `path:offset`
    """

    path: Path
    tables: dict[str, Table]

    @property
    def wav(self) -> Table | None:
        return self.tables.get("wav.scp")

    @cached_property
    def segments(self) -> dict[str, Segment] | None:
        lines = self.tables.get("segments")
        return None if lines is None else {utt: parse_segment(self.path, utt, value) for utt, value in lines.items()}

    @property
    def utt2spk(self) -> Table | None:
        return self.tables.get("utt2spk")

    @property
    def feats(self) -> Table | None:
        return self.tables.get("feats.scp")

    @property
    def sessions(self) -> Table | None:
        """The first of SESSIONS that was read: utterance -> its session, within its speaker."""
        return next((self.tables[name] for name in SESSIONS if name in self.tables), None)

    def table(self, name: str, what: str) -> Table:
        """Return a table that was read. Raises SreError, which begins with `what`, where there is none of the name."""
        if name not in self.tables:
            there = ", ".join(sorted(self.tables))
            raise SreError(f"{what}: no table {name} in {self.path}, which has {there}; name one of these")
        return self.tables[name]

    @property
    def utts(self) -> list[str]:
        """The utterance ids in bytewise order."""
        return sorted(self.tables[main_table(self.path, self.tables)])

    def keep(self, utts: Collection[str]) -> "DataDir":
        """Return the data directory cut down to these utterances, their speakers and their recordings."""
        utts = set(utts)
        speakers = {spk for utt, spk in (self.utt2spk or {}).items() if utt in utts}
        recordings = utts
        if "segments" in self.tables:
            recordings = {recording_of(value) for utt, value in self.tables["segments"].items() if utt in utts}
        in_arrays = {id(ids): Names.of(ids) for ids in (utts, recordings, speakers)}

        def kept(name: str, table: Table) -> Table:
            ids = speakers if name.startswith("spk2") else utts
            ids = recordings if name == "wav.scp" or name.startswith("reco2") else ids
            return kept_in(table, in_arrays[id(ids)] if isinstance(table, NameTable) else ids)

        return DataDir(self.path, {name: kept(name, table) for name, table in self.tables.items()})

    def write(self, out: str | Path) -> None:
        """Write every table, paths that exist as absolute ones; spk2utt is made from utt2spk.

        A table of which nothing is left, as of genders that are known of other speakers, is not written.
        Raises SreError where there is no utterance.
        """
        apart = ("wav.scp", "utt2spk", "spk2utt", "feats.scp")
        rest = {name: table for name, table in self.tables.items() if name not in apart and table}
        wav = self.wav
        if wav is not None:
            wav = changed(wav, lambda text: os.path.abspath(text) if exists(text) else text)
        write_data_dir(out, wav=wav, utt2spk=self.utt2spk or {}, feats=self.feats, extra=rest)


def read_data_dir(path: str | Path, need_speakers: bool = True, every_table: bool = False) -> DataDir:
    """Read the tables that stages need, or with `every_table` all that belong to the utterances, into arrays.

    Only wav.scp or feats.scp is needed, and utt2spk with `need_speakers`. Reads only; `validate` finds all that is
    wrong at once. Raises SreError for a missing folder or table, for lines that cannot be parsed, and for a segment or
    id without recording.
    """
    path = Path(path)
    check_folder(path)
    names = [file.name for file in table_files(path)] if every_table else NEEDED
    there = [name for name in names if os.path.lexists(path / name)]
    if every_table:
        data = DataDir(path, {name: IN_ARRAYS.get(name, read_texts)(path / name) for name in there})
        share_names(*data.tables.values())
    else:
        data = DataDir(path, {name: READERS.get(name, read_table)(path / name) for name in there})
    main_table(path, data.tables)
    if need_speakers and data.utt2spk is None:
        raise SreError(f"{path}: no utt2spk in it; write one `utterance speaker` line for each utterance")
    if empty := [key for key, location in (data.wav or {}).items() if not location]:
        raise SreError(f"{path}/wav.scp: {len(empty)} ids have no file, e.g. '{empty[0]}'; write it or delete the line")
    segments = data.tables.get("segments", {})
    for utt, value in segments.items():
        parse_segment(path, utt, value)
    for lost in lost_segments(path, segments.items(), data.wav):
        raise SreError(lost)
    if data.wav is not None:
        data.tables["wav.scp"] = changed(data.wav, lambda location: openable(location, path))
    return data


def check_other(source: str | Path, out: str | Path) -> None:
    """Raise SreError where the data directory to write is the one that is read."""
    if Path(source).resolve() == Path(out).resolve():
        raise SreError(f"{out}: the output is the input itself; name another directory")


def movable(wav: Mapping[str, str], out: Path) -> dict[str, str]:
    """Return places relative to `out` for recordings below the folder that it is in, as mini's are: they move along."""
    root, own = os.path.abspath(out.parent), f"{os.path.abspath(out)}/"
    inside: dict[str, str] = {}
    for key, at in wav.items():
        place = os.path.abspath(at)
        if place.startswith(f"{root}/") and not is_pipe(at):  # os.path.relpath is slow for millions
            inside[key] = place[len(own) :] if place.startswith(own) else f"../{place[len(root) + 1 :]}"
    return {**wav, **inside}


def read_sessions(folders: Iterable[Path]) -> dict[str, str]:
    """Return utterance -> session within its speaker, of the first of SESSIONS that each data directory has."""
    found: dict[str, str] = {}
    for folder in folders:
        tables = [folder / name for name in SESSIONS if (folder / name).is_file()]
        found |= read_table(tables[0]) if tables else {}
    return found


def read_originals(folders: Iterable[str | Path]) -> dict[str, str]:
    """Read distorted copy -> the utterance that it is a copy of, of the data directories that have a utt2uniq."""
    tables = [Path(folder) / "utt2uniq" for folder in folders]
    pairs = [pair for path in tables if path.is_file() for pair in read_table(path).items()]
    return {utt: original for utt, original in pairs if utt != original}


def write_data_dir(
    out: str | Path,
    *,
    wav: Mapping[str, str] | None = None,
    segments: Mapping[str, Segment] | None = None,
    utt2spk: Mapping[str, str],
    feats: Mapping[str, str] | None = None,
    extra: Mapping[str, Mapping[str, object]] = {},
) -> None:
    """Write a data directory, each table atomically and sorted; spk2utt follows from utt2spk.

    `extra` is file name -> table, e.g. {"utt2dur": {...}}. Tables of an earlier run that are not written now
    are deleted, lest a stale `segments` be read with a new wav.scp; other files and folders stay. wav.scp
    comes last. Raises SreError where there is nothing to write.
    """
    out = Path(out)
    if not utt2spk or (wav is None and feats is None):
        raise SreError(f"{out}: no utterance is left for this data directory; look at what was asked and rejected")
    tables: dict[str, Mapping[str, Any]] = dict(extra)
    tables["utt2spk"] = utt2spk
    tables["spk2utt"] = {spk: " ".join(utts) for spk, utts in invert(utt2spk).items()}
    if segments is not None:
        tables["segments"] = {utt: str(Segment(*segment)) for utt, segment in segments.items()}
    if feats is not None:
        tables["feats.scp"] = feats
    tables |= {name: changed(tables[name], absolute) for name in ("feats.scp", "vad.scp") if name in tables}
    if wav is not None:
        tables["wav.scp"] = wav
    out.mkdir(parents=True, exist_ok=True)
    for stale in sorted(out.iterdir()):
        if UTT_TABLES.fullmatch(stale.name) and stale.name not in tables:
            stale.unlink()
    for name, table in tables.items():
        write_table(out / name, table)
