"""From the rows of a source to the tables of a data directory."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import inf
from pathlib import Path

from sre import SreError
from sre.datadir.importers import naming
from sre.datadir.importers.row import Asked, Row, minus
from sre.datadir.layout import Segment, Table
from sre.datadir.rejected import Rejected
from sre.io.ids import shown
from sre.machine.log import warn

CHANNEL = "{} [channel {}]"  # a place in wav.scp


@dataclass
class Named:
    """The utterances of a source with their ids.

    Attributes
    ----------
    rows : in the order of their paths
    utts : their ids
    speakers : speaker as in the source -> its id
    rejected : rows (id, path, reason) of what cannot be taken whatever is in the files
    renamed : ids that were made distinct
    """

    rows: list[Row]
    utts: list[str]
    speakers: dict[str, str]
    rejected: Rejected = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)


def name_rows(source: Path, rows: Iterable[Row], asked: Asked) -> Named:
    """Give each row its id. What stands twice is taken once, and that is said; what has no speaker is rejected.

    Raises SreError where nothing has a speaker, or one part of a file has two.
    """
    ordered = sorted(rows, key=lambda row: (row.file, row.channel or 0, row.start, row.end or inf, row.utterance))
    rejected: Rejected = []
    kept: list[Row] = []
    twice: list[Row] = []
    for row in ordered:
        if reason := _unusable(row, asked):
            rejected.append((row.utterance or naming.from_path(row.file, ""), row.file, reason))
        elif kept and _same(source, kept[-1], row):
            twice.append(row)
        else:
            kept.append(row)
    if ordered and not kept:
        raise SreError(
            f"{source}: none of {len(ordered)} utterances can be taken, e.g. {shown(ordered[0].file)}: {rejected[0][2]}"
        )
    if twice:
        warn(f"{source}: {len(twice)} utterances stand twice and are taken once, e.g. {shown(twice[0].file)}")
    speakers = naming.speakers_of(kept)
    shared = naming.shared_folder([row.file for row in kept])
    utts, renamed = naming.utterance_ids(kept, speakers, shared)
    return Named(kept, utts, speakers, rejected, renamed)


def _unusable(row: Row, asked: Asked) -> str:
    if "\n" in row.file or "\r" in row.file:
        return "its name has a line end in it, which no table holds; rename it"
    if not row.file.isascii() and any("\ud800" <= char <= "\udfff" for char in row.file):
        return "its name is not UTF-8; rename it"
    if not row.speaker and not asked.unlabelled:
        told = "--pattern, --speaker-part or --columns speaker=NAME"
        return f"it has no speaker; give {told}, or --unlabelled to take it without"
    return ""


def _same(source: Path, row: Row, other: Row) -> bool:
    """Return whether two rows are one utterance. Raises SreError where they contradict each other."""
    if row[:1] + row[4:6] + row[7:8] != other[:1] + other[4:6] + other[7:8]:
        return False
    if row.speaker != other.speaker:
        both = f"'{shown(row.speaker)}' and of '{shown(other.speaker)}'"
        raise SreError(f"{source}: {shown(row.file)} is of speaker {both}; delete one")
    return row.utterance == other.utterance


def base_of(source: Path, asked: Asked) -> str:
    """Return the absolute folder where relative paths of a source start."""
    return os.path.abspath(source if source.is_dir() else asked.folder or source.parent)


def tables_of(source: Path, named: Named, asked: Asked) -> dict[str, Table]:
    """Return the tables of a data directory, by their names, without durations that only audio tells.

    utt2source has the files as the source has them.
    """
    base = base_of(source, asked)
    rows, utts = named.rows, named.utts
    tables: dict[str, Table] = {"utt2source": {utt: as_value(row.file) for utt, row in zip(utts, rows, strict=True)}}
    recordings = utts
    if any(row.part or row.recording for row in rows):
        recordings = _recordings(rows)
        segments = zip(utts, rows, recordings, strict=True)
        tables["segments"] = {
            utt: str(Segment(recording, row.start, inf if row.end is None else row.end))
            for utt, row, recording in segments
        }
    places = (os.path.abspath(os.path.join(base, row.file)) for row in rows)
    channels = (row.channel for row in rows)
    tables["wav.scp"] = {
        recording: place if channel is None else CHANNEL.format(place, channel)
        for recording, place, channel in zip(recordings, places, channels, strict=True)
    }
    ids = named.speakers
    tables["utt2spk"] = {utt: ids[row.speaker] or utt for utt, row in zip(utts, rows, strict=True)}
    if any(row.session for row in rows):
        pairs = zip(utts, rows, strict=True)
        tables["utt2session"] = {utt: naming.plain(row.session) for utt, row in pairs if row.session}
    if odd := {spk: name for name, spk in ids.items() if spk != name}:
        tables["spk2name"] = {spk: as_value(name) for spk, name in odd.items()}
    return _others(source, named, recordings, tables["utt2spk"]) | tables


def _recordings(rows: Sequence[Row]) -> list[str]:
    """Return the recording's id of each row: the source's, else made from its file, once a file and channel."""
    shared = naming.shared_folder([row.file for row in rows])
    files = {(row.file, row.channel): row for row in rows}
    wanted = [row.recording or naming.from_path(row.file, shared) for row in files.values()]
    ids = dict(zip(files, naming.distinct(map(naming.plain, wanted))[0], strict=True))
    return [ids[row.file, row.channel] for row in rows]


def as_value(file: str) -> str:
    """Return a path that a table holds: one that begins with a blank gets ./ before it."""
    return f"./{file}" if file != file.strip(" \t") and not file.startswith("/") else file


def _others(source: Path, named: Named, recordings: Sequence[str], utt2spk: Table) -> dict[str, dict[str, str]]:
    """Return the tables that the rows bring along, and utt2dur of parts; an id with two values gets none."""
    found: dict[str, dict[str, str]] = {}
    clashes: dict[str, set[str]] = {}
    for utt, row, recording in zip(named.utts, named.rows, recordings, strict=True):
        for name, value in row.tables.items():
            key = {"spk2": utt2spk[utt], "reco": recording}.get(name[:4], utt)
            value = value.replace("\n", " ")
            if found.setdefault(name, {}).setdefault(key, value) != value:
                clashes.setdefault(name, set()).add(key)
        if row.end is not None:
            found.setdefault("utt2dur", {}).setdefault(utt, f"{minus(row.end, row.start):.3f}")
    for name, ids in clashes.items():
        warn(f"{source}: {len(ids)} ids have several values of {name}, e.g. {min(ids)}, and get none")
        found[name] = {key: value for key, value in found[name].items() if key not in ids}
    return {name: table for name, table in found.items() if table}
