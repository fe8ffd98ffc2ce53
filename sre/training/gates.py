"""What is checked before any training: every trial id exists, no speaker is on both sides, the disk has room."""

import re
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from sre import SreError
from sre.datadir.rejected import read_rejected_rows
from sre.features.store import FeatureStore
from sre.io.forms import NONE, NUMBER
from sre.io.ids import alike, shown
from sre.io.tables import read_numbers, read_table, read_utt2spk
from sre.io.text import lines_of, read_text
from sre.io.trial_check import check_labels, check_own_tests, check_pairs, speaks_for_itself
from sre.io.trials import needed_utterances, read_enroll_map, read_trials

GUESSED_SECONDS = 8.0  # VoxCeleb's mean; of m4a and commands only decoding tells the length
CHECKPOINT_BYTES = 100 << 20  # of a network of 8 million parameters: weights, momentum, head


@dataclass
class TrialList:
    name: str
    trials: Path
    data_dir: Path
    enroll_map: Path | None


def check_trials(item: TrialList) -> dict[str, object]:
    """Counts of a list, and `notes` on it for the report.

    Raises SreError, with all that is wrong, where one of its ids is not in its data dir, labels or models are not as
    utt2spk has them, models are tested with their own utterances, or it has one class only.
    """
    what = f"trial list {item.name} ({item.trials})"
    trials = read_trials(item.trials)
    models = read_enroll_map(item.enroll_map, trials)
    known = read_utt2spk(item.data_dir / "utt2spk")
    missing = sorted(set(trials.test_ids).union(*models.values()) - known.keys())
    if missing:
        example = shown(missing[0]) + alike(missing[0], known) + _why(item.data_dir, missing[0])
        no_map = item.enroll_map is None and not set(missing).intersection(trials.test_ids)
        raise SreError(
            f"{what}: {len(missing)} of its utterances are not in {item.data_dir}, e.g. {example};"
            " mend the list or the data" + ", or give the enrolment map if these are names of models" * no_map
        )
    targets = int(trials.target.sum())
    if targets in (0, len(trials)):
        raise SreError(f"trial list {item.name}: {targets} target trials of {len(trials)}; error rates need both kinds")
    problems: list[str] = []
    notes = [gather(problems, check_own_tests, item.name, trials, models) or ""]
    gather(problems, check_labels, what, trials, models, known)
    if item.enroll_map is None:
        gather(problems, check_pairs, what, trials)
    if problems:
        raise SreError("\n".join(problems))
    if speaks_for_itself(known):
        notes.append(f"{item.name}: in its utt2spk each utterance is a speaker of its own, so labels were not checked.")
    return {
        "trials": len(trials),
        "targets": targets,
        "nontargets": len(trials) - targets,
        "models": len(trials.enrol_ids),
        "notes": [note for note in notes if note],
    }


def gather(problems: list[str], check: Callable, *arguments: object) -> object:
    """The result of a check; the sentence of its SreError joins `problems`."""
    try:
        return check(*arguments)
    except SreError as error:
        problems.append(str(error))


def check_tables(folder: Path) -> None:
    """Raises SreError where a split has other utterances in utt2spk than its recordings, segments or features."""
    main = next((folder / name for name in ("segments", "wav.scp", "feats.scp") if (folder / name).exists()), None)
    if main is None:
        return
    promised, there = read_utt2spk(folder / "utt2spk").keys(), read_table(main).keys()
    for where, missing in ((main, promised - there), (folder / "utt2spk", there - promised)):
        if missing:
            raise SreError(
                f"{where}: {len(missing)} of the {len(promised | there)} utterances of {folder} are not in it, e.g."
                f" {shown(min(missing))}; delete the file, and the split is made again"
            )


def check_features(item: TrialList, store: FeatureStore) -> None:
    """Raises SreError where an utterance of the list has no features."""
    missing = sorted(needed_utterances(item.trials, item.enroll_map) - store.places.keys())
    if missing:
        why = alike(missing[0], store.places) + _why(store.scp.parent, missing[0])
        raise SreError(
            f"trial list {item.name}: {len(missing)} of its utterances have no features in {store.scp}, e.g."
            f" {shown(missing[0])}{why}; mend their audio or take their trials out"
        )


