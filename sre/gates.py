"""What is checked before any training: every trial id exists, no speaker is on both sides, the disk has room."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sre import SreError
from sre.io.tables import read_table
from sre.io.trials import read_enroll_map, read_trials

CHECKPOINT_BYTES = 100 << 20  # of a network of 8 million parameters: weights, momentum, head


@dataclass
class TrialList:
    name: str
    trials: Path
    data_dir: Path
    enroll_map: Path | None


def check_trials(item: TrialList) -> dict[str, int]:
    """Counts of a list; raises SreError where one of its ids is not in its data dir, or it has one class only."""
    trials = read_trials(item.trials)
    known = read_table(item.data_dir / "utt2spk")
    wanted = set(trials.test_ids)
    for utts in read_enroll_map(item.enroll_map, trials).values():
        wanted.update(utts)
    missing = sorted(wanted - known.keys())
    if missing:
        raise SreError(
            f"trial list {item.name} ({item.trials}): {len(missing)} of its utterances are not in {item.data_dir},"
            f" e.g. {missing[0]}{_why(item.data_dir, missing[0])}; mend the list or the data"
        )
    targets = int(trials.target.sum())
    if targets in (0, len(trials)):
        raise SreError(f"trial list {item.name}: {targets} target trials of {len(trials)}; error rates need both kinds")
    return {
        "trials": len(trials),
        "targets": targets,
        "nontargets": len(trials) - targets,
        "models": len(trials.enrol_ids),
    }


def _why(data_dir: Path, utt: str) -> str:
    rejected = data_dir / "rejected.tsv"
    if rejected.is_file():
        for line in rejected.read_text().splitlines()[1:]:
            key, _, reason = line.split("\t")
            if key == utt:
                return f" (rejected: {reason})"
    return ""


def check_overlap(train: Path, others: Mapping[str, Path]) -> None:
    """Raises SreError where a speaker of a test split is a training speaker too."""
    speakers = set(read_table(train / "utt2spk").values())
    for name, folder in others.items():
        both = sorted(speakers & set(read_table(folder / "utt2spk").values()))
        if both:
            raise SreError(
                f"{len(both)} speakers are both in training ({train}) and in test ({name}), e.g. {both[0]};"
                " results would be meaningless: take them out of one (sre data subset)"
            )


def audio_seconds(data_dir: Path) -> float:
    """From utt2dur, where the data stage could read headers."""
    durations = data_dir / "utt2dur"
    return sum(map(float, read_table(durations).values())) if durations.is_file() else 0.0


def check_disk(where: Path, seconds: float, features: Mapping[str, dict], checkpoints: int) -> dict[str, int]:
    """Bytes needed (features not there yet, checkpoints) and free; raises SreError where room is short."""
    needed = checkpoints * CHECKPOINT_BYTES
    for config in features.values():
        columns = config["num_mel_bins"] if config["type"] == "fbank" else config["num_ceps"]
        needed += int(seconds * 1000 / config["frame_shift"]) * columns * (2 if config["compression"] else 4)
    free = shutil.disk_usage(where).free
    if needed > free:
        raise SreError(
            f"{where}: features and checkpoints will take about {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free;"
            " make room, set another root, or set compression: 3 in the features"
        )
    return {"disk_needed_bytes": needed}


def describe_split(folder: Path) -> dict[str, object]:
    utt2spk = read_table(folder / "utt2spk")
    rejected, notes = folder / "rejected.tsv", folder / "notes"
    return {
        "split": folder.name,
        "utterances": len(utt2spk),
        "speakers": len(set(utt2spk.values())),
        "hours": round(audio_seconds(folder) / 3600, 3) or None,
        "notes": notes.read_text().splitlines() if notes.is_file() else [],
        "rejected": len(rejected.read_text().splitlines()) - 1 if rejected.is_file() else 0,
    }
