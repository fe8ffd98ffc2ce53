"""What a recipe's training looks like by epoch, as a small JSON that stays with it, and the table of its README.

The JSON is a `Curves`. In a README its tables stand between the lines `<!-- begin curves FILE.json -->` and
`<!-- end curves FILE.json -->`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Self

from sre import SreError
from sre.io.forms import built, form_of
from sre.io.text import read_object
from sre.report.figures.training import margin_growth
from sre.report.pages import made_anew, table
from sre.training.summary import HISTORY_FILE, SUMMARY_FILE, Epoch, TrainSummary, read_history

COLUMNS = {  # heading, digits behind the point
    "lr": ("learning rate", None),
    "margin": ("margin", 3),
    "loss": ("loss", 2),
    "accuracy": ("accuracy, %", 1),
    "valid_loss": ("validation loss", 2),
    "valid_accuracy": ("validation accuracy, %", 1),
    "valid_eer": ("validation EER, %", 1),
}
SCHEDULE = ("lr", "margin")  # the same in all runs
SHOWN = (1, 2, 3, 5, 7, 10, 15, 20, 30, 40, 60, 80, 100, 120, 150, 200, 300, 400, 500)
DIGITS = 5  # of a number in the JSON


@dataclass(frozen=True)
class ModelCurves:
    """The trainings of a model.

    columns : column of history.jsonl -> for each of `epochs` a number a run; None where it was not told
    """

    runs: list[str]
    codes: list[str]
    devices: list[str]
    epochs: list[int]
    columns: dict[str, list[list[float | None]]]
    held_out_speakers: int | None = None


@dataclass(frozen=True)
class Curves:
    """The trainings of an experiment by model, and the command that makes it."""

    name: str
    command: str
    models: dict[str, ModelCurves]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the JSON. Raises SreError naming the file and what is not of its form."""
        return built(cls, read_object(path, form_of(cls)))

    def text(self) -> str:
        """Return the JSON, an epoch a line."""
        whole = json.dumps(asdict(self), indent=1, sort_keys=True)
        return re.sub(r"\[\s+([^\[\]{}]*?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", whole) + "\n"


def collect(folder: Path, command: str) -> Curves:
    """Return the trainings of exp/<name> that are done. Raises SreError where there are none."""
    runs: dict[str, dict[str, tuple[TrainSummary, list[Epoch]]]] = {}
    for path in sorted(folder.glob(f"*/{SUMMARY_FILE}")):
        summary, history = TrainSummary.read(path), read_history(path.with_name(HISTORY_FILE))
        if history:
            model = path.parent.name.removesuffix(f"_s{summary.seed}")
            runs.setdefault(model, {})[path.parent.name] = summary, history
    if not runs:
        raise SreError(f"{folder}: no RUN/{SUMMARY_FILE} with a {HISTORY_FILE} in it; give an experiment, as exp/mini")
    return Curves(folder.name, command, {model: _model(some) for model, some in runs.items()})


def _model(runs: Mapping[str, tuple[TrainSummary, Sequence[Epoch]]]) -> ModelCurves:
    summaries, histories = zip(*runs.values(), strict=True)
    count = min(map(len, histories))  # one may have ended early
    told = [name for name in COLUMNS if any(row.get(name) is not None for row in histories[0])]
    return ModelCurves(
        runs=list(runs),
        codes=sorted({summary.code for summary in summaries}),
        devices=sorted({summary.device for summary in summaries}),
        epochs=[row["epoch"] for row in histories[0][:count]],
        columns={name: [[_short(rows[n].get(name)) for rows in histories] for n in range(count)] for name in told},
        held_out_speakers=summaries[0].held_out_speakers,
    )


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.{DIGITS}g}")


def rendered(text: str, read: Callable[[str], Curves]) -> str:
    """Return the Markdown `text` with its tables of curves made anew; `read` gives those of a name in a mark."""

    def make(words: list[str]) -> str:
        if words[0] != "curves" or len(words) != 2:
            raise SreError(f"<!-- begin {' '.join(words)} -->: write <!-- begin curves FILE.json -->")
        return curves(read(words[1]))

    return made_anew(text, make)


def curves(content: Curves) -> str:
    """Return the command, and of each model how its training should look, with a table by epoch."""
    parts = [f"```\n{content.command}\n```\n"]
    parts += [_section(model, told) for model, told in content.models.items()]
    return "\n" + "\n".join(parts) + "\n"


def _section(model: str, told: ModelCurves) -> str:
    columns, epochs, count = told.columns, told.epochs, len(told.runs)
    numbers = f"mean of {count} seeds (least to greatest)" if count > 1 else "one seed"
    said = [f"`{model}`, {numbers}, by sre {', '.join(told.codes)} on {', '.join(told.devices)}."]
    shown = {*SHOWN, epochs[-1]}
    if growth := _growth(columns, epochs):
        (before, after), losses = growth, [_mean(of) for of in columns["loss"]]
        start = max(epochs.index(max(before, epochs[0])), 0)
        peak = max(range(start, epochs.index(after) + 1), key=losses.__getitem__)
        said.append(f"In epochs {before + 1} to {after} the margin grows.")
        if losses[peak] > losses[start]:
            span = f"from {losses[start]:.2f} to {losses[peak]:.2f} (epoch {epochs[peak]})"
            said.append(f"The loss then rises {span}, as it should.")
        shown |= {before, epochs[peak], after}
    if told.held_out_speakers and "valid_eer" in columns:
        said.append(f"The validation EER is of {told.held_out_speakers} speakers: of few it jumps.")
    lines = [{"epoch": f"{epoch}"} | _cells(columns, place) for place, epoch in enumerate(epochs) if epoch in shown]
    return "".join(f"- {sentence}\n" for sentence in said) + f"\n{table(lines)}"


def _mean(values: Sequence[float | None]) -> float:
    return fmean(value for value in values if value is not None)


def _growth(columns: Mapping[str, Sequence[Sequence[float | None]]], epochs: Sequence[int]) -> tuple[int, int] | None:
    """Return in which epochs the margin grows, by the first run; None where it does not, or no loss is told."""
    margins = columns.get("margin", []) if "loss" in columns else []
    return margin_growth([{"epoch": epoch, "margin": of[0]} for epoch, of in zip(epochs, margins, strict=False)])


def _cells(columns: Mapping[str, Sequence[Sequence[float | None]]], place: int) -> dict[str, str]:
    """Map heading to cell, of one epoch."""
    cells = {}
    for name, (heading, digits) in COLUMNS.items():
        of = columns.get(name, [[]] * (place + 1))
        known = [value for value in of[place] if value is not None]
        if not known or name in SCHEDULE:
            cells[heading] = (f"{known[0]:.{digits}f}" if digits else f"{known[0]:.2g}") if known else ""
            continue
        cells[heading] = f"{fmean(known):.{digits}f}"
        if len(known) > 1:
            cells[heading] += f" ({min(known):.{digits}f} to {max(known):.{digits}f})"
    return cells
