"""Kaldi data directories: wav.scp, segments, utt2spk, feats.scp … as plain dicts; audio checked by header.

Utterances are ordered bytewise, whatever the locale; nothing asks that utterance ids start with speaker ids.
"""

import math
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sre import SreError
from sre.datadir.validate import UTT_TABLES, fix_command, parse_segment, sentence, validate
from sre.io.ark import read_scp
from sre.io.atomic import atomic_output
from sre.io.audio import FFMPEG_SUFFIXES, AudioError, AudioRules, check_end, is_pipe, probe, resolve
from sre.io.scp import absolute
from sre.io.tables import invert, read_table, read_utt2spk, write_table
from sre.io.text import lines_of, read_text
from sre.machine.log import Progress, warn

__all__ = ["DataDir", "check_audio", "check_ends", "read_data_dir", "validate", "write_data_dir", "write_rejected"]

Rejected = list[tuple[str, str, str]]  # id, path, reason


@dataclass
class DataDir:
    """A data directory in memory; a table that is not there is None.

    Attributes
    ----------
    wav : recording -> openable path or command; without segments a recording is an utterance
    segments : utterance -> (recording, start, end) in seconds; inf is the recording's end
    utt2spk : utterance -> speaker
    feats : utterance -> `path:offset`
    """

    path: Path
    wav: dict[str, str] | None
    segments: dict[str, tuple[str, float, float]] | None
    utt2spk: dict[str, str] | None
    feats: dict[str, str] | None

    @property
    def utts(self) -> list[str]:
        """Utterance ids in bytewise order."""
        tables = (self.segments, self.wav, self.feats)
        return sorted(next(table for table in tables if table is not None))


def read_data_dir(path: str | Path, need_speakers: bool = True) -> DataDir:
    """Read what stands in a data directory; only wav.scp or feats.scp is needed (and utt2spk for speakers).

    Reads only; `validate` finds all that is wrong at once. Raises SreError for a missing folder or table and
    for lines that cannot be parsed.
    """
    path = Path(path)
    if not path.is_dir():
        raise SreError(f"{path}: no such data directory; check the path, or run the stage that makes it")

    def table(name: str, read: Callable = read_table) -> dict[str, str] | None:
        return read(path / name) if os.path.lexists(path / name) else None

    wav, segments, utt2spk = table("wav.scp"), table("segments"), table("utt2spk", read_utt2spk)
    feats = table("feats.scp", read_scp)
    if wav is None and feats is None:
        raise SreError(f"{path}: neither wav.scp nor feats.scp in it; a data directory needs one of them")
    if need_speakers and utt2spk is None:
        raise SreError(f"{path}: no utt2spk in it; write one `utterance speaker` line for each utterance")
    if empty := [key for key, location in (wav or {}).items() if not location]:
        raise SreError(f"{path}/wav.scp: {len(empty)} ids have no file, e.g. '{empty[0]}'; write it or delete the line")
    cut = None if segments is None else {key: parse_segment(path, key, value) for key, value in segments.items()}
    lost = [utt for utt, (recording, _, _) in (cut or {}).items() if wav is not None and recording not in wav]
    if lost:
        raise SreError(
            f"{path}/segments: {len(lost)} segments are of recordings not in wav.scp, e.g. {cut[lost[0]][0]} of"
            f" {lost[0]}; add them, or run `{fix_command(path)}` to drop them"
        )
    return DataDir(
        path,
        None if wav is None else {key: resolve(location, path) for key, location in wav.items()},
        cut,
        utt2spk,
        feats,
    )


def check_audio(wav: Mapping[str, str], rules: AudioRules, threads: int = 8) -> tuple[dict[str, float], Rejected]:
    """Return durations in seconds by header, and rejected rows (id, path, reason), both in bytewise order of ids.

    What only decoding tells the duration of (commands, m4a, a FLAC or MP3 without it) is in neither. Raises SreError at
    once where m4a or aac needs ffmpeg and there is none.
    """
    keys = sorted(wav)
    _check_ffmpeg(wav[key] for key in keys)

    def one(key: str) -> float | str:
        try:
            return probe(wav[key], rules)
        except AudioError as error:
            return str(error)

    durations: dict[str, float] = {}
    rejected: Rejected = []
    progress = Progress("audio headers", len(keys), "files")
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(keys), 4096):  # map() holds a future for each: not for a million files at once
            part = keys[start : start + 4096]
            for key, result in zip(part, pool.map(one, part), strict=True):
                if isinstance(result, str):
                    rejected.append((key, wav[key], result))
                elif not math.isnan(result):
                    durations[key] = result
            progress.add(len(part))
    progress.close(f"({len(rejected)} rejected)" if rejected else "")
    return durations, rejected


