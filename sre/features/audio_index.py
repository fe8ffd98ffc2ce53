"""How many samples each utterance of a data directory has that can be used: DATA/audio."""

import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from sre import SreError
from sre.datadir.audio_check import check_audio
from sre.datadir.datadir import DataDir
from sre.datadir.layout import Segment
from sre.datadir.rejected import Rejected, write_rejected
from sre.io.atomic import atomic_output, locked
from sre.io.audio import MAX_OVERRUN_S, MIN_DURATION_S, AudioError, AudioRules, check_end, load
from sre.io.tables import read_table, write_table
from sre.io.text import canonical, read_object
from sre.machine.cores import available_cores
from sre.machine.log import Progress, say

FOLDER, COUNTS = "audio", "utt2num_samples"
THREADS = 8  # at least, that wait for the disk, and for ffmpeg
AT_ONCE = 4096  # recordings that wait for a thread


def count_samples(data: DataDir, audio_rules: AudioRules, decode: bool = False) -> tuple[dict[str, int], Rejected]:
    """Return utterance -> samples at the features' rate, and rows (utterance, path, reason) of what cannot be used.

    decode : every recording is decoded, and what is damaged, silent or not finite is among the rows. Else only what has
    no length in its header is decoded: commands, m4a, some FLAC and MP3.
    Raises SreError without
    wav.scp, for a command that the rules do not allow, and where ffmpeg is needed and not installed.
    """
    if data.wav is None:
        raise SreError(f"{data.path}: no wav.scp in it; give a data directory with sound")
    segments = data.segments or {}
    parts = {utt: segments.get(utt, Segment(utt, 0.0, math.inf)) for utt in data.utts}
    wav = {name: data.wav[name] for name in {part.recording for part in parts.values()}}
    seconds, rejected = check_audio(wav, audio_rules, THREADS)
    reasons = {name: reason for name, _, reason in rejected}
    unknown = wav.keys() - reasons.keys() if decode else wav.keys() - seconds.keys() - reasons.keys()
    for name, found in _decoded(sorted(unknown), wav, audio_rules):
        if isinstance(found, str):
            reasons[name] = found
        else:
            seconds.setdefault(name, found)
    counts: dict[str, int] = {}
    rows: Rejected = []
    for utt, part in parts.items():
        try:
            if part.recording in reasons:
                raise AudioError(reasons[part.recording])
            counts[utt] = _samples_of(part, seconds[part.recording], audio_rules.sample_rate)
        except AudioError as error:
            rows.append((utt, wav[part.recording], str(error)))
    return counts, rows


def _decoded(names: list[str], wav: Mapping[str, str], audio_rules: AudioRules) -> Iterator[tuple[str, float | str]]:
    """Yield recordings with their seconds, or the reason why they cannot be used."""
    progress = Progress("decode", len(names), "files")
    with ThreadPoolExecutor(max(THREADS, available_cores())) as pool:
        for start in range(0, len(names), AT_ONCE):
            part = names[start : start + AT_ONCE]
            told = pool.map(partial(_decoded_seconds, audio_rules=audio_rules), [wav[name] for name in part])
            yield from zip(part, told, strict=True)
            progress.add(len(part))
    if names:
        progress.close()


def _decoded_seconds(location: str, audio_rules: AudioRules) -> float | str:
    try:
        return load(location, audio_rules).duration
    except AudioError as error:
        return str(error)


def _samples_of(part: Segment, seconds: float, rate: int) -> int:
    """Return the samples of a part of a recording of so many seconds, as `Sound.piece` cuts it.

    Raises AudioError where it ends after the recording, or is too short.
    """
    check_end(part.end, seconds)
    whole = math.ceil(round(seconds * rate, 5))  # as resampling leaves them
    end = min(part.end, seconds + MAX_OVERRUN_S)
    samples = min(whole, int(end * rate + 0.5)) - int(part.start * rate + 0.5)
    if samples < MIN_DURATION_S * rate:
        raise AudioError(f"too short: {samples / rate:.3f} s, at least {MIN_DURATION_S} s are needed")
    return samples


def write_index(data: DataDir, audio_rules: AudioRules, out: Path, max_rejected: float, decode: bool = True) -> None:
    """Write out/{utt2num_samples,config,rejected.tsv}. Raises SreError where too much is rejected.

    decode : as of `count_samples`; what cannot be decoded would end a training that draws it
    """
    with locked(out / ".index.lock"):
        counts, rows = count_samples(data, audio_rules, decode)
        write_rejected(out / "rejected.tsv", rows, len(data.utts), "utterances", max_rejected)
        with atomic_output(out / "config") as file:
            file.write(canonical(_facts(audio_rules)) + "\n")
        write_table(out / COUNTS, counts)
    hours = sum(counts.values()) / audio_rules.sample_rate / 3600
    say(f"{data.path}: {len(counts)} utterances, {hours:.2f} h at {audio_rules.sample_rate} Hz, {len(rows)} rejected")


def _facts(audio_rules: AudioRules) -> dict[str, object]:
    chosen = {} if audio_rules.channel is None else {"channel": str(audio_rules.channel)}
    return {"sample_rate": audio_rules.sample_rate, "resample": audio_rules.resample, **chosen}


def rules_like_index(data: Path, rules: AudioRules) -> AudioRules:
    """Return rules with the conversion and the channel by which DATA/audio was made; without it as they are."""
    folder = data / FOLDER
    if not (folder / COUNTS).is_file():
        return rules
    made = read_object(folder / "config", {"resample": bool}, f"run python -m steps.index_audio {data} {folder}")
    channel = str(made["channel"]) if "channel" in made else None
    number = int(channel) if channel and channel.isdigit() else channel
    return replace(rules, resample=made["resample"], channel=number)


class AudioIndex:
    """The utterances of a data directory that have usable audio, by DATA/audio alone.

    scp : utt2num_samples, by which errors name it
    places : utterance -> samples, as text
    """

    holds = "usable audio"

    def __init__(self, folder: Path) -> None:
        self.scp = folder / COUNTS
        self.places = read_table(self.scp)

    @property
    def hours(self) -> float:
        """The hours of the samples that can be used."""
        remedy = "delete it, and it is made again"
        rate = read_object(self.scp.parent / "config", {"sample_rate": int}, remedy)["sample_rate"]
        return sum(map(int, self.places.values())) / rate / 3600


def read_index(data: DataDir, audio_rules: AudioRules) -> tuple[Mapping[str, int], Rejected]:
    """Return utterance -> samples at the features' rate: what DATA/audio has, or without it what headers tell.

    The rows are those of utterances that headers reject; what DATA/audio rejected was judged when it was made.

    Raises SreError where DATA/audio is of other rules or another wav.scp, and as `count_samples`.
    """
    folder, remedy = data.path / FOLDER, f"run python -m steps.index_audio {data.path} {data.path / FOLDER}"
    if not (folder / COUNTS).is_file():
        return count_samples(data, audio_rules)
    if read_object(folder / "config", {"sample_rate": int}, remedy) != _facts(audio_rules):
        raise SreError(
            f"{folder}: made by other rules (sample_rate, resample, channel); {remedy} with the recipe's --audio"
        )
    counts: dict[str, int] = {}
    for utt, count in read_table(folder / COUNTS).items():
        if not (count.isascii() and count.isdigit()):
            raise SreError(f"{folder / COUNTS}: '{utt} {count}' is not `utterance samples`; {remedy}")
        counts[utt] = int(count)
    if strange := counts.keys() - set(data.utts):
        raise SreError(f"{folder / COUNTS}: '{min(strange)}' is no utterance of {data.path}; {remedy}")
    return counts, []
