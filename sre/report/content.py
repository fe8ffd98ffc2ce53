"""What all sections of a report are made of."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sre.experiments.records import Record
from sre.report.errors import Errors
from sre.report.ranking import Standing
from sre.report.rows import Group
from sre.training.gate_files import FeaturesChecked, Gates
from sre.training.summary import Trained


@dataclass(frozen=True)
class Content:
    """The results of an experiment, ranked, and what is known of how they were made.

    metric : of COLUMNS of sre/metrics/bootstrap.py, by which systems are ranked, chosen and tested
    groups : all systems of all lists
    ranked : list title -> its systems, the first of the ranking first
    runs : of load_runs
    gates, features : what was checked before training
    jobs : records of what was run
    command : what makes the experiment again; "" where it is not known
    errors : of the evaluation lists
    folder : the report's folder, as it was typed
    """

    title: str
    metric: str
    primary: str | None
    groups: list[Group]
    ranked: dict[str, list[Standing]]
    runs: dict[str, Trained]
    gates: Gates
    features: FeaturesChecked
    jobs: list[Record]
    command: str
    errors: list[Errors]
    folder: Path

    @property
    def evaluations(self) -> Iterator[tuple[str, list[Standing]]]:
        """The lists that are not for development, with their systems."""
        return ((trials, some) for trials, some in self.ranked.items() if not some[0].group.rows[0].development)
