"""The recordings of a data directory, checked by their headers: which can be used, and how long they are."""

import math
import shutil
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sre import SreError
from sre.datadir.datadir import read_data_dir
from sre.datadir.layout import sentence
from sre.datadir.rejected import Rejected
from sre.io.audio import FFMPEG_SUFFIXES, AudioError, AudioRules, check_end, is_pipe, probe
from sre.io.tables import read_table
from sre.machine.log import Progress


def check_audio(wav: Mapping[str, str], audio_rules: AudioRules, threads: int = 8) -> tuple[dict[str, float], Rejected]:
    """Return durations in seconds by header, and rejected rows (id, path, reason), both in bytewise order of ids.

    What only decoding tells the duration of (commands, m4a, a FLAC or MP3 without it) is in neither. Raises SreError at
    once where m4a or aac needs ffmpeg and there is none.
    """
    keys = sorted(wav)
    _check_ffmpeg(wav[key] for key in keys)

    def one(key: str) -> float | str:
        try:
            return probe(wav[key], audio_rules)
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
    """Return a sentence on the segments that end after their recordings, by headers and reco2dur; [] where none does.

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
    needed = (at for at in locations if not is_pipe(at) and Path(at).suffix.lower() in FFMPEG_SUFFIXES)
    if (location := next(needed, None)) and shutil.which("ffmpeg") is None:
        raise SreError(
            f"{location}: ffmpeg is needed for this format; install it (apt-get install ffmpeg),"
            " or convert the corpus to wav or flac"
        )
