"""What is checked before any training: every trial id exists, no speaker is on both sides, the disk has room."""

import re
import shutil
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sre import SreError
from sre.config.corpus import TrialList
from sre.config.problems import Problems
from sre.datadir.rejected import Rejected, rejected_in
from sre.features.audio_index import FOLDER as AUDIO
from sre.features.audio_index import AudioIndex
from sre.features.store import FeatureStore
from sre.features.types import dimension_of, options_of
from sre.io.ids import alike, shown
from sre.io.tables import read_numbers, read_table, read_utt2spk
from sre.io.text import lines_of, read_text
from sre.io.trial_check import check_labels, check_own_tests, check_pairs, speaks_for_itself
from sre.io.trials import needed_utterances, read_enroll_map, read_trials
from sre.training.gate_files import FeatureCounts, ListCounts, SplitCounts

GUESSED_SECONDS = 8.0  # VoxCeleb's mean; of m4a and commands only decoding tells the length
CHECKPOINT_BYTES = 100 << 20  # of a network of 8 million parameters: weights, momentum, head
FLAC_BYTES_A_SECOND = 24_000  # of noisy speech at 16 kHz, 16 bits


@dataclass
class ListFiles:
    """A list as it stands on disk, and the data directory that its ids are of."""

    name: str
    trials_file: Path
    data_dir: Path
    enroll_map: Path | None

    @classmethod
    def of(cls, item: TrialList, data: Path) -> "ListFiles":
        """Return the files of a recipe's list in the folder of its data."""
        trials = data / "trials" / item.name
        enroll_map = trials.with_name(f"{item.name}.enroll") if item.has_enroll_map else None
        return cls(item.name, trials, data / item.split, enroll_map)


def check_trials(item: ListFiles) -> ListCounts:
    """Return the counts of a list, and notes on it for the report.

    Raises SreError, with all that is wrong, where one of its ids is not in its data dir, labels or models are not as
    utt2spk has them, models are tested with their own utterances, or it has one class only.
    """
    what = f"trial list {item.name} ({item.trials_file})"
    trials = read_trials(item.trials_file)
    models = read_enroll_map(item.enroll_map, trials)
    known = read_utt2spk(item.data_dir / "utt2spk")
    if missing := sorted(set(trials.test_ids).union(*models.values()) - known.keys()):
        example = shown(missing[0]) + alike(missing[0], known) + _why(item.data_dir, missing[0])
        no_map = item.enroll_map is None and not set(missing).intersection(trials.test_ids)
        raise SreError(
            f"{what}: {len(missing)} of its utterances are not in {item.data_dir}, e.g. {example};"
            " mend the list or the data" + ", or give the enrolment map if these are names of models" * no_map
        )
    targets = int(trials.target.sum())
    if targets in (0, len(trials)):
        raise SreError(f"trial list {item.name}: {targets} target trials of {len(trials)}; error rates need both kinds")
    problems = Problems()
    notes = [problems.tried(check_own_tests, item.name, trials, models)]
    problems.tried(check_labels, what, trials, models, known)
    if item.enroll_map is None:
        problems.tried(check_pairs, what, trials)
    problems.end()
    if speaks_for_itself(known):
        notes.append(f"{item.name}: in its utt2spk each utterance is a speaker of its own, so labels were not checked.")
    said = [note for note in notes if note]
    return ListCounts(targets, len(trials) - targets, len(trials.enrol_ids), len(trials), said)


def check_tables(folder: Path) -> None:
    """Check that a split has the same utterances in utt2spk as in its segments, recordings or features.

    Raises SreError naming the file that lacks some.
    """
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


def check_features(item: ListFiles, store: FeatureStore | AudioIndex) -> None:
    """Check that every utterance of the list is in a store. Raises SreError with the reason where one is not."""
    if missing := sorted(needed_utterances(item.trials_file, item.enroll_map) - store.places.keys()):
        why = alike(missing[0], store.places) + _why(store.scp.parent, missing[0])
        raise SreError(
            f"trial list {item.name}: {len(missing)} of its utterances have no {store.holds} in {store.scp}, e.g."
            f" {shown(missing[0])}{why}; mend their audio or take their trials out"
        )


def _why(folder: Path, utt: str) -> str:
    return next((f" (rejected: {reason})" for key, _, reason in rejected_in(folder) if key == utt), "")


