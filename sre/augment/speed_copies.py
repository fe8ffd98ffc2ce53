"""Copies of a data directory at other speeds, as files: other voices, as of Kaldi's perturb_data_dir_speed.sh."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import soundfile
import torch

from sre import SreError
from sre.augment.copies import AT_ONCE, FOLDER, MADE_OF, OF_THE_CLEAN, begin
from sre.augment.speed import change_speed
from sre.datadir.datadir import DataDir, check_other, write_data_dir
from sre.datadir.ops import claim
from sre.datadir.rejected import Rejected, write_rejected
from sre.features.waves import Waves
from sre.io.atomic import locked, sha256_text
from sre.io.audio import AudioRules
from sre.io.audio_file import write_audio
from sre.machine.log import Progress, say
from sre.machine.processes import in_processes

OF_THE_SPEED = (*OF_THE_CLEAN, "vad.scp", "utt2dur")  # tables that do not hold at another speed


@dataclass(frozen=True)
class SpeedCopies:
    """What is copied, and at which speeds: 1.1 is faster, higher and shorter."""

    data: DataDir
    out: Path
    factors: tuple[float, ...]
    audio_rules: AudioRules

    def path(self, utt: str, factor: float) -> Path:
        """Return the file of a copy, in one of 256 folders."""
        folder = hashlib.sha256(utt.encode()).hexdigest()[:2]
        return self.out / FOLDER / folder / f"{quote(copy_id(factor, utt), safe='+=@,')}.flac"


def copy_id(factor: float, key: str) -> str:
    """Return the id of an utterance's or speaker's copy, as Kaldi has it: sp0.9-ID."""
    return f"sp{factor:g}-{key}"


def copy_speeds(job: SpeedCopies, workers: int = 1, max_rejected: float = 0.01) -> int:
    """Write the copies as a data directory with FLAC files (16 bit) of its utterances; return how many there are.

    Each copy has an utterance and a speaker of its own, `sp0.9-ID`, and utt2uniq has the utterance that it is of. If it
    was killed, the same call goes on. max_rejected : share of the utterances that may be unusable
    Raises SreError where there is no audio, or too much of it cannot be used, and as `claim`.
    """
    if job.data.wav is None:
        raise SreError(f"{job.data.path}: no wav.scp in it; give a data directory with sound")
    check_other(job.data.path, job.out)
    claim(job.out, "copy_speeds")
    utts = job.data.utts
    with locked(job.out / ".lock"):
        tables = [job.data.path / name for name in ("wav.scp", "segments") if name in job.data.tables]
        asked = {
            "factors": job.factors,
            "audio": repr(job.audio_rules),
            "tables": [[str(path.resolve()), path.stat().st_mtime_ns] for path in tables],
            "utts": sha256_text(" ".join(utts)),
        }
        begin(job.out, asked)
        waiting = [utt for utt in utts if not all(job.path(utt, factor).exists() for factor in job.factors)]
        progress, rejected = Progress("speed copies", len(waiting), "utterances"), Rejected()
        pieces = [waiting[at : at + AT_ONCE] for at in range(0, len(waiting), AT_ONCE)]
        for done, bad in in_processes(_make, pieces, workers, _begin, (job,)):
            rejected += bad
            progress.add(done)
        progress.close()
        write_rejected(job.out / "rejected.tsv", rejected, len(utts), "utterances", max_rejected)
        good = sorted(set(utts) - {utt for utt, _, _ in rejected})
        _write_tables(job, good)
        (job.out / FOLDER / MADE_OF).unlink()  # complete: the next call begins anew
    return len(good) * len(job.factors)


def _begin(job: SpeedCopies) -> SpeedCopies:
    torch.set_num_threads(1)
    return job


def _make(job: SpeedCopies, utts: list[str]) -> tuple[int, Rejected]:
    """Write the files of some utterances."""
    waves = Waves(job.data, job.audio_rules)
    for utt, wave in waves.read(utts):
        for factor in job.factors:
            write_audio(job.path(utt, factor), change_speed(wave, factor), job.audio_rules.sample_rate)
    return len(utts), waves.rejected


def _write_tables(job: SpeedCopies, utts: list[str]) -> None:
    kept = job.data.keep(utts)
    speakers = dict((kept.utt2spk or {}).items())
    tables: dict[str, dict[str, str]] = {"utt2uniq": {}, "utt2dur": {}}
    wav: dict[str, str] = {}
    utt2spk: dict[str, str] = {}
    for factor in job.factors:
        for utt in utts:
            new, file = copy_id(factor, utt), job.path(utt, factor)
            wav[new], utt2spk[new] = str(file.relative_to(job.out)), copy_id(factor, speakers[utt])
            tables["utt2uniq"][new] = kept.tables.get("utt2uniq", {}).get(utt, utt)
            tables["utt2dur"][new] = f"{soundfile.info(file).duration:.3f}"
        for name in kept.tables.keys() - {*OF_THE_SPEED, "utt2uniq"}:
            if not name.startswith("reco2"):
                rows = kept.tables[name].items()
                tables.setdefault(name, {}).update({copy_id(factor, key): value for key, value in rows})
    write_data_dir(job.out, wav=wav, utt2spk=utt2spk, extra=tables)
    speeds = ", ".join(f"{factor:g}" for factor in job.factors)
    hours = sum(map(float, tables["utt2dur"].values())) / 3600
    say(f"{job.out}: {len(wav)} utterances, {hours:.2f} hours, copies of {len(utts)} of {job.data.path} at {speeds}")
