"""How the models were trained: curves by model, and what summaries and histories say by run."""

from collections.abc import Mapping, Sequence

from sre.report.blocks import Block, Bullets, Figures, Fold, Heading, Table
from sre.report.content import Content
from sre.report.figures.training import Curve, last_epoch, training_panels
from sre.report.numbers import flat
from sre.training.summary import Epoch, Trained, TrainSummary

LAST = (
    ("last loss", "loss"),
    ("last accuracy, %", "accuracy"),
    ("last validation loss", "valid_loss"),
    ("last validation EER, %", "valid_eer"),
)
MEANS = (
    ("utterances/s, mean", "utt_per_s", 1),
    ("waiting for data, mean %", "data_wait", 100),
    ("norm of the gradient, mean", "grad_norm", 1),
)


def blocks(content: Content) -> list[Block]:
    """Return nothing without trainings."""
    runs = content.runs
    if not runs:
        return []
    found: list[Block] = []
    for number, model in enumerate(sorted({run.model for run in runs.values() if run.history})):
        curves = {name: curve_of(name, runs) for name, run in runs.items() if run.model == model and run.history}
        began = sorted({curve.began for curve in curves.values() if curve.began})
        found += [Heading(model), Figures(training_panels(curves, f"training{number}"))]
        found += (
            [Bullets([f"{model} started from {', '.join(began)}, whose training is not part of this report."])]
            if began
            else []
        )
    said = [f"{name} started from {base}." for name, run in runs.items() if (base := _started_from(run.summary))]
    said += [f"{name}: no training history beside its summary." for name, run in runs.items() if not run.history]
    facts = {name: summary_facts(run.summary) | _history_facts(run.history) for name, run in runs.items()}
    keys = dict.fromkeys(key for some in facts.values() for key in some)
    rows = [[key, *(some.get(key, "") for some in facts.values())] for key in keys]
    table = Table.of("What the training summary says, and last values and means of the history", ["", *facts], rows)
    return [*found, Bullets(said), Fold("Training runs", [table])]


def curve_of(name: str, runs: Mapping[str, Trained]) -> Curve:
    """Return the curve of a run: after those that it started from, as far as they are runs of this report."""
    names, began = chain_of(name, {run: trained for run, trained in runs.items() if trained.history})
    return Curve(runs[name].history, final_epochs(runs[name]), [runs[base].history for base in names], began)


def chain_of(name: str, runs: Mapping[str, Trained]) -> tuple[list[str], str]:
    """Return the runs that a run started from, the first of all first, and what that one started from.

    The latter is "" if it started afresh. It has a name if that is no run of this report.
    """
    names: list[str] = []
    at = name
    while started := _started_from(runs[at].summary):
        seed = at.removeprefix(runs[at].model)
        found = next((base for base in (started + seed, started) if base in runs and base not in (name, *names)), None)
        if found is None:
            return names, started
        names.insert(0, found)
        at = found
    return names, ""


def _started_from(summary: TrainSummary) -> str:
    """Return the name of what a training started from; "" of one that started afresh."""
    return summary.init[0].get("name", "another network") if summary.init else ""


def final_epochs(run: Trained) -> list[int]:
    """Return the epochs that final.pt is made of: those its summary tells, else by its config the last ones."""
    if run.summary.final_epochs is not None:
        return run.summary.final_epochs
    last, count = last_epoch(run.history), run.summary.config.get("training", {}).get("average_last", 0)
    return list(range(max(1, last - count + 1), last + 1)) if count else []


def summary_facts(summary: TrainSummary) -> dict[str, str]:
    """Return what the summary tells; what the training started from as names, each with the begin of its SHA-256."""
    facts = flat({name: value for name, value in summary.told().items() if name != "init"})
    started = ", from ".join(f"{of.get('name')} ({of.get('sha256', '')[:12]})" for of in summary.init or ())
    return facts | ({"started from (SHA-256)": started} if started else {})


def _history_facts(history: Sequence[Epoch]) -> dict[str, str]:
    """Return last values, and means of the rates, of the training history."""
    facts = {"epochs": str(len(history))} if history else {}
    last = history[-1] if history else {}
    facts |= {name: f"{value:.4g}" for name, key in LAST if (value := last.get(key)) is not None}
    for name, key, scale in MEANS:
        values = [value for line in history if (value := line.get(key)) is not None]
        if values:
            facts[name] = f"{scale * sum(values) / len(values):.4g}"
    return facts