def check_ends(path: str | Path) -> list[str]:
    """A sentence on the segments that end after their recordings, by headers and reco2dur; nothing where none does.

    Raises SreError as `read_data_dir`.
    """
    data = read_data_dir(path, need_speakers=False)
    if data.segments is None or data.wav is None:
        return []
    table = Path(path) / "reco2dur"
    told = {key: float(seconds) for key, seconds in read_table(table).items()} if table.exists() else {}
    used = {recording for recording, _, _ in data.segments.values()}
    files = {key: data.wav[key] for key in used if Path(data.wav[key]).suffix.lower() not in FFMPEG_SUFFIXES}
    told |= check_audio(files, AudioRules(resample=True))[0]
    bad = []
    for utt, (recording, _, end) in data.segments.items():
        try:
            check_end(end, told.get(recording, math.inf))
        except AudioError as error:
            bad.append(f"{utt}: {error}")
    if not bad:
        return []
    what = "segments end after their recordings"
    return [sentence(data.path / "segments", len(bad), what, bad[0], "mend their times, or delete them")]


def _check_ffmpeg(locations: Iterable[str]) -> None:
    for location in locations:
        if not is_pipe(location) and Path(location).suffix.lower() in FFMPEG_SUFFIXES:
            if shutil.which("ffmpeg") is None:
                raise SreError(
                    f"{location}: ffmpeg is needed for this format; install it (apt-get install ffmpeg),"
                    " or convert the corpus to wav or flac"
                )
            return


def write_rejected_rows(path: str | Path, rows: Rejected) -> None:
    """`id path reason` lines under a header, by tabs; a reason of several lines (ffmpeg's) becomes one."""
    with atomic_output(path) as file:
        file.write("id\tpath\treason\n")
        for key, location, reason in sorted(rows):
            row = key, re.sub(r"[\t\r\n]+", " ", location), " ".join(reason.split())
            file.write("\t".join(row).encode("utf-8", "backslashreplace").decode() + "\n")


def read_rejected_rows(path: str | Path) -> Rejected:
    """The rows that `write_rejected_rows` wrote. Raises SreError where there is no header or a line is no such row."""
    rows = [tuple(line.split("\t")) for line in lines_of(read_text(path))]
    wrong = next((number for number, row in enumerate(rows, 1) if len(row) != 3), None)
    if wrong or rows[:1] != [("id", "path", "reason")]:
        raise SreError(f"{path}:{wrong or 1}: cut short, not `id path reason` by tabs; make it again")
    return rows[1:]


def write_rejected(
    path: str | Path,
    rows: Rejected,
    total: int,
    what: str,
    max_fraction: float = 0.01,
    needed: Collection[str] = (),
) -> None:
    """Write rejected.tsv (`id path reason`; the header alone where nothing was rejected), then judge it.

    Raises SreError where all were rejected, or more than `max_fraction` of `total` (a single one is tolerated, but
    not where `max_fraction` is 0), or one that is `needed` (by a trial). `what` names the things: "recordings".
    """
    write_rejected_rows(path, rows)
    if not rows:
        return
    key, location, reason = min(rows)
    example = f"e.g. {key} ({location}): {reason}"
    if len(rows) == total:
        raise SreError(f"{path}: all {total} {what} are rejected, {example}; mend them, or give others")
    allowed = max(max_fraction * total, 1) if max_fraction > 0 else 0
    if len(rows) > allowed:
        raise SreError(
            f"{path}: {len(rows)} of {total} {what} are rejected, more than max_rejected ({max_fraction:.3g}) allows,"
            f" {example}; mend them, take them out of the corpus, or set a larger max_rejected (--max-rejected)"
        )
    wanted = set(needed)
    missing = sorted(row for row in rows if row[0] in wanted)
    if missing:
        key, location, reason = missing[0]
        raise SreError(
            f"{path}: {len(missing)} rejected {what} stand in a trial list, e.g. {key} ({location}): {reason}"
            "; mend them or take their trials out of the list"
        )
    warn(f"{path}: {len(rows)} of {total} {what} rejected and left out, {example}")


def write_data_dir(
    out: str | Path,
    *,
    wav: Mapping[str, str] | None = None,
    segments: Mapping[str, tuple[str, float, float]] | None = None,
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
    tables: dict[str, Mapping[str, object]] = dict(extra)
    tables["utt2spk"] = utt2spk
    tables["spk2utt"] = {spk: " ".join(utts) for spk, utts in invert(utt2spk).items()}
    if segments is not None:
        ends = {utt: "-1" if end == math.inf else repr(end) for utt, (_, _, end) in segments.items()}
        tables["segments"] = {utt: f"{rec} {start!r} {ends[utt]}" for utt, (rec, start, _) in segments.items()}
    if feats is not None:
        tables["feats.scp"] = feats
    tables |= {name: absolute(tables[name]) for name in ("feats.scp", "vad.scp") if name in tables}
    if wav is not None:
        tables["wav.scp"] = wav
    out.mkdir(parents=True, exist_ok=True)
    for stale in sorted(out.iterdir()):
        if UTT_TABLES.fullmatch(stale.name) and stale.name not in tables:
            stale.unlink()
    for name, table in tables.items():
        write_table(out / name, table)
