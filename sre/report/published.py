"""The numbers of a report as one small JSON, which stays with a recipe, and the tables of RESULTS.md made of it alone.

The JSON: name, command, environments (sre/machine/environment.py), lists (name, role, sha256, targets, nontargets,
bootstrap; condition of a list of noisy, reverberant or short speech), rows (a run x list x system: marks, of which
"best" is the lowest EER; metrics, intervals, note), means (of a model with several seeds: metrics, intervals),
trainings (run -> parameters, training_s, device, macs_2s, utterances_per_s_8s, as far as its training tells them), and
identified (run -> its identification.json, where there is one), and made_from where it was not made of metrics files.

In Markdown its tables stand between the lines `<!-- begin NAME.json -->` and `<!-- end NAME.json -->`. A table of
several experiments stands between `<!-- begin TABLE A.json B.json -->` and its end of the same words; TABLE is one of
`sre.report.summaries: TABLES`. Nothing in there is written by hand.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean

from sre import SreError
from sre.config.conditions import Condition
from sre.experiments.read import load_results
from sre.io.forms import built
from sre.io.text import lines_of, read_text
from sre.metrics.bootstrap import COLUMNS
from sre.metrics.rates import RATES
from sre.report.numbers import difference_text, plain
from sre.report.pages import made_anew, table
from sre.report.ranking import Difference, group_interval
from sre.report.rows import Group, Row, counts, group_rows, make_rows, marks
from sre.report.summaries import TABLES, WORDS, to_quote, with_interval
from sre.report.tsv import difference_in
from sre.scoring.identification import FILE as IDENTIFICATION_FILE
from sre.scoring.identification import IdentificationResult
from sre.training.summary import SUMMARY_FILE, TrainSummary

TRAINING_FACTS = ("parameters", "macs_2s", "training_s", "utterances_per_s_8s", "device")
COSTS: tuple[tuple[str, Callable[[dict], float], int], ...] = (  # heading, of the facts of a training, decimals
    ("parameters, M", lambda facts: facts["parameters"] / 1e6, 3),
    ("MACs of 2 s, G", lambda facts: facts["macs_2s"] / 1e9, 3),
    ("training, minutes", lambda facts: facts["training_s"] / 60, 1),
    ("utt/s of 8 s", lambda facts: facts["utterances_per_s_8s"], 1),
)


def collect(folder: Path, command: str) -> dict:
    """Return the JSON of exp/<name>, of the runs and lists that its report.tsv has.

    Raises SreError where a file is missing, or has changed after the report was made.
    """
    lines = _report(folder / "report.tsv")
    scored = dict.fromkeys((line["run"], line["trials"]) for line in lines)
    results = load_results([folder / run / "scores" / trials / "metrics.json" for run, trials in scored])
    primary = {(line["run"], line["system"]) for line in lines if line["primary"]}
    rows = [replace(row, primary=(row.run, row.system) in primary) for row in make_rows(results)]
    said = {(line["run"], line["trials"], line["system"]): line["eer"] for line in lines}
    if said != {(row.run, row.list_name, row.system): plain(row.metrics.get("eer")) for row in rows}:
        raise SreError(
            f"{folder / 'report.tsv'}: its systems or EERs are not those of the scores; make the report again"
        )
    compared = {(line["trials"], line["model"], line["system"]): difference_in(line) for line in lines}
    chosen = {(line["trials"], line["model"], line["system"]) for line in lines if line["chosen"]}
    groups = [replace(group, chosen=(group.rows[0].list_name, *group.name) in chosen) for group in group_rows(rows)]
    several = [group for group in groups if len(group.rows) > 1 and group.done]
    environments = [result.environment for result in results if result.environment]
    return {
        "name": folder.name,
        "command": command,
        "environments": [one for n, one in enumerate(environments) if one not in environments[:n]],
        "lists": [_list(trials, groups) for trials in dict.fromkeys(row.list_name for row in rows)],
        "rows": [_row(row, group, compared) for group in groups for row in group.rows],
        "means": [_mean(group) for group in several],
        **({"fused": fused} if (fused := sorted({row.run for row in rows if row.result.fused_runs})) else {}),
        "trainings": {run: facts for run in sorted({row.run for row in rows}) if (facts := _training(folder / run))},
        **({"identified": identified} if (identified := dict(_identified(folder, rows))) else {}),
    }


def _report(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise SreError(f"{path}: no such file; give the folder of an experiment whose report is made")
    return list(csv.DictReader(lines_of(read_text(path)), delimiter="\t", quoting=csv.QUOTE_NONE))


def _list(trials: str, groups: Sequence[Group]) -> dict:
    some = [group for group in groups if group.rows[0].list_name == trials]
    result = some[0].rows[0].result
    targets, nontargets = counts(some) or (None, None)
    size = {"targets": targets, "nontargets": nontargets, "bootstrap": result.bootstrap and result.bootstrap.as_dict()}
    changed = {"condition": asdict(result.condition)} if result.condition else {}
    return {"name": trials, "role": result.role, "sha256": result.trials_sha256, **size, **changed}


def _row(row: Row, group: Group, compared: dict[tuple[str, str, str], dict[str, float]]) -> dict:
    difference = compared[row.list_name, row.model, row.system]
    names = {"run": row.run, "model": row.model, "seed": row.seed, "list": row.list_name, "system": row.system}
    metrics = row.metrics
    found = {"metrics": {key: metrics[key] for _, key, _ in RATES if key in metrics}, "note": row.note}
    found |= {"difference": difference} if difference else {}
    return names | found | {"marks": marks(group), "intervals": row.outcome.intervals}


def _mean(group: Group) -> dict:
    """The mean over the seeds, with intervals: all seeds have draws of the same speakers."""
    names = {"model": group.rows[0].model, "list": group.rows[0].list_name, "system": group.rows[0].system}
    metrics = {key: group.mean(key) for _, key, _ in RATES if group.values(key)}
    drawn = all(row.outcome.intervals for row in group.done)
    intervals = {key: group_interval(group, key) for key in COLUMNS} if drawn else {}
    return names | {"metrics": metrics, "intervals": intervals}


def _training(folder: Path) -> dict:
    path = folder / SUMMARY_FILE
    told = TrainSummary.read(path).told() if path.is_file() else {}
    return {key: told[key] for key in TRAINING_FACTS if key in told}


def _identified(folder: Path, rows: Sequence[Row]) -> Iterator[tuple[str, dict]]:
    """Yield (run, what its identification.json says of unheard utterances and of lists), of runs that have one."""
    for run in sorted({row.run for row in rows}):
        if (path := folder / run / IDENTIFICATION_FILE).is_file():
            found = IdentificationResult.read(path)
            yield run, {"unheard": asdict(found.unheard) if found.unheard else None, "lists": found.lists}


def rendered(text: str, read: Callable[[str], dict]) -> str:
    """Return the Markdown `text` with what is between its marks made anew; `read` gives the JSON of a name in a mark.

    Raises SreError where a begin has no end of the same name.
    """

    def make(words: list[str]) -> str:
        first, *names = words
        return TABLES[first]([read(name) for name in names]) if first in TABLES else render(read(" ".join(words)))

    return made_anew(text, make)


def render(results: dict) -> str:
    """Return how the numbers were made, a table of the models, and for each list one with a line a model x system."""
    parts = [f"```\n{results['command'].strip()}\n```\n"] if results["command"] else []
    said = [*map(_environment, results["environments"]), *_trainings(results)]
    said += [f"Made from {results['made_from']}."] if "made_from" in results else []
    parts += ["".join(f"- {line}\n" for line in said)] if said else []
    parts += _models(results)
    for one in results["lists"]:
        parts += [] if "condition" in one else [_section(one, results)]
        parts += _conditions(one, results)
    return "\n" + "\n".join(parts) + "\n"


def _environment(facts: dict) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    return f"Scored by sre {facts['code']} with Python {facts['python']}, {packages}, on {facts['device']}."


def _trainings(results: dict) -> list[str]:
    """A sentence for each model whose training is known."""
    models = {row["run"]: row["model"] for row in results["rows"]}
    lines = []
    for model in dict.fromkeys(models.values()):
        some = [facts for run, facts in results["trainings"].items() if models[run] == model]
        if some:
            minutes = sorted(facts["training_s"] / 60 for facts in some)
            took = " to ".join(dict.fromkeys([f"{minutes[0]:.1f}", f"{minutes[-1]:.1f}"]))
            devices = " and ".join(sorted({facts["device"] for facts in some}))
            lines.append(f"{model}: {some[0]['parameters']:,} parameters, trained in {took} minutes on {devices}.")
    return lines


def _models(results: dict) -> list[str]:
    """A table of the models by cost: sizes, times, and the EER of the system to quote; [] if the costs are not known.

    Times are means over the seeds. Fusions of several models, which are no trainings, are left out.
    """
    lists = [one["name"] for one in results["lists"] if one["role"] == "evaluation"]
    quoted, lines = to_quote(results), []
    for model in dict.fromkeys(model for model, _ in quoted):
        runs = sorted({row["run"] for row in results["rows"] if row["model"] == model})
        if set(runs) <= set(results.get("fused", [])):
            continue
        trainings = [results["trainings"].get(run, {}) for run in runs]
        if not all("macs_2s" in facts for facts in trainings):
            return []
        line = {"model": model}
        line |= {heading: f"{fmean(map(value, trainings)):.{digits}f}" for heading, value, digits in COSTS}
        for name in lists:
            row = quoted.get((model, name))
            line |= {"system": row["system"] if row else "", f"EER on {name}, %": with_interval(row)}
        lines.append(line)
    lines.sort(key=lambda line: float(line[COSTS[1][0]]))
    return [table(lines, WORDS)] if lines else []


def _conditions(facts: dict, results: dict) -> list[str]:
    """A table of a list and its conditions, with a line for the system to quote of each model; [] without any."""
    known = {one["name"]: built(Condition, one["condition"]) for one in results["lists"] if "condition" in one}
    names = [name for name in sorted(known, key=lambda name: known[name].place) if known[name].of == facts["name"]]
    rows = {(row["model"], row["list"], row["system"]): row for row in results["rows"]}
    means = {(mean["model"], mean["list"], mean["system"]): mean for mean in results["means"]}
    heads = {facts["name"]: "clean, whole"} | {name: known[name].title for name in names}
    lines, below = [], []
    for (model, name), quoted in to_quote(results).items():
        if names and name == facts["name"]:
            keys = {head: (model, one, quoted["system"]) for one, head in heads.items()}
            rates = {head: with_interval(means.get(key) or rows.get(key)) for head, key in keys.items()}
            lines.append({"model": model, "system": quoted["system"], **rates})
            told = {head: rows.get(key, {}).get("difference") for head, key in keys.items()}
            against = {head: difference_text(Difference(**one), "eer") if one else "" for head, one in told.items()}
            if any(against.values()):
                below.append({"model": model, "system": "against the reference", **against})
    about = f"EER, %, of {facts['name']} where both sides of each trial are noisy, in a room, or cut to a length."
    about += " Differences are of the rate by which systems are ranked:" if below else ""
    return [f"{about}\n\n{table([*lines, *below], WORDS)}"] if lines else []


def _section(facts: dict, results: dict) -> str:
    """The heading, size and table of one list."""
    groups: dict[tuple[str, str], list[dict]] = {}
    for row in results["rows"]:
        if row["list"] == facts["name"]:
            groups.setdefault((row["model"], row["system"]), []).append(row)
    means = {(mean["model"], mean["system"]): mean for mean in results["means"] if mean["list"] == facts["name"]}
    cells = [_cells(rows, means.get(name)) for name, rows in groups.items()]
    title = f"{facts['name']} ({facts['role']})" if facts["role"] != "evaluation" else facts["name"]
    size = "no system was scored" if facts["targets"] is None else _size(facts)
    several = " Of several seeds: mean (least to greatest)." if means else ""
    return f"### {title}\n\n{size}, SHA-256 `{facts['sha256']}`.{several}\n\n{table(cells, WORDS)}"


def _size(facts: dict) -> str:
    speakers = (facts["bootstrap"] or {}).get("speakers")
    of = f" of {speakers} speakers" if speakers else ""
    return f"{facts['targets']} target and {facts['nontargets']} nontarget trials{of}"


def _cells(rows: Sequence[dict], mean: dict | None) -> dict[str, str]:
    """Map heading to cell, for the runs of one model x system x list."""
    whole = mean or rows[0]
    marked = f" ({', '.join(rows[0]['marks'])})" if rows[0]["marks"] else ""
    cells = {"model": rows[0]["model"], "system": rows[0]["system"] + marked}
    for heading, key, digits in RATES:
        values = [row["metrics"][key] for row in rows if key in row["metrics"]]
        cells[heading] = f"{whole['metrics'][key]:.{digits}f}" if values else ""
        cells[heading] += f" ({min(values):.{digits}f} to {max(values):.{digits}f})" if mean else ""
        if key == "eer":
            cells[heading] = f"**{cells[heading]}**" if "best" in rows[0]["marks"] else cells[heading]
            bounds = whole["intervals"].get("eer")
            cells["95 % interval"] = " to ".join(f"{bound:.{digits}f}" for bound in bounds or [])
    cells["seed"] = " ".join(str(row["seed"]) for row in rows if row["metrics"])
    return cells | {"note": "; ".join(dict.fromkeys(row["note"] for row in rows if row["note"]))}
