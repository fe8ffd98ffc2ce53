"""What is in a data directory: speakers, utterances, hours, and how they are spread."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import soundfile

from sre.datadir.datadir import DataDir
from sre.datadir.durations import told_durations
from sre.io.commands import by_ffmpeg, of_ffmpeg
from sre.io.place import is_pipe, split_channel
from sre.io.promise import AudioError, Buffer
from sre.machine.log import Progress

OF_FEW_VALUES = 12  # a table with no more values is told by value
QUANTILES = {"least": 0.0, "median": 0.5, "95 %": 0.95, "most": 1.0}


def describe(data: DataDir, open_audio: bool = False) -> list[tuple[str, str]]:
    """Return (what, number or spread) lines of a data directory that was read with every table.

    open_audio : the headers of the recordings are read, for rates and channels
    """
    return list(_lines(data, open_audio))


def _lines(data: DataDir, open_audio: bool) -> Iterator[tuple[str, str]]:
    utts = data.utts
    owners = dict((data.utt2spk or {}).items())
    yield "utterances", str(len(utts))
    if data.utt2spk is not None:
        counts = Counter(owners.values())
        yield "speakers", str(len(counts))
        yield "utterances of a speaker", _spread(list(counts.values()), "{:g}")
    if "segments" in data.tables and data.wav is not None:
        yield "recordings", str(len(data.wav))
    seconds = told_durations(data)
    if seconds:
        some = "" if len(seconds) == len(utts) else f" in the {len(seconds)} utterances whose length a table tells"
        yield "hours", f"{sum(seconds.values()) / 3600:.2f}{some}"
        yield "seconds of an utterance", _spread(list(seconds.values()), "{:.2f}")
        minutes: Counter[str] = Counter()
        for utt in seconds.keys() & owners.keys():
            minutes[owners[utt]] += seconds[utt] / 60  # type: ignore[assignment]  # a Counter adds floats as well
        if minutes:
            yield "minutes of a speaker", _spread(list(minutes.values()), "{:.2f}")
    else:
        yield "hours", "unknown: no segments, utt2dur or reco2dur"
    for name in sorted(data.tables.keys() - {"wav.scp", "segments", "utt2spk", "spk2utt", "utt2dur", "reco2dur"}):
        yield name, _values(data, name)
    if open_audio and data.wav is not None:
        yield from _of_audio(list(data.wav.values()))


def _spread(values: Sequence[float], form: str) -> str:
    found = np.quantile(np.array(values), list(QUANTILES.values()), method="nearest")
    return ", ".join(f"{name} {form.format(value)}" for name, value in zip(QUANTILES, found, strict=True))


def _values(data: DataDir, name: str) -> str:
    table = data.tables[name]
    whole = len(set((data.utt2spk or {}).values())) if name.startswith("spk2") else len(data.utts)
    of = "speakers" if name.startswith("spk2") else "recordings" if name.startswith("reco2") else "utterances"
    told = f"{len(table)} of {whole} {of}" if len(table) < whole else f"all {of}"
    counts = Counter(table.values())
    if name.endswith(".scp") or name == "text" or len(counts) == len(table):
        return told
    if len(counts) > OF_FEW_VALUES:
        return f"{told}, {len(counts)} values"
    return f"{told}: {', '.join(f'{value} {count}' for value, count in sorted(counts.items()))}"


def _of_audio(places: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield the rates and channels of recordings; commands are not run, and what ffmpeg reads is decoded."""
    rates: Counter[str] = Counter()
    channels: Counter[str] = Counter()
    progress = Progress("audio headers", len(places), "files")
    for place in places:
        rate, number = _rate_and_channels(place)
        rates[rate] += 1
        channels[number] += 1
        progress.add(1)
    progress.close()
    yield "rates", ", ".join(f"{rate}: {count}" for rate, count in sorted(rates.items()))
    yield "channels", ", ".join(f"{number}: {count}" for number, count in sorted(channels.items()))


def _rate_and_channels(place: str) -> tuple[str, str]:
    if is_pipe(place):
        return "commands", "commands"
    file = split_channel(place)[0]
    try:
        header = soundfile.info(Buffer(of_ffmpeg(file)[0]) if by_ffmpeg(file) else file)
    except (soundfile.LibsndfileError, AudioError, OSError):
        return "unreadable", "unreadable"
    return f"{header.samplerate} Hz", str(header.channels)
