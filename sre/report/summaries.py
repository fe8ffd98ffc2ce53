"""Tables of RESULTS.md over several experiments, each of which is kept as a JSON (sre/report/published.py)."""

from collections.abc import Callable, Sequence
from statistics import fmean

from sre.report.pages import table

WORDS = ("experiment", "list", "model", "system", "note", "machine")  # columns of text


def summary(experiments: Sequence[dict]) -> str:
    """Return a table of experiments: for each evaluation list, the system to quote of the model with the lowest EER."""
    lines = [_summary_line(results, facts) for results in experiments for facts in results["lists"]]
    lines = [line for line in lines if line] or [{"experiment": "none has a primary or a chosen system"}]
    return f"\n{table(lines, WORDS)}\n"


def _summary_line(results: dict, facts: dict) -> dict[str, str]:
    """Map heading to cell; {} for a development list, and for one without an EER to quote."""
    rows = [row for (_, name), row in to_quote(results).items() if name == facts["name"] and "eer" in row["metrics"]]
    if not rows:
        return {}
    row = min(rows, key=lambda row: row["metrics"]["eer"])
    seeds = [one for one in results["rows"] if all(one[key] == row[key] for key in ("model", "list", "system"))]
    eers = sorted(one["metrics"]["eer"] for one in seeds if "eer" in one["metrics"])
    return {
        **_list_cells(results, facts),
        "model": row["model"] + f" (lowest of {len(rows)})" * (len(rows) > 1),
        "system": row["system"],
        **_eer_cells(row),
        "seeds, least to greatest": f"{eers[0]:.2f} to {eers[-1]:.2f}" if len(eers) > 1 else "",
    }


def systems(experiments: Sequence[dict]) -> str:
    """Return a table with a line for each model and evaluation list: error rates, accuracy and cost.

    Rates are of the system to quote, the mean of several seeds; accuracies and minutes are such means, too. A model
    without a system to quote has no line.
    """
    lines = [
        _system_line(results, facts, row)
        for results in experiments
        for facts in results["lists"]
        for (_, name), row in to_quote(results).items()
        if name == facts["name"] and "eer" in row["metrics"]
    ]
    return f"\n{table(lines, WORDS)}\n" if lines else "\n"


def _system_line(results: dict, facts: dict, row: dict) -> dict[str, str]:
    """Map heading to cell, for the row to quote of a model on a list."""
    runs = sorted({one["run"] for one in results["rows"] if one["model"] == row["model"]})
    trained = [results["trainings"][run] for run in runs if "training_s" in results["trainings"].get(run, {})]
    identified = [results["identified"][run] for run in runs if run in results.get("identified", {})]
    unheard = [one["unheard"] for one in identified if one["unheard"]]
    return {
        **_list_cells(results, facts),
        "model": row["model"],
        "system": row["system"],
        **_eer_cells(row),
        "minDCF(0.01)": f"{row['metrics']['min_dcf_0.01']:.4f}" if "min_dcf_0.01" in row["metrics"] else "",
        "unheard utterances, among speakers": f"{unheard[0]['utterances']}, {unheard[0]['speakers']}"
        if unheard
        else "",
        "accuracy by the classifier, %": _rank_1([one["ways"].get("classifier") for one in unheard]),
        "accuracy by the nearest mean, %": _rank_1([one["ways"].get("nearest_mean") for one in unheard]),
        "accuracy on the list, %": _rank_1(
            [one["lists"].get(row["list"], {}).get(row["system"]) for one in identified]
        ),
        "parameters, M": f"{trained[0]['parameters'] / 1e6:.3f}" if trained else "",
        "training, minutes": f"{fmean(one['training_s'] for one in trained) / 60:.1f}" if trained else "",
        "machine": " and ".join(sorted({one["device"] for one in trained})),
    }


def _rank_1(rates: Sequence[dict | None]) -> str:
    """Return the mean of the runs' rank 1 in per cent, of one run with its interval; "" where a run has none."""
    known = [one for one in rates if one]
    if not known or len(known) < len(rates):
        return ""
    bounds = known[0]["intervals"].get("rank_1") if len(known) == 1 else None
    within = f" ({100 * bounds[0]:.1f} to {100 * bounds[1]:.1f})" if bounds else ""
    return f"{100 * fmean(one['rank_1'] for one in known):.1f}{within}"


def _list_cells(results: dict, facts: dict) -> dict[str, str]:
    return {
        "experiment": results["name"],
        "list": facts["name"].removeprefix(f"{results['name']}_"),
        "target + nontarget trials": f"{facts['targets']:,} + {facts['nontargets']:,}",
    }


def _eer_cells(row: dict) -> dict[str, str]:
    bounds = row["intervals"].get("eer", [])
    return {"EER, %": f"{row['metrics']['eer']:.2f}", "95 % interval": " to ".join(f"{bound:.2f}" for bound in bounds)}


def to_quote(results: dict) -> dict[tuple[str, str], dict]:
    """Return (model, evaluation list) -> the row of the system to quote, or to the mean of several seeds.

    That is the primary system, else the one chosen on the development list.
    """
    lists = [one["name"] for one in results["lists"] if one["role"] == "evaluation"]
    means = {(mean["model"], mean["list"], mean["system"]): mean for mean in results["means"]}
    found: dict[tuple[str, str], dict] = {}
    for mark in ("primary", "chosen"):
        for row in results["rows"]:
            if mark in row["marks"] and row["list"] in lists:
                name = (row["model"], row["list"])
                found.setdefault(name, means.get((*name, row["system"]), row))
    return found


def with_interval(row: dict | None) -> str:
    """Return the EER of a row and its interval, in per cent; "" without one."""
    if row is None or "eer" not in row["metrics"]:
        return ""
    bounds = row["intervals"].get("eer")
    return f"{row['metrics']['eer']:.2f}" + (f" ({bounds[0]:.2f} to {bounds[1]:.2f})" if bounds else "")


TABLES: dict[str, Callable[[Sequence[dict]], str]] = {"summary": summary, "systems": systems}  # word in a mark -> table
