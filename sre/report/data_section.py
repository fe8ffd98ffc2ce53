"""What became of the data, stage by stage, with each loss and its reason; and the map of the embeddings."""

from collections.abc import Iterable, Mapping

LINE = ["stage", "of", "what is left", "lost", "why"]
DROPPED = (
    ("dropped_without_features", "have no features"),
    ("dropped_short", "are shorter than filter.min_frames"),
    ("dropped_of_rare_speakers", "are of speakers with fewer than filter.min_utterances"),
)


def lines(gates: Mapping, features: Mapping, runs: Mapping[str, Mapping]) -> list[list[str]]:
    """Rows by LINE from gates.json, features_checked.json and each run's {"summary"}; what is not there is left out."""
    found = [_split_line(split) for split in gates.get("data", [])]
    found += [_features_line(part) for part in features.get("described", [])]
    for name, run in runs.items():
        found += _training_lines(name, run["summary"])
    for name, counts in (gates.get("trials") or {}).items():
        left = (
            f"{counts['targets']:,} target and {counts['nontargets']:,} nontarget trials, {counts['models']:,} models"
        )
        found.append(["trials", name, left, "0", ""])
    return found


def _split_line(split: Mapping) -> list[str]:
    left = f"{split['utterances']:,} utterances of {split['speakers']:,} speakers"
    if split.get("hours") is not None:
        left += f", {split['hours']:.3g} h"
    return ["data", split["split"], left, f"{split.get('rejected', 0):,}", _reasons(split.get("reasons"))]


def _features_line(part: Mapping) -> list[str]:
    stage = f"feats {part['features']}"
    left = f"{part['utterances']:,} utterances"
    return [stage, part["split"], left, f"{part['rejected']:,}", _reasons(part["reasons"])]


def _training_lines(run: str, summary: Mapping) -> Iterable[list[str]]:
    if "utterances_found" not in summary:
        return
    lost = {why: summary[key] for key, why in DROPPED if summary.get(key)}
    kept = summary["utterances_found"] - sum(lost.values())
    yield ["train: filters", run, f"{kept:,} utterances", f"{sum(lost.values()):,}", _reasons(lost)]
    held_out = kept - summary["utterances"]
    left = f"{summary['utterances']:,} utterances of {summary['speakers']:,} speakers trained on"
    why = f"held out for validation, among them all of {summary['held_out_speakers']} speakers" if held_out else ""
    yield ["train: held out", run, left, f"{held_out:,}", why]


def _reasons(reasons: Mapping[str, int] | None) -> str:
    return "; ".join(f"{count:,} {reason}" for reason, count in (reasons or {}).items())
