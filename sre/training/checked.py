"""What the gates before training have seen: gates.json and features_checked.json, their one writer and reader."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from sre.io.atomic import atomic_output
from sre.io.forms import NONE, NUMBER, built
from sre.io.text import read_versioned

VERSION = 1  # of gates.json and features_checked.json; the forms before it had none
CHECK_AGAIN = "delete it, and its stage makes it again"

REASONS = (NONE, {"*": int})
SPLIT = {"split": str, "utterances": int, "speakers": int, "hours?": (NONE, NUMBER)}
SPLIT |= {"rejected?": int, "reasons?": REASONS}
LIST = {"targets": int, "nontargets": int, "models": int, "trials?": int}
GATES = {"notes?": [str], "data?": [SPLIT], "trials?": (NONE, {"*": LIST})}
DESCRIBED = {"split": str, "features": str, "utterances": int, "rejected": int, "reasons": REASONS}
FEATURES = {"described?": [DESCRIBED]}


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