def check_overlap(train: Path, others: Mapping[str, Path]) -> None:
    """Check that no speaker of a test split is a training speaker too. Raises SreError naming one who is."""
    speakers = set(read_utt2spk(train / "utt2spk").values())
    for name, folder in others.items():
        if both := sorted(speakers & set(read_utt2spk(folder / "utt2spk").values())):
            raise SreError(
                f"{len(both)} speakers are both in training ({train}) and in test ({name}), e.g. {both[0]};"
                " results would be meaningless: take them out of one (sre data subset)"
            )


def audio_seconds(data_dir: Path) -> float:
    """Return the seconds of audio by utt2dur; an utterance that is not in it counts GUESSED_SECONDS."""
    durations = data_dir / "utt2dur"
    known = read_numbers(durations) if durations.is_file() else {}
    return sum(known.values()) + GUESSED_SECONDS * (len(read_utt2spk(data_dir / "utt2spk")) - len(known))


def feature_bytes(seconds: float, config: dict) -> int:
    """Return how much room the features of so much audio take, with a resolved config."""
    frames = seconds * 1000 / options_of(config).frame_shift
    columns = dimension_of(config) // (1 + config.get("delta_order", 0))  # deltas are not on disk
    return int(frames) * columns * (2 if config["compression"] else 4)


def check_disk(
    data: Path,
    splits: Collection[str],
    features: Mapping[str, dict],
    checkpoints: int,
    copies: Mapping[str, str] = {},
) -> None:
    """Check that there is room for checkpoints, features and distorted copies that are not made yet.

    copies : split that is a copy -> the split that it is of
    Raises SreError if room is short.
    """
    needed = checkpoints * CHECKPOINT_BYTES
    for split, source in ({split: split for split in splits} | dict(copies)).items():
        if split in copies and not (data / split / "wav.scp").exists():
            needed += int(audio_seconds(data / source) * FLAC_BYTES_A_SECOND)
        for name, config in features.items():
            if (data / source / "wav.scp").exists() and not (data / split / "feats" / name / "feats.scp").exists():
                needed += feature_bytes(audio_seconds(data / source), config)
    free = shutil.disk_usage(data).free
    if needed > free:
        raise SreError(
            f"{data}: features, copies and checkpoints will take about {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are"
            " free; make room, set another root, or set compression: 3 in the features"
        )


def describe_split(folder: Path) -> SplitCounts:
    """Return the counts of a split, and what its `notes` file says for the report."""
    utt2spk, notes = read_utt2spk(folder / "utt2spk"), folder / "notes"
    return SplitCounts(
        folder.name,
        len(utt2spk),
        len(set(utt2spk.values())),
        round(audio_seconds(folder) / 3600, 3) if (folder / "utt2dur").is_file() else None,
        *describe_rejected(rejected_in(folder, ["rejected.tsv"])),
        lines_of(read_text(notes)) if notes.is_file() else [],
        (folder / "segments").is_file(),
    )


def describe_rejected(rows: Rejected) -> tuple[int, dict[str, int]]:
    """Count what was rejected, and how much for each reason, whose numbers are left out."""
    reasons = Counter(re.sub(r"\d[\d.,]*", "…", reason) for _, _, reason in rows)
    return len(rows), dict(reasons.most_common())


def describe_features(split: str, folder: Path, store: FeatureStore | AudioIndex) -> FeatureCounts:
    """Count what is in data/<split>/feats/<features> or data/<split>/audio, and what was lost on the way there."""
    utt2spk = read_utt2spk(folder.parent / "utt2spk" if folder.name == AUDIO else folder.parents[1] / "utt2spk")
    speakers = {utt2spk[utt] for utt in store.places if utt in utt2spk}
    lost = describe_rejected(rejected_in(folder))
    return FeatureCounts(split, folder.name, len(store.places), *lost, len(speakers), round(store.hours, 3))


def summary_of(described: Sequence[FeatureCounts], train: str) -> str:
    """Return a line on what training and tests have, and on what was lost on the way to features, with its reasons."""
    kinds = len({part.features for part in described})
    parts = [part for part in described if part.features == described[0].features]
    of_train = next((part.left for part in parts if part.split == train), "nothing")
    others = [part for part in parts if part.split != train]
    tests = f"{sum(part.utterances for part in others):,} utterances in {len(others)} split" + "s" * (len(others) != 1)
    lost = sum((Counter(part.reasons) for part in described), Counter[str]())
    why = "; ".join(f"{count:,} {reason}" for reason, count in lost.most_common())
    in_all = f", in {kinds} kinds of features" if kinds > 1 else ""
    return f"to train on: {of_train}; to test on: {tests}; lost{in_all}: {sum(lost.values()):,}" + f" ({why})" * bool(
        why
    )
