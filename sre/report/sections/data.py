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

LINE = ["stage", "of", "what is left", "lost", "why"]
DROPPED = (
    ("dropped_without_features", "have no features"),
    ("dropped_short", "are shorter than filter.min_frames"),
    ("dropped_of_rare_speakers", "are of speakers with fewer than filter.min_utterances"),
)


def blocks(content: Content) -> list[Block]:
    found = lines(content.gates, content.features, content.runs)
    parts: list[Block] = [Bullets(content.gates.notes)] if content.gates.notes else []
    if found:
        parts.append(Table.of("From the corpus to training and trials", LINE, found))
    drawn = maps(content.ranked)
    return [*parts, Figures(drawn)] if drawn else parts


def lines(gates: Gates, features: FeaturesChecked, runs: Mapping[str, Trained]) -> list[list[str]]:
    """Return rows by LINE from gates.json, features_checked.json and training summaries, as far as they are there."""
    found = [*map(_split_line, gates.data), *map(_features_line, features.described)]
    for name, run in runs.items():
        found += _training_lines(name, run.summary)
    for name, counts in gates.trials.items():
        left = f"{counts.targets:,} target and {counts.nontargets:,} nontarget trials, {counts.models:,} models"
        found.append(["trials", name, left, "0", ""])
    return found


def _split_line(split: SplitCounts) -> list[str]:
    left = f"{split.utterances:,} utterances of {split.speakers:,} speakers"
    if split.hours is not None:
        left += f", {split.hours:.3g} h"
    return ["data", split.split, left, f"{split.rejected:,}", _reasons(split.reasons)]


def _features_line(part: FeatureCounts) -> list[str]:
    left = f"{part.utterances:,} utterances"
    return [f"feats {part.features}", part.split, left, f"{part.rejected:,}", _reasons(part.reasons)]


def _training_lines(run: str, summary: TrainSummary) -> Iterable[list[str]]:
    if summary.utterances_found is None or summary.utterances is None:
        return
    lost = {why: getattr(summary, key) for key, why in DROPPED if getattr(summary, key)}
    kept = summary.utterances_found - sum(lost.values())
    yield ["train: filters", run, f"{kept:,} utterances", f"{sum(lost.values()):,}", _reasons(lost)]
    held_out = kept - summary.utterances
    left = f"{summary.utterances:,} utterances of {summary.speakers:,} speakers trained on"
    why = f"held out for validation, among them all of {summary.held_out_speakers} speakers" if held_out else ""
    yield ["train: held out", run, left, f"{held_out:,}", why]


def _reasons(reasons: Mapping[str, int]) -> str:
    return "; ".join(f"{count:,} {reason}" for reason, count in reasons.items())


def maps(ranked: Mapping[str, Sequence[Standing]]) -> list[Figure]:
    """Return maps of the reference's embeddings, one of each evaluation split whose embeddings are still there."""
    figures: dict[Path, Figure] = {}
    for standings in ranked.values():
        reference = next((standing.group for standing in standings if standing.reference), None)
        if reference is None or reference.rows[0].development:
            continue
        row = reference.done[0]
        data, paths = row.data, list(map(Path, row.result.embeddings))
        if not data or data in figures or not all(path.is_file() for path in [*paths, data / "utt2spk"]):
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
