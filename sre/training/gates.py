"""What is checked before any training: every trial id exists, no speaker is on both sides, the disk has room."""

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

from sre import SreError
from sre.config.corpus import TrialList
from sre.datadir.rejected import read_rejected_rows
from sre.features.store import FeatureStore
from sre.features.types import dimension_of
from sre.io.atomic import atomic_output
from sre.io.forms import NONE, NUMBER, built
from sre.io.ids import alike, shown
from sre.io.tables import read_numbers, read_table, read_utt2spk
from sre.io.text import lines_of, read_text, read_versioned
from sre.io.trial_check import check_labels, check_own_tests, check_pairs, speaks_for_itself
from sre.io.trials import needed_utterances, read_enroll_map, read_trials

GUESSED_SECONDS = 8.0  # VoxCeleb's mean; of m4a and commands only decoding tells the length
CHECKPOINT_BYTES = 100 << 20  # of a network of 8 million parameters: weights, momentum, head


VERSION = 1  # of gates.json and features_checked.json; the forms before it had none
CHECK_AGAIN = "delete it, and its stage makes it again"

REASONS = (NONE, {"*": int})
SPLIT = {"split": str, "utterances": int, "speakers": int, "hours?": (NONE, NUMBER)}
SPLIT |= {"rejected?": int, "reasons?": REASONS}
LIST = {"targets": int, "nontargets": int, "models": int, "trials?": int}
GATES = {"notes?": [str], "data?": [SPLIT], "trials?": (NONE, {"*": LIST})}
DESCRIBED = {"split": str, "features": str, "utterances": int, "rejected": int, "reasons": REASONS}
FEATURES = {"described?": [DESCRIBED]}

T = TypeVar("T")


@dataclass
class ListFiles:
    """A list as it stands on disk, and the data directory that its ids are of."""

    name: str
    trials: Path
    data_dir: Path
    enroll_map: Path | None

    @classmethod
    def of(cls, item: TrialList, data: Path) -> "ListFiles":
        """Return the files of a recipe's list in the folder of its data."""
        trials = data / "trials" / item.name
        return cls(
            item.name, trials, data / item.split, trials.with_name(f"{item.name}.enroll") if item.enroll else None
        )


@dataclass(frozen=True)
class ListCounts:
    """What a trial list has; `notes` on it are sentences for the report."""

    targets: int
    nontargets: int
    models: int
    trials: int = 0
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class SplitCounts:
    """What a split has after the data stage, and what that rejected: how many recordings, and reason -> how many."""

    split: str
    utterances: int
    speakers: int
    hours: float | None = None
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class FeatureCounts:
    """What a split has of one kind of features, and what was rejected on the way there."""

    split: str
    features: str
    utterances: int
    rejected: int
    reasons: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Gates:
    """What was checked before training: the file gates.json, for the report.

    notes : sentences on the recipe, its splits and its lists
    data, trials : counts of each split, and of each trial list by its name
    """

    notes: list[str] = field(default_factory=list)
    data: list[SplitCounts] = field(default_factory=list)
    trials: dict[str, ListCounts] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write all notes in one list: those of the recipe, of the splits, of the trial lists."""
        parts: list[SplitCounts | ListCounts] = [*self.data, *self.trials.values()]
        content = {
            "notes": [*self.notes, *(note for part in parts for note in part.notes)],
            "data": [_without_notes(part) for part in self.data],
            "trials": {name: _without_notes(part) for name, part in self.trials.items()},
            "version": VERSION,
        }
        with atomic_output(path) as file:
            json.dump(content, file, indent=1, sort_keys=True)

    @classmethod
    def read(cls, path: str | Path) -> "Gates":
        """Read a gates.json, also of the form without a version.

        Raises SreError naming the file where it is missing, damaged, of another form or of a newer version.
        """
        content = read_versioned(path, GATES, VERSION, CHECK_AGAIN)
        data = [built(SplitCounts, part) for part in content.get("data", [])]
        trials = {name: built(ListCounts, part) for name, part in (content.get("trials") or {}).items()}
        return cls(content.get("notes", []), data, trials)


def _without_notes(part: SplitCounts | ListCounts) -> dict[str, object]:
    return {name: value for name, value in asdict(part).items() if name != "notes"}


@dataclass(frozen=True)
class FeaturesChecked:
    """What was lost on the way to features: the file features_checked.json.

    It stands where every utterance of every list has features.

    asked : what the check was given: the training split, the lists, the names of features
    """

    described: list[FeatureCounts] = field(default_factory=list)
    asked: dict[str, object] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        """Write features_checked.json whole."""
        content = self.asked | {"described": [asdict(part) for part in self.described], "version": VERSION}
        with atomic_output(path) as file:
            json.dump(content, file, indent=1, sort_keys=True)

    @classmethod
    def read(cls, path: str | Path) -> "FeaturesChecked":
        """Read a features_checked.json, also of the form without a version. Raises SreError as `Gates.read` does."""
        content = read_versioned(path, FEATURES, VERSION, CHECK_AGAIN)
        return cls([built(FeatureCounts, part) for part in content.pop("described", [])], content)


def check_trials(item: ListFiles) -> ListCounts:
    """Return the counts of a list, and notes on it for the report.

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
    notes = [gather(problems, check_own_tests, item.name, trials, models)]
    gather(problems, check_labels, what, trials, models, known)
    if item.enroll_map is None:
        gather(problems, check_pairs, what, trials)
    if problems:
        raise SreError("\n".join(problems))
    if speaks_for_itself(known):
        notes.append(f"{item.name}: in its utt2spk each utterance is a speaker of its own, so labels were not checked.")
    said = [note for note in notes if note]
    return ListCounts(targets, len(trials) - targets, len(trials.enrol_ids), len(trials), said)


