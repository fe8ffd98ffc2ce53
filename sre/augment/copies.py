"""A split distorted into files, as in Kaldi's recipes: the same utterances, labels and VAD beside other sound."""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import torch

from sre import SreError
from sre.augment.distorter import Distorter
from sre.datadir.datadir import DataDir, check_other, write_data_dir
from sre.datadir.layout import Table
from sre.datadir.ops import claim
from sre.datadir.rejected import Rejected, write_rejected
from sre.features.waves import Waves
from sre.io.atomic import atomic_output, locked, sha256_text
from sre.io.audio import AudioRules
from sre.io.audio_file import write_audio
from sre.io.text import canonical, read_text
from sre.machine.log import Progress, say, warn
from sre.machine.processes import in_processes

FOLDER, MADE_OF = "audio", ".made_of"
NOISE_TABLES = ("wav.scp", "utt2category", "reco2dur")  # by which noises and rooms are drawn
AT_ONCE = 64  # utterances that a process is given
# tables that are of the sound as it was, or of recordings, which the copy's utterances are themselves
OF_THE_CLEAN = ("wav.scp", "segments", "feats.scp", "utt2num_frames", "utt2num_samples", "utt2spk", "spk2utt")


@dataclass(frozen=True)
class Copying:
    """What a copy of a split is made of.

    Attributes
    ----------
    data : the split
    suffix : of the copy's utterance ids; "": they stay as they are
    seed : of the draws, which depend on it, on the suffix and on the utterance's id alone
    """

    data: DataDir
    out: Path
    distorter: Distorter
    audio_rules: AudioRules
    seed: int = 1
    suffix: str = ""

    def path(self, utt: str) -> Path:
        """Return the file of a clean utterance's copy, in one of 256 folders."""
        folder = hashlib.sha256(utt.encode()).hexdigest()[:2]
        return self.out / FOLDER / folder / f"{quote(utt + self.suffix, safe='+=@,')}.flac"

    def draw(self, utt: str) -> np.random.Generator:
        """Return the generator of an utterance's draws."""
        return np.random.default_rng(int(sha256_text(f"{self.seed} {self.suffix} {utt}")[:32], 16))


class Made(NamedTuple):
    """What a process has done: utterances, those it rejected, and distortions left out, by reason."""

    done: int
    rejected: Rejected
    left_out: dict[str, int]


def copy_distorted(job: Copying, workers: int = 1, max_rejected: float = 0.01) -> int:
    """Write the copy as a data directory with FLAC files (16 bit) of its utterances; return how many there are.

    Segments become files of their own, so that an SNR is that of the utterance. All tables of the utterances and
    speakers are carried over, vad.scp too: noise would be taken for speech. If it was killed, the same call goes on.
    max_rejected : share of the utterances that may be unusable
    Raises SreError where the split has no audio, or too much of it cannot be used, and as `claim`.
    """
    if job.data.wav is None:
        raise SreError(f"{job.data.path}: no wav.scp in it; give a data directory with sound")
    check_other(job.data.path, job.out)
    claim(job.out, "copy_distorted")
    with locked(job.out / ".lock"):
        _clear(job)
        utts = job.data.utts
        waiting = [utt for utt in utts if not job.path(utt).exists()]
        if len(waiting) < len(utts):
            say(f"{job.out}: {len(utts) - len(waiting)} of {len(utts)} utterances are there, going on")
        progress = Progress("distorted copy", len(waiting), "utterances")
        rejected: Rejected = []
        left_out: dict[str, int] = {}
        pieces = [waiting[at : at + AT_ONCE] for at in range(0, len(waiting), AT_ONCE)]
        for made in in_processes(_make, pieces, workers, _begin, (job,)):
            rejected += made.rejected
            for reason, count in made.left_out.items():
                left_out[reason] = left_out.get(reason, 0) + count
            progress.add(made.done)
        progress.close()
        write_rejected(job.out / "rejected.tsv", rejected, len(utts), "utterances", max_rejected)
        for reason, count in left_out.items():
            warn(f"{job.out}: {count} of {len(utts)} utterances are without {reason}")
        good = sorted(set(utts) - {utt for utt, _, _ in rejected})
        _write_tables(job, good)
        (job.out / FOLDER / MADE_OF).unlink()  # complete: the next call begins anew
    return len(good)


def _clear(job: Copying) -> None:
    manifests = [one for one in (job.distorter.noises, job.distorter.rooms) if one is not None]
    folders = [(job.data.path, ("wav.scp", "segments")), *((one.path, NOISE_TABLES) for one in manifests)]
    tables = [folder / name for folder, names in folders for name in names if (folder / name).is_file()]
    asked: dict[str, Any] = {
        "steps": repr(job.distorter.steps),
        "seed": job.seed,
        "suffix": job.suffix,
        "audio": repr(job.audio_rules),
        "tables": [[str(path.resolve()), path.stat().st_mtime_ns] for path in tables],
        "utts": sha256_text(" ".join(job.data.utts)),
    }
    begin(job.out, asked)


def begin(out: Path, asked: dict[str, Any]) -> None:
    """Remove what is there of a copy that another thing was asked of, or that is complete; its wav.scp first."""
    mark, text = out / FOLDER / MADE_OF, canonical(asked)
    if mark.is_file() and read_text(mark) == text:
        return
    (out / "wav.scp").unlink(missing_ok=True)
    if (out / FOLDER).exists():
        shutil.rmtree(out / FOLDER)
    with atomic_output(mark) as file:
        file.write(text)


def _begin(job: Copying) -> Copying:
    torch.set_num_threads(1)
    return job


def _make(job: Copying, utts: list[str]) -> Made:
    """Write the files of some utterances."""
    waves, distorter = Waves(job.data, job.audio_rules), job.distorter
    distorter.left_out.clear()
    for utt, wave in waves.read(utts):
        write_audio(job.path(utt), distorter(wave, job.draw(utt)), job.audio_rules.sample_rate)
    return Made(len(utts), waves.rejected, dict(distorter.left_out))


def _write_tables(job: Copying, utts: list[str]) -> None:
    kept = job.data.keep(utts)
    tables: dict[str, Table] = {}
    for name, table in kept.tables.items():
        if name in OF_THE_CLEAN or name.startswith("reco2"):
            continue
        tables[name] = (
            table if name.startswith("spk2") else {f"{utt}{job.suffix}": value for utt, value in table.items()}
        )
    if job.suffix:
        tables["utt2uniq"] = {f"{utt}{job.suffix}": kept.tables.get("utt2uniq", {}).get(utt, utt) for utt in utts}
    speakers = kept.utt2spk or {}
    write_data_dir(
        job.out,
        wav={f"{utt}{job.suffix}": str(job.path(utt).relative_to(job.out)) for utt in utts},
        utt2spk={f"{utt}{job.suffix}": speakers[utt] for utt in utts},
        extra=tables,
    )
    say(f"{job.out}: {len(utts)} utterances of {len(set(speakers.values()))} speakers, a copy of {job.data.path}")
