"""Pieces of report.html: cells, tables and figures, and the sections under the results."""

import json
import platform
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.metadata import PackageNotFoundError, version

from sre.report import calibrated
from sre.report.data_section import LINE as DATA_HEAD
from sre.report.data_section import lines as data_lines
from sre.report.errors import CONDITIONS, PAIRS, SPEAKERS, Errors, condition_cells, pair_cells, speaker_cells
from sre.report.figures.training import training_panels
from sre.report.jobs import COST, code_versions, commands, cost_rows
from sre.report.numbers import plain
from sre.report.rows import THRESHOLDS, Group, by_list, counts, results_of

LAST = (("last loss", "loss"), ("last accuracy, %", "accuracy"), ("last validation EER, %", "valid_eer"))
MEANS = (("utterances/s, mean", "utt_per_s", 1), ("waiting for data, mean %", "data_wait", 100))
NOT_TOLD = ("config", "packages")  # long; `sre trace` shows them
PACKAGES = ("sre", "torch", "torchaudio", "numpy", "scipy", "matplotlib")


def cell(text: str, tag: str = "td") -> str:
    """A cell; its looks follow from its text: numbers to the right, digests and sentences may wrap."""
    try:
        float(text.replace(",", ""))
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
    return remark + (details("Score thresholds", table("Score thresholds", head, rows)) if rows else "")


def calibration_section(groups: Sequence[Group]) -> str:
    """Nothing where no system is calibrated."""
    parts = []
    for trials, some in by_list(groups).items():
        lines = calibrated.calibration_lines(some)
        if lines:
            parts.append(f"<h3>{escape(trials)}</h3>\n<p>{escape(calibrated.bayes_remark(some))}</p>\n")
            parts.append(table("Before → after calibration", calibrated.HEADINGS, lines))
    return "".join(parts)


def training_section(runs: Mapping[str, dict]) -> str:
    """Curves by model, what the summaries and histories say by run; nothing without trainings."""
    parts = []
    for number, model in enumerate(sorted({run["model"] for run in runs.values() if run["history"]})):
        histories = {name: run["history"] for name, run in runs.items() if run["model"] == model and run["history"]}
        panels = training_panels(histories, f"training{number}")
        parts.append(f"<h3>{escape(model)}</h3>\n{figures_grid(panels)}")
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


def error_sections(errors: Sequence[Errors]) -> str:
    """Who errs, and with what: the reference of each evaluation list."""
    parts = []
    for one in errors:
        found = one.analysis
        parts.append(f"<h3>{escape(one.trials)}: {escape(one.system)}</h3>\n")
        parts.append(
            f"<p>At threshold {found.threshold:.5g}, that of its EER over the whole list, for every condition. All"
            f" {len(found.errors):,} errors with their files are in <code>{escape(one.folder)}/errors.csv</code>.</p>\n"
        )
        parts.append(table("By condition", CONDITIONS, map(condition_cells, found.breakdown)))
        parts.append(
            table(
                "Speakers with the most errors, by the sum of both rates", SPEAKERS, map(speaker_cells, found.speakers)
            )
        )
        parts.append(details("Most confusing pairs", table("Pairs", PAIRS, map(pair_cells, found.pairs))))
    return "".join(parts)


def details(title: str, content: str) -> str:
    """Closed on a screen until it is asked for; needs no script."""
    return f"<details>\n<summary>{escape(title)}</summary>\n{content}</details>\n"


def data_section(gates: Mapping, features: Mapping, runs: Mapping[str, dict]) -> str:
    lines = data_lines(gates, features, runs)
    said = bullets(gates.get("notes", []))
    return said + (table("From the corpus to training and trials", DATA_HEAD, lines) if lines else "")


def cost_table(jobs: Sequence[dict]) -> str:
    caption = "By step and run; times are the sum over its jobs, start of the process included"
    return table(caption, COST, cost_rows(jobs)) if jobs else ""


def provenance(groups: Sequence[Group], jobs: Sequence[dict], command: str) -> str:
    rows = [row for group in groups for row in group.rows]
    parts = [f"<p>All of it again: <code>{escape(command)}</code></p>\n" if command else ""]
    parts.append(_trial_lists(groups))
    if jobs:
        parts.append(f"<p>Code: {escape(', '.join(code_versions(jobs, results_of(groups))))}.</p>\n")
        said = "".join(f"{escape(line)}\n" for line in commands(jobs))
        parts.append(details(f"The commands of {len(jobs)} jobs", f'<pre class="scroll">{said}</pre>\n'))
    scored = {}
    for row in rows:
        facts = [plain(row.result.get(key)) for key in ("wall_s", "config_sha256")]
        scored[row.trials, row.run] = [row.run, row.model, str(row.seed), row.trials, *facts]
    head = ["run", "model", "seed", "list", "seconds", "SHA-256 of the config"]
    parts.append(details("Score jobs", table("Score jobs", head, scored.values())))
    backends = []
    for row in rows:
        facts = _flat(row.result["systems"][row.system].get("backend") or {})
        if facts:
            said = ", ".join(f"{key} {value}" for key, value in facts.items())
            backends.append([row.run, row.system, row.trials, said])
    if backends:
        head = ["run", "system", "list", "facts"]
        parts.append(details("Back-ends as fitted", table("Back-ends as fitted", head, backends)))
    versions = [["Python", platform.python_version()], *([name, _version(name)] for name in PACKAGES)]
    return "".join(parts) + table("Packages of this report", ["package", "version"], versions)


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
