"""The qualities of a data directory's utterances: seconds that networks see, and an estimate of the SNR."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sre import SreError
from sre.datadir.datadir import DataDir, read_data_dir
from sre.features.snr import estimate_snr
from sre.features.trim import fixed_samples
from sre.features.types import options_of
from sre.features.waves import Waves
from sre.io.audio import AudioRules
from sre.io.bulk import read_counts
from sre.io.quality import Quality, write_qualities
from sre.io.text import read_object
from sre.machine.log import Progress, say
from sre.machine.processes import in_processes

AT_ONCE = 64  # utterances that a process is given
SAMPLES = "utt2num_samples"
REMEDY = "make it again"


def measure(
    data: str | Path,
    counts: Path,
    out: Path,
    sound: AudioRules | None,
    workers: int = 1,
    features: Mapping[str, Any] | None = None,
) -> None:
    """Write the utt2quality of a data directory.

    counts : frames or samples of its utterances, as features and DATA/audio have them; what has none was rejected when
        these were made, and is counted and left out
    sound : how audio is read for the SNR; None: the SNR is not estimated
    features : resolved config of those that are made of counted samples; None: the seconds of the samples count
    Raises SreError where nothing has a count, and where there is no audio for the SNR.
    """
    folder = read_data_dir(data)
    beside = counts.parent / "config"
    config = read_object(beside, {}, REMEDY) if beside.is_file() else {}
    seconds = _seconds(folder, counts, config, features)
    trim = (features or config).get("trim")
    snr = _snr(folder, sorted(seconds), (sound, 0.0, trim), workers) if sound else {}
    write_qualities(out, {utt: Quality(length, snr.get(utt, float("nan"))) for utt, length in seconds.items()})
    lost = len(folder.utts) - len(seconds)
    unknown = f", the SNR of {len(seconds) - len(snr)} is not known" if sound and len(snr) < len(seconds) else ""
    say(f"{out}: {len(seconds)} utterances, {lost} without a count are left out{unknown}")


def _seconds(
    folder: DataDir, counts: Path, config: Mapping[str, Any], features: Mapping[str, Any] | None
) -> dict[str, float]:
    number = read_counts(counts)
    known = {utt: number[utt] for utt in folder.utts if utt in number and number[utt] > 0}
    unit = 1 / config["sample_rate"] if counts.name == SAMPLES else config.get("frame_shift", 10.0) / 1000
    if features and counts.name == SAMPLES:  # as sre verify counts: the frames that a network sees
        options, cut = options_of(features), 2 * fixed_samples(features.get("trim"), config["sample_rate"])
        unit = options.frame_shift / 1000
        known = {utt: options.num_frames(count - cut) for utt, count in known.items()}
    found = {utt: count * unit for utt, count in known.items() if count > 0}
    if not found:
        raise SreError(f"{counts}: no utterance of {folder.path} is in it; give the table of these utterances")
    return found


def _snr(folder: DataDir, utts: list[str], how: tuple[object, ...], workers: int) -> dict[str, float]:
    """Return utterance -> dB; `how` : of Waves, which are what networks hear, without what the features trim."""
    pieces = [utts[at : at + AT_ONCE] for at in range(0, len(utts), AT_ONCE)]
    progress, found = Progress("snr", len(utts), "utt"), dict[str, float]()
    for part in in_processes(_of_piece, pieces, min(workers, len(pieces)), Waves, (folder, *how)):
        found |= part
        progress.add(AT_ONCE)
    progress.close()
    return found


def _of_piece(waves: Waves, utts: list[str]) -> dict[str, float]:
    rate = waves.audio_rules.sample_rate
    return {utt: estimate_snr(wave, rate) for utt, wave in waves.read(utts)}
