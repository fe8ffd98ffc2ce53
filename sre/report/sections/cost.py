"""What the experiment cost: time, memory and rate by step, and each model's accuracy against its training time."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import nan

from sre.config.stages import TRAIN_EMBEDDING
from sre.experiments.records import Record
from sre.machine.log import clock
from sre.report.blocks import Beside, Block, Figure, Figures, Table
from sre.report.content import Content
from sre.report.figures.cost import CostPoint, accuracy_cost_front
from sre.report.jobs import StepCost, step_costs
from sre.report.ranking import Standing, group_interval
from sre.report.sections.training import chain_of
from sre.training.summary import Trained, TrainSummary

HEAD = ["step", "of", "jobs", "time, sum", "peak memory, MiB", "rate", "device"]
MEMORY_HEAD = ["process, MiB", "readers, MiB", "GPU, MiB"]
TRAINING_HEAD = ["training", "devices", "device hours", *MEMORY_HEAD, "GPU busy", "energy, kWh"]
J_PER_KWH = 3.6e6


def blocks(content: Content) -> list[Block]:
    parts: list[Block] = [cost_table(content.jobs, content.runs)] if content.jobs else []
    parts += [*filter(None, [trainings_table(content.runs)])]
    drawn = cost_front(content.ranked, content.runs)
    return [Beside([*parts, Figures(drawn)])] if drawn else parts


def cost_table(jobs: Sequence[Record], runs: Mapping[str, Trained]) -> Table:
    """Return a line a step and run; steps of less than half a second share one, and a device of all is said once.

    The time and memory of a training are those of all its runs, which its summary tells; its record is of the last.
    """
    costs = [_whole(cost, runs) for cost in step_costs(jobs)]
    quick = [cost for cost in costs if clock(cost.seconds) == "0:00"]
    devices = {cost.device for cost in costs}
    rows = [_cells(cost, len(devices) > 1) for cost in costs if cost not in quick]
    if quick:
        names = ", ".join(dict.fromkeys(cost.step for cost in quick))
        memory = f"{max(cost.memory_mib for cost in quick):.0f}"
        rows.append([f"under a second: {names}", "", f"{sum(cost.jobs for cost in quick)}", "0:00", memory, "", ""])
    on = f", on {devices.pop()}" if len(devices) == 1 else ""
    return Table.of(f"By step and run{on}; times are the sum over its jobs, start of the process included", HEAD, rows)


def _whole(cost: StepCost, runs: Mapping[str, Trained]) -> StepCost:
    if cost.step != TRAIN_EMBEDDING or cost.subject not in runs:
        return cost
    summary = runs[cost.subject].summary
    memory = max(cost.memory_mib, summary.peak_memory_mib or 0.0)
    return replace(cost, seconds=summary.cost_s(cost.seconds) or cost.seconds, memory_mib=memory)


def _cells(cost: StepCost, with_device: bool) -> list[str]:
    cells = [cost.step, cost.subject, f"{cost.jobs}", clock(cost.seconds), f"{cost.memory_mib:.0f}", cost.rate]
    return [*cells, cost.device if with_device else ""]


def trainings_table(runs: Mapping[str, Trained]) -> Table | None:
    """Return a line a training on what it took of its devices, and one of their sum; None where none tells its time.

    A column that no training tells is not there: the last two need NVML.
    """
    told = {name: run.summary for name, run in runs.items() if run.summary.cost_s()}
    if not told:
        return None
    rows = [[name, *_of_training(summary)] for name, summary in told.items()]
    if len(rows) > 1:
        energy = [summary.energy_j for summary in told.values()]
        known = [joules for joules in energy if joules is not None]
        hours = sum(map(_device_hours, told.values()))
        kwh = _number(sum(known) / J_PER_KWH) if len(known) == len(rows) else ""
        rows.append(["all trainings", "", _number(hours), "", "", "", "", kwh])
    caption = "By training, all of its runs: device hours are hours times devices, a CPU being one; peaks of memory"
    return Table.of(caption, TRAINING_HEAD, rows).without_empty()


def _device_hours(summary: TrainSummary) -> float:
    """Return hours times devices; those of a summary that does not tell them are of one device."""
    return (summary.device_s or summary.cost_s() or 0.0) / 3600


def _of_training(summary: TrainSummary) -> list[str]:
    memory = (summary.peak_memory_mib, summary.peak_workers_mib, summary.peak_gpu_mib)
    return [
        f"{summary.num_devices}" if summary.num_devices else "",
        _number(_device_hours(summary)),
        *("" if mib is None else f"{mib:.0f}" for mib in memory),
        "" if summary.gpu_busy is None else f"{100 * summary.gpu_busy:.0f} %",
        "" if summary.energy_j is None else _number(summary.energy_j / J_PER_KWH),
    ]


def _number(value: float) -> str:
    """Return three digits, without an exponent."""
    return f"{value:.3g}" if 0.001 <= value < 1000 else f"{value:.0f}" if value >= 1 else "<0.001"


def cost_front(ranked: Mapping[str, Sequence[Standing]], runs: Mapping[str, Trained]) -> list[Figure]:
    """Return a figure an evaluation list, where it has several models: each model's first system against its cost."""
    figures: list[Figure] = []
    for trials, standings in ranked.items():
        points, models = [], set()
        for group in (standing.group for standing in standings if standing.group.done):
            model = group.name[0]
            times = [whole_cost_s(row.run, runs) for row in group.done]
            known = [seconds for seconds in times if seconds]
            if model in models or len(known) < len(times) or group.rows[0].development:
                continue
            models.add(model)
            low, high = group_interval(group, "eer") or (nan, nan)
            points.append(CostPoint(" ".join(group.name), sum(known) / len(known) / 60, group.mean("eer"), low, high))
        if len(points) > 1:
            caption = f"Accuracy against cost on {trials}: the first system of each model in the table."
            if any(run.summary.init for run in runs.values()):
                caption += " The time of a fine-tune has that of what it started from in it."
            drawn = accuracy_cost_front(points, f"front{len(figures)}", caption, "training, minutes")
            figures.append(Figure(caption, drawn))
    return figures


def whole_cost_s(name: str, runs: Mapping[str, Trained]) -> float | None:
    """Return the seconds of the training of a run and of all that it started from; None if one of them is not known."""
    if name not in runs:
        return None
    bases, began = chain_of(name, runs)
    times = [runs[run].summary.cost_s() for run in (*bases, name)]
    known = [seconds for seconds in times if seconds is not None]
    return None if began or len(known) < len(times) else sum(known)
