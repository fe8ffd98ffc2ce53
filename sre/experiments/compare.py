"""What changed between experiments, and whether it matters (`sre compare`)."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import ascii_uppercase

import numpy as np

from sre import SreError
from sre.experiments.read import load_results
from sre.experiments.settings import Settings, read_settings
from sre.machine.log import aligned
from sre.metrics.bootstrap import FEW_SPEAKERS, holm, paired
from sre.metrics.rates import RATES, Rate
from sre.scoring.replicates import read_replicates, replicates_of
from sre.scoring.result import Draws, ListResult, SystemResult

COMPARED = RATES[:2]  # the EER and minDCF(0.01)
ALPHA = 0.05
OTHER_TRIALS = "no test: other trials"
SHOWN = 6  # of what is in one experiment only
HEADINGS = ["other", "list", "model", "system", "rate", "A", "other", "other - A", "95 % interval", "p", "verdict"]


def compare(folders: Sequence[Path], renamed: Sequence[str] = ()) -> list[str]:
    """Return lines: what changed, and the rates with paired tests. Raises SreError where a folder is no experiment."""
    if not 2 <= len(folders) <= len(ascii_uppercase):
        raise SreError(f"{len(folders)} experiment is given; give two or more, as exp/one exp/other")
    pairs = _pairs(renamed)
    others = dict(pairs) | {other: one for one, other in pairs}  # if B has an A too, it is another
    found: list[Experiment] = []
    for label, folder in zip(ascii_uppercase, folders, strict=False):
        found.append(Experiment.read(folder, label, others if found else {}, found[0].lists if found else {}))
    for one, other in pairs:
        if one not in found[0].models or not any(one in experiment.models for experiment in found[1:]):
            known = "; ".join(f"{experiment.folder} {', '.join(sorted(experiment.models))}" for experiment in found)
            raise SreError(f"--map {one}={other}: one of the two is not there; the models are: {known}")
    different, same = changes(found)
    told = [f"{experiment.label}: {experiment.folder}" for experiment in found]
    told += [*(f"  {line}" for line in [*different, same]), ""]
    if lines := results(found):
        told += [*aligned([HEADINGS, *(line.cells() for line in lines)]).splitlines(), ""]
    return [*told, *remarks(found, lines, bool(different))]


def _pairs(renamed: Sequence[str]) -> list[list[str]]:
    pairs = [text.split("=") for text in renamed]
    if odd := ["=".join(pair) for pair in pairs if len(pair) != 2 or not all(pair)]:
        raise SreError(f"--map {odd[0]}: write A=B, a model of the first experiment and its name in the others")
    return pairs


@dataclass
class Entry:
    """The seeds of one model and system on one trial list."""

    seeds: list[tuple[SystemResult, ListResult]]  # what was scored, and the metrics file that it stands in
    failed: list[str] = field(default_factory=list)  # reasons, of the seeds where it failed

    def mean(self, key: str) -> float:
        """Return the mean of a rate over the seeds."""
        return float(np.mean([outcome.metrics[key] for outcome, _ in self.seeds]))

    @property
    def digests(self) -> list[str]:
        """The SHA-256 of the score files."""
        return sorted(outcome.scores_sha256 for outcome, _ in self.seeds)

    def drawn(self) -> Draws | None:
        """Return what the draws were made of; None where seeds lack replicates, or were drawn in several ways."""
        kinds = [result.bootstrap and replace(result.bootstrap, columns=[]) for _, result in self.seeds]
        return kinds[0] if all(kind == kinds[0] for kind in kinds) and self._files() else None

    def replicates(self, key: str) -> np.ndarray:
        """Return (R,) rates, the mean over the seeds of each draw."""
        columns = [result.bootstrap.columns for _, result in self.seeds if result.bootstrap]
        draws = [read_replicates(file, names) for file, names in zip(self._files(), columns, strict=True)]
        return np.mean([of[key] for of in draws], axis=0)

    def _files(self) -> list[Path]:
        files = [replicates_of(result.folder / outcome.scores) for outcome, result in self.seeds]
        return files if all(file.is_file() for file in files) else []


@dataclass
class Experiment:
    """One experiment of a comparison; its models and lists are called as in the first, where they are the same."""

    folder: Path
    label: str
    settings: Settings
    lists: dict[str, str]  # name -> SHA-256
    entries: dict[tuple[str, str, str], Entry]  # of (list, model, system)

    @property
    def models(self) -> set[str]:
        """The names of its models, as in the first experiment."""
        return {model for _, model, _ in self.entries}

    @classmethod
    def read(cls, folder: Path, label: str, models: Mapping[str, str], lists: Mapping[str, str]) -> "Experiment":
        """Read an experiment.

        models : name here -> name in the first experiment
        lists : name -> identity of the lists of the first

        Raises SreError where the folder has no metrics files.
        """
        found = load_results(sorted(folder.glob("*/scores/*/metrics.json")))
        if not found:
            raise SreError(f"{folder}: no RUN/scores/LIST/metrics.json in it; give an experiment, as exp/mini")
        names = _same_lists({result.trials: result.identity for result in found}, lists)
        found = [
            replace(result, model=models.get(result.model, result.model), trials=names[result.trials])
            for result in found
        ]
        entries: dict[tuple[str, str, str], Entry] = {}
        for result in found:
            for system, outcome in result.systems.items():
                entry = entries.setdefault((result.trials, result.model, system), Entry([]))
                if outcome.done:
                    entry.seeds.append((outcome, result))
                else:
                    entry.failed.append(outcome.reason)
        own = {result.trials: result.identity for result in found}
        return cls(folder, label, read_settings(folder, found), own, entries)


def _same_lists(own: Mapping[str, str], first: Mapping[str, str]) -> dict[str, str]:
    """Map name to the name of the same list in the first experiment, where it is in it under another name."""
    names = {name: name for name, digest in own.items() if first.get(name) == digest}
    for name, digest in own.items():
        taken = own.keys() | set(names.values())
        others = [other for other, known in first.items() if known == digest and other not in taken]
        names.setdefault(name, others[0] if others else name)
    return names


def changes(sides: Sequence[Experiment]) -> tuple[list[str], str]:
    """Return lines for settings that differ or that some do not have, and one with all that is the same."""
    lines, same, lacking = [], defaultdict(list), defaultdict(list)
    for part in sorted({part for side in sides for part in side.settings}):
        having = [side for side in sides if part in side.settings]
        if len(having) < len(sides):
            lacking[", ".join(side.label for side in having)].append(part)
        keys = sorted({key for side in having for key in side.settings[part]})
        values = {key: [side.settings[part].get(key, "nothing") for side in having] for key in keys}
        different = {key: of for key, of in values.items() if len(set(of)) > 1}
        for key, of in different.items():
            said = "; ".join(f"{side.label} {value}" for side, value in zip(having, of, strict=True))
            lines.append(f"{part} {key}".rstrip() + f": {said}")
        if len(having) == len(sides) and not different:
            kind, _, name = part.partition(" ")
            same[kind].append(name)
    lines += [f"only in {labels}, or only recorded there: {', '.join(parts)}" for labels, parts in lacking.items()]
    code = next(iter(sides[0].settings.get("code", {}).values()), "")
    if "code" in same and ".changed" in code:
        lines.append(f"code {code} in all, but uncommitted changes were in it, which may differ")
        del same["code"]
    summed = [f"{kind} {', '.join(names)}".rstrip() for kind, names in same.items()]
    return lines, "the same: " + ("; ".join(summed) or "nothing")


@dataclass
class ComparedRate:
    """One rate of one model and system on one list in the first experiment and in another."""

    other: Experiment
    key: tuple[str, str, str]
    rate: Rate
    values: tuple[float, float]
    test: tuple[float, float, float] | str  # interval and p of the difference, or why there is none
    p: float = np.nan  # corrected

    def cells(self) -> list[str]:
        """Return its cells under HEADINGS."""
        heading, _, digits = self.rate
        difference = self.values[1] - self.values[0]
        numbers = [*(f"{value:.{digits}f}" for value in self.values), f"{difference:+.{digits}f}"]
        if isinstance(self.test, str):
            told = ["", "", self.test]
        else:
            low, high = (f"{bound:+.{digits}f}" for bound in self.test[:2])
            verdict = "no difference shown" if self.p >= ALPHA else "better" if difference < 0 else "worse"
            told = [f"{low} to {high}", f"{self.p:.3f}" if self.p >= 0.001 else "< 0.001", verdict]
        return [self.other.label, *self.key, heading, *numbers, *told]


def results(sides: Sequence[Experiment]) -> list[ComparedRate]:
    """A line for each rate of what the first and another experiment both have; p is corrected over all (Holm)."""
    lines, first = [], sides[0]
    for other in sides[1:]:
        for key in [key for key in first.entries if key in other.entries]:
            pair = first.entries[key], other.entries[key]
            if not pair[0].seeds or not pair[1].seeds:
                continue
            for rate in COMPARED:
                values = pair[0].mean(rate.key), pair[1].mean(rate.key)
                alike = first.lists[key[0]] == other.lists[key[0]]
                lines.append(ComparedRate(other, key, rate, values, _test(pair, rate.key) if alike else OTHER_TRIALS))
    tested = [(line, line.test[2]) for line in lines if not isinstance(line.test, str)]
    for (line, _), p in zip(tested, holm([p for _, p in tested]), strict=True):
        line.p = float(p)
    return lines


def _test(pair: tuple[Entry, Entry], rate: str) -> tuple[float, float, float] | str:
    if pair[0].digests == pair[1].digests:
        return "identical scores"
    ours, theirs = (entry.drawn() for entry in pair)
    if ours is None or theirs is None:
        return f"no test: no replicates in {'both' if ours == theirs else 'A' if not ours else 'the other'}"
    if ours != theirs:
        return "no test: other draws"
    draws = pair[1].replicates(rate) - pair[0].replicates(rate)
    test = paired(pair[1].mean(rate) - pair[0].mean(rate), draws, ours.speakers)
    return test or "no test: they differ in no draw, or too many draws lack a kind of trial"


def remarks(sides: Sequence[Experiment], lines: Sequence[ComparedRate], changed: bool) -> Iterator[str]:
    """What to know before believing the table."""
    if tested := [line for line in lines if not isinstance(line.test, str)]:
        yield "Below 0 the other is better. Intervals and p: paired bootstrap over the list's speakers; p is corrected"
        yield f"for {len(tested)} comparisons (Holm), intervals are not. Rates are means over the seeds, and what"
        yield "another seed would change is not in the test."
    speakers = [drawn.speakers for line in tested if (drawn := sides[0].entries[line.key].drawn())]
    if None in speakers:
        yield "Where no speakers are known, trials were drawn as if independent: these intervals are far too short."
    if few := [number for number in speakers if number and number < FEW_SPEAKERS]:
        yield f"With under {FEW_SPEAKERS} speakers (here {min(few)}) intervals of minDCF are too short, and only large"
        yield "differences can be shown (docs/uncertainty.md)."
    if others := sorted({line.key[0] for line in lines if line.test == OTHER_TRIALS}):
        yield f"Of {', '.join(others)} the trials differ (SHA-256): a difference in their rates means nothing."
    pairs = [line.test == "identical scores" for line in lines[:: len(COMPARED)] if line.test != OTHER_TRIALS]
    if pairs and all(pairs):
        yield f"Identical scores: all {len(pairs)} systems compared have score files of the same SHA-256."
    elif pairs and not changed:
        yield f"Nothing recorded differs, and yet the scores of {pairs.count(False)} of {len(pairs)} systems do."
    for side in sides:
        for key, entry in side.entries.items():
            if entry.failed:
                of = len(entry.failed) + len(entry.seeds)
                yield f"In {side.label} {' '.join(key)} failed in {len(entry.failed)} of {of} seeds: {entry.failed[0]}"
    for other in sides[1:]:
        for side, against in ((sides[0], other), (other, sides[0])):
            if only := lacking(side, against):
                more = [f"and {len(only) - SHOWN} more"] * (len(only) > SHOWN)
                yield f"In {side.label} and not in {against.label}:"
                yield from (f"  {what}" for what in [*only[:SHOWN], *more])
    if not lines:
        yield "Nothing is in both to compare: their systems or lists differ, or their models' names (see --map A=B)."


def lacking(side: Experiment, against: Experiment) -> list[str]:
    """What only `side` has, a line each: a whole list, a model on a list, some systems of a model."""
    lists, pairs = {key[0] for key in against.entries}, {key[:2] for key in against.entries}
    groups: dict[str, list[str]] = defaultdict(list)
    for trials, model, system in (key for key in side.entries if key not in against.entries):
        whole_model = "model " * ((trials, model) not in pairs)
        name = f"{whole_model}{model} on {trials}" if trials in lists else f"list {trials}"
        groups[name].append(system if trials in lists else f"{model} {system}")
    return [f"{name}: {_few(systems)}" for name, systems in groups.items()]


def _few(names: Sequence[str]) -> str:
    if len(names) > SHOWN:
        return f"{len(names)} systems, {', '.join(names[:3])}, …"
    return ", ".join(names)
