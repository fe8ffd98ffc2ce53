"""Pieces of report.html: cells, tables and figures, and the sections under the results."""

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.metadata import PackageNotFoundError, version

from sre.report import calibrated
from sre.report.tables import THRESHOLDS, Group, by_list, counts, plain

LAST = (("last loss", "loss"), ("last accuracy, %", "accuracy"), ("last validation EER, %", "valid_eer"))
MEANS = (("utterances/s, mean", "utt_per_s", 1), ("waiting for data, mean %", "data_wait", 100))
NOT_TOLD = ("config", "packages")  # long; `sre trace` shows them
PACKAGES = ("sre", "torch", "torchaudio", "numpy", "scipy", "matplotlib")


def cell(text: str, tag: str = "td") -> str:
    """A cell; its looks follow from its text: numbers to the right, digests and sentences may wrap."""
    try:
        float(text)
        looks = ' class="n"'
    except ValueError:
        looks = ' class="long"' if len(text) >= 40 and " " not in text else ""
        looks = looks or (' class="note"' if len(text) > 45 else "")
    scope = ' scope="row"' if tag == "th" else ""
    return f"<{tag}{scope}{looks}>{escape(text)}</{tag}>"


def table(caption: str, head: Sequence[str], body: str | Iterable[Sequence[str]]) -> str:
    """A table in a box that scrolls by itself; the first cell of each row is its heading."""
    if not isinstance(body, str):
        rows = (cell(row[0], "th") + "".join(map(cell, row[1:])) for row in body)
        body = "<tbody>\n" + "".join(f"<tr>{row}</tr>\n" for row in rows) + "</tbody>\n"
    heads = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    return (
        f'<div class="scroll" role="region" aria-label="{escape(caption)}" tabindex="0">\n<table>\n'
        f"<caption>{escape(caption)}</caption>\n<thead><tr>{heads}</tr></thead>\n{body}</table>\n</div>\n"
    )


def bullets(sentences: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(sentence)}</li>\n" for sentence in sentences)
    return f"<ul>\n{items}</ul>\n" if items else ""


def figures_grid(pairs: Iterable[tuple[str, str]]) -> str:
    drawn = (f"<figure>\n{svg}<figcaption>{escape(caption)}</figcaption>\n</figure>\n" for caption, svg in pairs)
    content = "".join(drawn)
    return f'<div class="figures">\n{content}</div>\n' if content else ""


def size(groups: Sequence[Group]) -> str:
    number = counts(groups)
    return f"{number[0]} target and {number[1]} nontarget trials" if number else "not scored"


def thresholds(groups: Sequence[Group]) -> str:
    rows = []
    for row in (row for group in groups for row in group.done):
        values = [row.metrics.get(key) for _, key in THRESHOLDS]
        cells = ["reject all" if value is None else f"{value:#.5g}" for value in values]
        rows.append([row.run, row.system, row.list_title, *cells])
    remark = (
        "<p>A trial is accepted at or above the threshold. Thresholds do not carry over to other data: the"
        " scale of scores shifts with language, channel, duration and noise."
        " Set yours on labelled trials of your own.</p>\n"
    )
    head = ["run", "system", "trial list", *(name for name, _ in THRESHOLDS)]
    return remark + (table("Score thresholds", head, rows) if rows else "")


def calibration_section(groups: Sequence[Group]) -> str:
    """Nothing where no system is calibrated."""
    parts = []
    for trials, some in by_list(groups).items():
        lines = calibrated.calibration_lines(some)
        if lines:
            parts.append(f"<h3>{escape(trials)}</h3>\n<p>{escape(calibrated.bayes_remark(some))}</p>\n")
            parts.append(table("Before → after calibration", calibrated.HEADINGS, lines))
    return "".join(parts)


def training_section(training: Mapping[str, Sequence[tuple[str, str]]], runs: Mapping[str, dict]) -> str:
    parts = [f"<h3>{escape(model)}</h3>\n{figures_grid(panels)}" for model, panels in training.items()]
    missing = [f"{name}: no training history beside its summary." for name, run in runs.items() if not run["history"]]
    told = {name: {k: v for k, v in run["summary"].items() if k not in NOT_TOLD} for name, run in runs.items()}
    facts = {name: _flat(told[name]) | _history_facts(run["history"]) for name, run in runs.items()}
    keys = dict.fromkeys(key for some in facts.values() for key in some)
    rows = [[key, *(some.get(key, "") for some in facts.values())] for key in keys]
    return "".join(parts) + bullets(missing) + table("Training runs", ["", *facts], rows)


def _history_facts(history: Sequence[dict]) -> dict[str, str]:
    """Last values, and means of the rates, of the training history."""
    facts = {"epochs": str(len(history))} if history else {}
    for name, key in LAST:
        if history and history[-1].get(key) is not None:
            facts[name] = f"{history[-1][key]:.4g}"
    for name, key, scale in MEANS:
        values = [line[key] for line in history if line.get(key) is not None]
        if values:
            facts[name] = f"{scale * sum(values) / len(values):.4g}"
    return facts


def _flat(facts: Mapping, prefix: str = "") -> dict[str, str]:
    """Scalars by name, nested ones as `outer.inner`; lists as JSON."""
    flat: dict[str, str] = {}
    for key, value in facts.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = json.dumps(value) if isinstance(value, list) else plain(value)
    return flat


def provenance(groups: Sequence[Group], notes: Mapping[str, list]) -> str:
    rows = [row for group in groups for row in group.rows]
    parts = [bullets(notes.get("notes", []))]
    data = [_flat(line) for line in notes.get("data", [])]
    if data:
        keys = list(dict.fromkeys(key for line in data for key in line))
        parts.append(table("Data", keys, [[line.get(key, "") for key in keys] for line in data]))
    parts.append(_trial_lists(groups))
    jobs = {}
    for row in rows:
        facts = [plain(row.result.get(key)) for key in ("wall_s", "config_sha256")]
        jobs[row.trials, row.run] = [row.run, row.model, str(row.seed), row.trials, *facts]
    head = ["run", "model", "seed", "list", "seconds", "SHA-256 of the config"]
    parts.append(table("Score jobs", head, jobs.values()))
    backends = []
    for row in rows:
        facts = _flat(row.result["systems"][row.system].get("backend") or {})
        if facts:
            said = ", ".join(f"{key} {value}" for key, value in facts.items())
            backends.append([row.run, row.system, row.trials, said])
    if backends:
        parts.append(table("Back-ends as fitted", ["run", "system", "list", "facts"], backends))
    versions = [["Python", platform.python_version()], *([name, _version(name)] for name in PACKAGES)]
    return "".join(parts) + table("Packages", ["package", "version"], versions)


def _trial_lists(groups: Sequence[Group]) -> str:
    lines = []
    for trials, some in by_list(groups).items():
        number = counts(some)
        sizes = [*map(str, number), *(f"{100 / n:.3g}" for n in number)] if number else [""] * 4
        lines.append([trials, *sizes, some[0].rows[0].result["trials_sha256"]])
    head = ["list", "target", "nontarget", "one miss, %", "one false alarm, %", "SHA-256"]
    return table("Trial lists", head, lines)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
