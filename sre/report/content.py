"""What all sections of a report are made of."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sre.report.errors import Errors
from sre.report.jobs import jobs_behind
from sre.report.ranking import Standing, rank, rank_conditions
from sre.report.rows import group_rows, make_rows
from sre.scoring.identification import IdentificationResult
from sre.scoring.result import ListResult
from sre.training.gate_files import FeaturesChecked, Gates
from sre.training.summary import Trained


@dataclass
class Content:
    """The results of an experiment, ranked, and what is known of how they were made.

    folder : of the report, as people call it
    runs : of load_runs
    primary : SYSTEM, MODEL/SYSTEM or RUN/SYSTEM; None where none was named
    metric : of COLUMNS of sre/metrics/bootstrap.py, by which systems are ranked, chosen and tested
    gates, features : what was checked before training
    command : what makes the experiment again; "" where it is not known
    errors : of the evaluation lists
    identified : the identification of each run; none where it was not asked for

    Made of these are groups, all systems of all lists; ranked, trial list, as it is headed -> its systems, the first of
    the ranking first; jobs, the records of what was run. The lists of noisy, reverberant and short speech are in
    neither, but in conditions, in the form of ranked. Raises SreError as `make_rows` does.
    """

    folder: Path
    results: Sequence[ListResult]
    runs: dict[str, Trained]
    title: str
    primary: str | None = None
    metric: str = "eer"
    gates: Gates = field(default_factory=Gates)
    features: FeaturesChecked = field(default_factory=FeaturesChecked)
    command: str = ""
    errors: list[Errors] = field(default_factory=list)
    identified: Sequence[IdentificationResult] = ()

    def __post_init__(self) -> None:
        groups = group_rows(make_rows(self.results, self.primary), self.metric)
        self.groups = [group for group in groups if not group.rows[0].condition]
        self.ranked = rank(self.groups, self.metric)
        changed = [group for group in groups if group.rows[0].condition]
        self.conditions = rank_conditions(changed, self.ranked, self.metric)
        files = [result.path for result in self.results] + [result.path for result in self.identified]
        self.jobs = jobs_behind(files)

    @property
    def every_list(self) -> dict[str, list[Standing]]:
        """The ranked lists, and after them those of conditions: the lines of report.tsv."""
        return self.ranked | self.conditions

    @property
    def evaluations(self) -> Iterator[tuple[str, list[Standing]]]:
        """The lists that are not for development, with their systems."""
        return ((trials, some) for trials, some in self.ranked.items() if not some[0].group.rows[0].development)