def gather(problems: list[str], check: Callable[..., T], *arguments: object) -> T | None:
    """Return the result of a check; the sentence of its SreError joins `problems`, and the result is None."""
    try:
        return check(*arguments)
    except SreError as error:
        problems.append(str(error))
        return None


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


def check_features(item: ListFiles, store: FeatureStore) -> None:
    """Check that every utterance of the list has features. Raises SreError with the reason where one has none."""
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
    """Check that no speaker of a test split is a training speaker too. Raises SreError naming one who is."""
    speakers = set(read_utt2spk(train / "utt2spk").values())
    for name, folder in others.items():
        both = sorted(speakers & set(read_utt2spk(folder / "utt2spk").values()))
        if both:
            raise SreError(
                f"{len(both)} speakers are both in training ({train}) and in test ({name}), e.g. {both[0]};"
                " results would be meaningless: take them out of one (sre data subset)"
            )


def audio_seconds(data_dir: Path) -> float:
    """Return the seconds of audio by utt2dur; an utterance that is not in it counts GUESSED_SECONDS."""
    durations = data_dir / "utt2dur"
    known = read_numbers(durations) if durations.is_file() else {}
    return sum(known.values()) + GUESSED_SECONDS * (len(read_utt2spk(data_dir / "utt2spk")) - len(known))


def check_disk(data: Path, splits: Collection[str], features: Mapping[str, dict], checkpoints: int) -> None:
    """Check that there is room for checkpoints and features that are not made yet. Raises SreError if it is short."""
    needed = checkpoints * CHECKPOINT_BYTES
    for split in splits:
        for name, config in features.items():
            if (data / split / "wav.scp").exists() and not (data / split / "feats" / name / "feats.scp").exists():
                frames = audio_seconds(data / split) * 1000 / config["frame_shift"]
                needed += int(frames) * dimension_of(config) * (2 if config["compression"] else 4)
    free = shutil.disk_usage(data).free
    if needed > free:
        raise SreError(
            f"{data}: features and checkpoints will take about {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free;"
            " make room, set another root, or set compression: 3 in the features"
        )


def describe_split(folder: Path) -> SplitCounts:
    """Return the counts of a split, and what its `notes` file says for the report."""
    utt2spk, notes = read_utt2spk(folder / "utt2spk"), folder / "notes"
    return SplitCounts(
        folder.name,
        len(utt2spk),
        len(set(utt2spk.values())),
        round(audio_seconds(folder) / 3600, 3) if (folder / "utt2dur").is_file() else None,
        *describe_rejected(folder / "rejected.tsv"),
        lines_of(read_text(notes)) if notes.is_file() else [],
    )


def describe_rejected(*tables: Path) -> tuple[int, dict[str, int]]:
    """Count the rows of the rejected.tsv files that are there, and those of each reason, whose numbers are left out."""
    rows = [row for path in tables if path.is_file() for row in read_rejected_rows(path)]
    reasons = Counter(re.sub(r"\d[\d.,]*", "…", reason) for _, _, reason in rows)
    return len(rows), dict(reasons.most_common())


def describe_features(split: str, folder: Path, store: FeatureStore) -> FeatureCounts:
    """Count what is in data/<split>/feats/<features>, and what was lost on the way there."""
    lost = describe_rejected(folder / "rejected.tsv", folder / "vad_rejected.tsv")
    return FeatureCounts(split, folder.name, len(store.places), *lost)
