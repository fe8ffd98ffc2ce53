"""Recordings of any format, rate and number of channels, written as files of one: mono, 16 bits, one sample rate."""

import hashlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import torch

from sre import SreError
from sre.datadir.datadir import check_other, read_data_dir, write_data_dir
from sre.datadir.ops import claim
from sre.datadir.rejected import Rejected, write_rejected
from sre.features.waves import Sound
from sre.io.atomic import atomic_output, locked
from sre.io.audio import AudioError, AudioRules, load
from sre.io.audio_file import write_audio
from sre.io.commands import by_ffmpeg, of_ffmpeg_at_once
from sre.io.place import is_pipe, split_channel
from sre.io.text import canonical, read_text
from sre.machine.log import Progress, say, warn
from sre.machine.processes import in_processes

FOLDER, MADE_OF = "audio_files", ".made_of"
AT_ONCE = 16  # recordings that a process is given
OF_THE_SOUND = ("feats.scp", "vad.scp", "utt2num_frames", "utt2num_samples")  # as it was


@dataclass(frozen=True)
class Conversion:
    """Recordings to write as files.

    Attributes
    ----------
    wav : recording -> its place
    out : folder of the files, which no other files are in
    audio_rules : sample_rate is that of the files, of which all are; channel as there
    form : flac or wav
    """

    wav: Mapping[str, str]
    out: Path
    audio_rules: AudioRules
    form: str = "flac"

    def path(self, recording: str) -> Path:
        """Return the file of a recording, in one of 256 folders."""
        folder = hashlib.sha256(recording.encode()).hexdigest()[:2]
        return self.out / folder / f"{quote(recording, safe='+=@,')}.{self.form}"


class Made(NamedTuple):
    """What a process has done: recordings, those it rejected, and those that were clipped."""

    done: int
    rejected: Rejected
    clipped: list[str]


def convert(job: Conversion, workers: int = 1) -> tuple[dict[str, str], Rejected]:
    """Write the files; return recording -> file, and rows (recording, place, reason) of those that cannot be used.

    The samples are those that features are made of, rounded to 16 bits; the bytes do not depend on the workers.
    If it was killed, the same call goes on, and one after it was complete does nothing.
    Raises SreError where the folder has other files, for a command that the rules do not allow, and without ffmpeg.
    """
    with locked(job.out.with_name(f".{job.out.name}.lock")):
        _clear(job)
        waiting = [recording for recording in sorted(job.wav) if not job.path(recording).exists()]
        if len(waiting) < len(job.wav):
            say(f"{job.out}: {len(job.wav) - len(waiting)} of {len(job.wav)} recordings are there, going on")
        progress = Progress("convert", len(waiting), "files")
        rejected: Rejected = []
        clipped: list[str] = []
        pieces = [waiting[at : at + AT_ONCE] for at in range(0, len(waiting), AT_ONCE)]
        for made in in_processes(_make, pieces, min(workers, len(pieces)) or 1, _begin, (job,)):
            rejected += made.rejected
            clipped += made.clipped
            progress.add(made.done)
        progress.close()
    if clipped:
        warn(f"{job.out}: {len(clipped)} of {len(job.wav)} recordings were clipped at full scale, e.g. '{clipped[0]}'")
    bad = {recording for recording, _, _ in rejected}
    return {recording: str(job.path(recording)) for recording in job.wav if recording not in bad}, rejected


def _clear(job: Conversion) -> None:
    """Remove files that were made of other recordings, or otherwise. Raises SreError for files that we did not make."""
    mark = job.out / MADE_OF
    digest = hashlib.sha256()
    for recording, place in sorted(job.wav.items()):
        digest.update(f"{recording} {place} {_state(place)}\n".encode())
    rules = job.audio_rules
    text = canonical({
        "sample_rate": rules.sample_rate, "channel": str(rules.channel), "form": job.form, "of": digest.hexdigest()
    })  # fmt: skip
    if mark.is_file() and read_text(mark) == text:
        return
    if job.out.exists() and any(job.out.iterdir()) and not mark.is_file():
        raise SreError(f"{job.out}: there are files in it that were not written here; name another folder")
    if job.out.exists():
        shutil.rmtree(job.out)
    with atomic_output(mark) as file:
        file.write(text)


def _state(place: str) -> str:
    """Return by what a file is known to be the same; nothing of a command, or of what is not there."""
    if is_pipe(place):
        return ""
    try:
        status = os.stat(split_channel(place)[0])
    except (OSError, ValueError):
        return ""
    return f"{status.st_size} {status.st_mtime_ns}"


def _begin(job: Conversion) -> Conversion:
    torch.set_num_threads(1)
    return job


def _make(job: Conversion, recordings: list[str]) -> Made:
    rejected: Rejected = []
    clipped: list[str] = []
    files = {recording: split_channel(job.wav[recording])[0] for recording in recordings}
    decoded = of_ffmpeg_at_once([file for file in files.values() if by_ffmpeg(file)])
    for recording in recordings:
        place, rate = job.wav[recording], job.audio_rules.sample_rate
        try:
            samples = Sound(load(place, job.audio_rules, decoded.get(files[recording])), rate).samples
        except AudioError as error:
            rejected.append((recording, place, str(error)))
            continue
        if write_audio(job.path(recording), samples, rate):
            clipped.append(recording)
    return Made(len(recordings), rejected, clipped)


def convert_data(
    source: Path, out: Path, audio_rules: AudioRules, form: str, workers: int = 1, max_rejected: float = 0.01
) -> int:
    """Write a data directory of converted recordings, with all tables but those of features; return its utterances.

    Recordings are converted whole, and segments stay as they are. What cannot be used is left out.
    Raises SreError where there is no audio, where too much of it cannot be used, and as `convert` and `claim`.
    """
    check_other(source, out)
    data = read_data_dir(source, every_table=True)
    if data.wav is None:
        raise SreError(f"{source}: no wav.scp in it; give a data directory with sound")
    claim(out, "sre data convert")
    (out / "wav.scp").unlink(missing_ok=True)
    made, rejected = convert(Conversion(data.wav, out / FOLDER, audio_rules, form), workers)
    write_rejected(out / "rejected.tsv", rejected, len(data.wav), "recordings", max_rejected)
    of = {utt: segment.recording for utt, segment in (data.segments or {}).items()}
    good = [utt for utt in data.utts if of.get(utt, utt) in made]
    kept = data.keep(good)
    rest = kept.tables.keys() - {*OF_THE_SOUND, "wav.scp", "segments", "utt2spk", "spk2utt"}
    write_data_dir(
        out,
        wav={recording: os.path.relpath(made[recording], out) for recording in kept.wav or {}},
        segments=kept.segments,
        utt2spk=kept.utt2spk or {},
        extra={name: kept.tables[name] for name in sorted(rest)},
    )
    return len(good)
