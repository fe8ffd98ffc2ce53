"""How the models were trained: curves by model, and what summaries and histories say by run."""

from collections.abc import Sequence

from sre.report.blocks import Block, Bullets, Figures, Fold, Heading, Table
from sre.report.content import Content
from sre.report.figures.training import training_panels
from sre.report.numbers import flat

LAST = (("last loss", "loss"), ("last accuracy, %", "accuracy"), ("last validation EER, %", "valid_eer"))
MEANS = (("utterances/s, mean", "utt_per_s", 1), ("waiting for data, mean %", "data_wait", 100))


def blocks(content: Content) -> list[Block]:
    """Return nothing without trainings."""
    runs = content.runs
    if not runs:
        return []
    found: list[Block] = []
    for number, model in enumerate(sorted({run.model for run in runs.values() if run.history})):
        histories = {name: run.history for name, run in runs.items() if run.model == model and run.history}
        found += [Heading(model), Figures(training_panels(histories, f"training{number}"))]
    missing = [f"{name}: no training history beside its summary." for name, run in runs.items() if not run.history]
    facts = {name: flat(run.summary.told()) | _history_facts(run.history) for name, run in runs.items()}
    keys = dict.fromkeys(key for some in facts.values() for key in some)
    rows = [[key, *(some.get(key, "") for some in facts.values())] for key in keys]
    table = Table.of("What the training summary says, and last values and means of the history", ["", *facts], rows)
    return [*found, Bullets(missing), Fold("Training runs", [table])]


def _history_facts(history: Sequence[dict]) -> dict[str, str]:
    """Return last values, and means of the rates, of the training history."""
    facts = {"epochs": str(len(history))} if history else {}
    last = history[-1] if history else {}
    facts |= {name: f"{last[key]:.4g}" for name, key in LAST if last.get(key) is not None}
    for name, key, scale in MEANS:
        values = [line[key] for line in history if line.get(key) is not None]
        if values:
            facts[name] = f"{scale * sum(values) / len(values):.4g}"
    return facts
