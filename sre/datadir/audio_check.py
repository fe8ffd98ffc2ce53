"""The recordings of a data directory, checked by their headers: which can be used, and how long they are."""

import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from sre.datadir.datadir import read_data_dir
from sre.datadir.layout import parse_segment, recording_of, sentence
from sre.datadir.rejected import Rejected
from sre.io.audio import MIX, AudioError, AudioRules, Header, by_ffmpeg, check_end, look
from sre.io.commands import need_ffmpeg
from sre.io.tables import read_table
from sre.machine.log import Progress, say


class Headers(NamedTuple):
    """What headers tell: seconds by recording, rejected rows, how many have several channels, and another rate."""

    durations: dict[str, float]
    rejected: Rejected
    several: int
    other: int


def check_audio(wav: Mapping[str, str], audio_rules: AudioRules, threads: int = 8) -> tuple[dict[str, float], Rejected]:
    """Return durations in seconds by header, and rejected rows (id, path, reason), both in bytewise order of ids.

    What only decoding tells the duration of (commands, m4a, a FLAC or MP3 without it) is in neither. How many will be
    mixed or resampled is said. Raises SreError at once where a format needs ffmpeg and there is none.
    """
    found = headers_of(wav, audio_rules, threads)
    if found.several:
        say(f"{found.several} of {len(wav)} recordings have several channels (channel: {audio_rules.channel})")
    if found.other:
        rate = audio_rules.sample_rate
        say(f"{found.other} of {len(wav)} recordings are of another rate than {rate} Hz (resample: true)")
    return found.durations, found.rejected


def headers_of(wav: Mapping[str, str], audio_rules: AudioRules, threads: int = 8) -> Headers:
    """Read the headers of recordings, in bytewise order of their ids. Raises SreError as `check_audio`."""
    keys = sorted(wav)
    if location := next((wav[key] for key in keys if by_ffmpeg(wav[key])), None):
        need_ffmpeg(location)

    def one(key: str) -> Header | str:
        try:
            return look(wav[key], audio_rules)
        except AudioError as error:
            return str(error)

    durations: dict[str, float] = {}
    rejected: Rejected = []
    several = other = 0
    progress = Progress("audio headers", len(keys), "files")
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(keys), 4096):  # map() holds a future for each: not for a million files at once
            part = keys[start : start + 4096]
            for key, result in zip(part, pool.map(one, part), strict=True):
                if isinstance(result, str):
                    rejected.append((key, wav[key], result))
                    continue
                several += result.channels > 1
                other += result.sample_rate not in (0, audio_rules.sample_rate)
                if not math.isnan(result.seconds):
                    durations[key] = result.seconds
            progress.add(len(part))
    progress.close(f"({len(rejected)} rejected)" if rejected else "")
    return Headers(durations, rejected, several, other)


def check_ends(path: str | Path) -> list[str]:
    """Return a sentence on the segments that end after their recordings, by headers and reco2dur; [] where none does.

    Raises SreError as `read_data_dir`.
    """
    if not (Path(path) / "segments").exists() or not (Path(path) / "wav.scp").exists():
        return []
    data = read_data_dir(path, need_speakers=False, every_table=True)
    assert data.wav is not None
    table = Path(path) / "reco2dur"
    told = {key: float(seconds) for key, seconds in read_table(table).items()} if table.exists() else {}
    lines = data.tables["segments"]
    used = set(map(recording_of, lines.values()))
    files = {key: data.wav[key] for key in used if not by_ffmpeg(data.wav[key])}
    told |= headers_of(files, AudioRules(resample=True, channel=MIX)).durations
    bad = []
    for utt, value in lines.items():
        recording, _, end = parse_segment(data.path, utt, value)
        try:
            check_end(end, told.get(recording, math.inf))
        except AudioError as error:
            bad.append(f"{utt}: {error}")
    if not bad:
        return []
    what = "segments end after their recordings"
    return [sentence(data.path / "segments", len(bad), what, bad[0], "mend their times, or delete them")]
