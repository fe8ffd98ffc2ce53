"""What became of the data, stage by stage, with each loss and its reason; and the map of the embeddings."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from sre.io.ark import read_vectors
from sre.io.tables import read_table, read_utt2spk
from sre.report.blocks import Block, Bullets, Figure, Figures, Table
from sre.report.content import Content
from sre.report.figures.map import embedding_map
from sre.report.ranking import Standing
from sre.training.gate_files import FeatureCounts, FeaturesChecked, Gates, SplitCounts
from sre.training.summary import Trained, TrainSummary

LINE = ["stage", "of", "in", "out", "speakers", "hours", "lost", "why"]
LIST = ["list", "target trials", "nontarget trials", "models or enrolment utterances"]
DROPPED = (
    ("dropped_without_features", "have no features"),
    ("dropped_short", "are shorter than filter.min_frames"),
    ("dropped_of_rare_speakers", "are of speakers with fewer than filter.min_utterances"),
    ("dropped_of_other_parts", "are of speakers of another part (filter.speakers)"),
)


def blocks(content: Content) -> list[Block]:
    found = lines(content.gates, content.features, content.runs)
    parts: list[Block] = [Bullets(content.gates.notes)] if content.gates.notes else []
    if found:
        parts.append(Table.of("From the corpus to training: utterances in and out of each stage", LINE, found))
    if listed := list_lines(content.gates):
        parts.append(Table.of("Trial lists", LIST, listed))
    drawn = maps(content.ranked)
    return [*parts, Figures(drawn)] if drawn else parts


def lines(gates: Gates, features: FeaturesChecked, runs: Mapping[str, Trained]) -> list[list[str]]:
    """Return rows by LINE from gates.json, features_checked.json and training summaries, as far as they are there."""
    found = [*map(_split_line, gates.data), *map(_features_line, features.described)]
    for name, run in runs.items():
        found += _training_lines(name, run.summary)
    return found


def list_lines(gates: Gates) -> list[list[str]]:
    """Return rows by LIST: the trials of each list, and its models or enrolment utterances."""
    numbers = [(name, one.targets, one.nontargets, one.models) for name, one in gates.trials.items()]
    return [[name, *(f"{number:,}" for number in some)] for name, *some in numbers]


def _split_line(split: SplitCounts) -> list[str]:
    """Return the line of a split; what comes in is not told of one that is cut, whose losses are recordings."""
    came = "" if split.cut else f"{split.utterances + split.rejected:,}"
    numbers = _numbers(split.utterances, split.speakers, split.hours)
    return ["data", split.split, came, *numbers, f"{split.rejected:,}", _reasons(split.reasons)]


def _features_line(part: FeatureCounts) -> list[str]:
    came = f"{part.utterances + part.rejected:,}"
    numbers = _numbers(part.utterances, part.speakers, part.hours)
    return [f"feats {part.features}", part.split, came, *numbers, f"{part.rejected:,}", _reasons(part.reasons)]


def _training_lines(run: str, summary: TrainSummary) -> Iterable[list[str]]:
    if summary.utterances_found is None or summary.utterances is None:
        return
    lost = {why: getattr(summary, key) for key, why in DROPPED if getattr(summary, key)}
    found, kept = summary.utterances_found, summary.utterances_found - sum(lost.values())
    yield ["train: filters", run, f"{found:,}", *_numbers(kept), f"{found - kept:,}", _reasons(lost)]
    held_out = kept - summary.utterances
    numbers = _numbers(summary.utterances, summary.speakers, summary.hours)
    why = f"held out for validation, among them all of {summary.held_out_speakers} speakers" if held_out else ""
    yield ["train: held out", run, f"{kept:,}", *numbers, f"{held_out:,}", why]


def _numbers(utterances: int, speakers: int | None = None, hours: float | None = None) -> list[str]:
    """Return the cells of what is left; empty where it is not known."""
    return [f"{utterances:,}", "" if speakers is None else f"{speakers:,}", "" if hours is None else f"{hours:,.2f}"]


def _reasons(reasons: Mapping[str, int]) -> str:
    return "; ".join(f"{count:,} {reason}" for reason, count in reasons.items())


def maps(ranked: Mapping[str, Sequence[Standing]]) -> list[Figure]:
    """Return maps of the reference's embeddings, one of each evaluation split whose embeddings are still there.

    A fusion of several models has none of its own.
    """
    figures: dict[Path, Figure] = {}
    for standings in ranked.values():
        reference = next((standing.group for standing in standings if standing.reference), None)
        if reference is None or reference.rows[0].development:
            continue
        row = reference.done[0]
        data, paths = row.data, list(map(Path, row.result.embeddings))
        if not data or not paths or data in figures or not all(path.is_file() for path in [*paths, data / "utt2spk"]):
            continue
        figures[data] = _map(data, paths, row.run, len(figures))
    return list(figures.values())


def _map(data: Path, paths: Sequence[Path], run: str, number: int) -> Figure:
    parts = [read_vectors(path) for path in paths]
    ids, embeddings = (np.concatenate(both) for both in zip(*parts, strict=True))
    utt2spk = read_utt2spk(data / "utt2spk")
    known = np.array([utt in utt2spk for utt in ids])
    speakers = np.array([utt2spk[utt] for utt in ids[known]])
    genders = read_table(data / "spk2gender") if (data / "spk2gender").is_file() else None
    told = None if genders is None else np.array([genders.get(speaker, "") for speaker in speakers])
    label = f"Embeddings of {data.name} by {run}"
    caption, svg = embedding_map(embeddings[known], speakers, told, f"map{number}", label)
    return Figure(f"{label}. {caption}", svg)