def _why(folder: Path, utt: str) -> str:
    for path in (folder / "rejected.tsv", folder / "vad_rejected.tsv"):
        for key, _, reason in read_rejected_rows(path) if path.is_file() else []:
            if key == utt:
                return f" (rejected: {reason})"
    return ""


def check_overlap(train: Path, others: Mapping[str, Path]) -> None:
    """Raises SreError where a speaker of a test split is a training speaker too."""
    speakers = set(read_utt2spk(train / "utt2spk").values())
    for name, folder in others.items():
        both = sorted(speakers & set(read_utt2spk(folder / "utt2spk").values()))
        if both:
            raise SreError(
                f"{len(both)} speakers are both in training ({train}) and in test ({name}), e.g. {both[0]};"
                " results would be meaningless: take them out of one (sre data subset)"
            )


def audio_seconds(data_dir: Path) -> float:
    """From utt2dur, where the data stage could read headers; GUESSED_SECONDS for every other utterance."""
    durations = data_dir / "utt2dur"
    known = read_numbers(durations) if durations.is_file() else {}
    return sum(known.values()) + GUESSED_SECONDS * (len(read_utt2spk(data_dir / "utt2spk")) - len(known))


def check_disk(data: Path, splits: Collection[str], features: Mapping[str, dict], checkpoints: int) -> None:
    """Raises SreError where the room is short for the features that are not there yet, and the checkpoints."""
    needed = checkpoints * CHECKPOINT_BYTES
    for split in splits:
        for name, config in features.items():
            if (data / split / "wav.scp").exists() and not (data / split / "feats" / name / "feats.scp").exists():
                columns = config["num_mel_bins"] if config["type"] == "fbank" else config["num_ceps"]
                frames = audio_seconds(data / split) * 1000 / config["frame_shift"]
                needed += int(frames) * columns * (2 if config["compression"] else 4)
    free = shutil.disk_usage(data).free
    if needed > free:
        raise SreError(
            f"{data}: features and checkpoints will take about {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free;"
            " make room, set another root, or set compression: 3 in the features"
        )


def describe_split(folder: Path) -> dict[str, object]:
    utt2spk = read_utt2spk(folder / "utt2spk")
    rejected, notes = folder / "rejected.tsv", folder / "notes"
    return {
        "split": folder.name,
        "utterances": len(utt2spk),
        "speakers": len(set(utt2spk.values())),
        "hours": round(audio_seconds(folder) / 3600, 3) if (folder / "utt2dur").is_file() else None,
        "notes": lines_of(read_text(notes)) if notes.is_file() else [],
        **describe_rejected(rejected),
    }


def describe_rejected(*tables: Path) -> dict[str, object]:
    """Of rejected.tsv files that are there: how many, and how many for each reason (numbers in it are left out)."""
    rows = [row for path in tables if path.is_file() for row in read_rejected_rows(path)]
    reasons = Counter(re.sub(r"\d[\d.,]*", "…", reason) for _, _, reason in rows)
    return {"rejected": len(rows), "reasons": dict(reasons.most_common())}


def describe_features(split: str, folder: Path, store: FeatureStore) -> dict[str, object]:
    """Of data/<split>/feats/<features>."""
    lost = describe_rejected(folder / "rejected.tsv", folder / "vad_rejected.tsv")
    return {"split": split, "features": folder.name, "utterances": len(store.places), **lost}


REASONS = (NONE, {"*": int})


SPLIT = {"split": str, "utterances": int, "speakers": int, "hours?": (NONE, NUMBER)}


SPLIT |= {"rejected?": int, "reasons?": REASONS}


LIST = {"targets": int, "nontargets": int, "models": int}


GATES = {"notes?": [str], "data?": [SPLIT], "trials?": (NONE, {"*": LIST})}


DESCRIBED = {"split": str, "features": str, "utterances": int, "rejected": int, "reasons": REASONS}


FEATURES = {"described?": [DESCRIBED]}
