"""What the gates before training have seen: gates.json and features_checked.json, their one writer and reader."""

from dataclasses import asdict, dataclass, field
from pathlib import Path

from sre.io.atomic import write_json
from sre.io.forms import built, form_of
from sre.io.text import read_versioned

VERSION = 1  # of gates.json and features_checked.json; the forms before it had none
CHECK_AGAIN = "delete it, and its stage makes it again"


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
    """What a split has after the data stage, and what that rejected: how many recordings, and reason -> how many.

    cut : its utterances are segments, of which a recording may have given several or none
    """

    split: str
    utterances: int
    speakers: int
    hours: float | None = None
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    cut: bool = False


@dataclass(frozen=True)
class FeatureCounts:
    """What a split has of one kind of features, and what was rejected on the way there.

    speakers, hours : of the utterances that are left; hours are of their frames, with a VAD of the voiced ones
    """

    split: str
    features: str
    utterances: int
    rejected: int
    reasons: dict[str, int] = field(default_factory=dict)
    speakers: int | None = None
    hours: float | None = None

    @property
    def left(self) -> str:
        """What is left, in words."""
        of = "" if self.speakers is None else f" of {self.speakers:,} speakers"
        return f"{self.utterances:,} utterances{of}" + ("" if self.hours is None else f", {self.hours:.3g} h")


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
        write_json(path, content)

    @classmethod
    def read(cls, path: str | Path) -> "Gates":
        """Read a gates.json, also of the form without a version.

        Raises SreError naming the file where it is missing, damaged, of another form or of a newer version.
        """
        return built(cls, read_versioned(path, form_of(cls), VERSION, CHECK_AGAIN))


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
        write_json(path, self.asked | {"described": asdict(self)["described"], "version": VERSION})

    @classmethod
    def read(cls, path: str | Path) -> "FeaturesChecked":
        """Read a features_checked.json, also of the form without a version. Raises SreError as `Gates.read` does."""
        content = read_versioned(path, form_of(cls), VERSION, CHECK_AGAIN)
        asked = {name: value for name, value in content.items() if name != "described"}
        return built(cls, content | {"asked": asked})
