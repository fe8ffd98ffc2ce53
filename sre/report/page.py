"""report.html: one page with no script and no outside resource, for a screen of any width and for paper."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from sre.io.text import exact
from sre.report import summary
from sre.report.errors import Errors
from sre.report.figure_sets import cost_front, list_figures, maps
from sre.report.jobs import code_versions, code_warning
from sre.report.numbers import HEADINGS, Line, table_lines
from sre.report.ranking import Standing
from sre.report.rows import Group, marks, results_of
from sre.report.sections import (
    bullets,
    calibration_section,
    cell,
    cost_table,
    data_section,
    details,
    error_sections,
    figures_grid,
    provenance,
    table,
    thresholds,
    training_section,
)

CSS = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif;
  color: #1b1b1b; background: #fff; margin: 0 auto; max-width: 78rem;
  padding: 1.5rem clamp(.9rem, 3vw, 2rem) 3rem; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: 0 0 .6rem; }
h2 { font-size: 1.25rem; margin: 2.4rem 0 .6rem; padding-top: .9rem; border-top: 1px solid #ccc; }
h3 { font-size: 1.02rem; margin: 1.5rem 0 .4rem; }
p, li, dd { max-width: 46rem; }
ul { padding-left: 1.2rem; }
.scroll { overflow-x: auto; margin: .7rem 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: #555; padding-bottom: .3rem; }
th, td { padding: .3rem .5rem; text-align: left; vertical-align: top; white-space: nowrap;
  border-bottom: 1px solid #e3e3e3; }
thead th { border-bottom: 2px solid #888; vertical-align: bottom; white-space: normal; }
tbody th { font-weight: 500; }
.system, tbody th { white-space: normal; }
th.group { background: #f1f4f7; font-weight: 600; }
th.group span { font-weight: 400; color: #444; }
.n { text-align: right; }
.note { white-space: normal; min-width: 16rem; }
.note:empty { min-width: 0; }
.long { white-space: normal; overflow-wrap: anywhere; min-width: 20rem;
  font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: .8rem; }
tr.mean > * { border-bottom-color: #888; }
tr.best > * { background: #eef6ec; font-weight: 600; }
tr.failed > * { background: #fbf0ec; }
td.worse { color: #8a3200; }
td.better { color: #00573d; font-weight: 600; }
td.reference { font-weight: 600; }
summary { cursor: pointer; font-weight: 600; margin: .6rem 0; }
pre { font: .75rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
code { font: .85em ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
small { display: block; color: #444; font-weight: 400; font-size: .78rem; }
.badge { border: 1px solid currentColor; border-radius: .6em; padding: 0 .45em; margin-left: .3em;
  font-size: .72rem; font-weight: 600; }
.figures { display: grid; gap: 1rem 1.6rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
figure { margin: 0; max-width: 36rem; break-inside: avoid; }
svg { width: 100%; height: auto; display: block; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
figcaption { font-size: .85rem; color: #444; }
dt { font-weight: 600; margin-top: .5rem; }
dd { margin-left: 1rem; }
@media (max-width: 40rem) {
  table { font-size: .8rem; }
  th, td { padding: .3rem .4rem; }
}
@media print {
  body { max-width: none; font-size: 11px; padding: 0; }
  .scroll { overflow: visible; }
  tr { break-inside: avoid; }
}
"""
LEGEND = """
<dl>
<dt>Trial, threshold</dt><dd>A trial is accepted as the same speaker where its score is at or above the
threshold. Equal scores are one threshold. No score was left out and none was sampled.</dd>
<dt>EER, equal error rate</dt><dd>The error rate, in per cent, where the share of target trials rejected
(P_miss) equals the share of nontarget trials accepted (P_fa), interpolated linearly between the two adjacent
operating points where P_miss − P_fa changes sign.</dd>
<dt>minDCF(P_target)</dt><dd>The least of C_miss · P_target · P_miss + C_fa · (1 − P_target) · P_fa over all
thresholds, divided by min(C_miss · P_target, C_fa · (1 − P_target)), as in NIST's evaluation plans: 0 is
perfect, 1 is no better than deciding without listening. Here COSTS.</dd>
<dt>actDCF(P_target)</dt><dd>The same cost at the Bayes threshold ln(C_fa · (1 − P_target) / (C_miss · P_target)),
which is right for scores that are natural-log likelihood ratios. Other scores are taken for such ratios as they
are, so that theirs says what calibration has to mend.</dd>
<dt>Cllr, minCllr</dt><dd>The cost of the likelihood ratios over all applications, in bits: 0 is perfect, 1 is what
a system costs that never commits itself, a misleading one costs more. minCllr is what is left after the best
non-decreasing map of the scores, found on this very list.</dd>
<dt>95 % interval</dt><dd>Of the mean over the seeds, by the bootstrap over the speakers of the list: the mean plus and
minus Student's t times the standard deviation over draws of speakers. It says how the number would differ with other
test speakers; the trained models are taken as they are. ± is the standard deviation over seeds.</dd>
<dt>Reference, against the reference</dt><dd>What to quote: the primary system of the model that ranks highest, else the
first on the development lists. The others' difference to it and p are from the same draws of speakers. The interval
beside it is of this one difference, p is corrected (Holm) for all systems of the list, so that an interval without 0
may go with a p above 0.05. “No difference shown” does not mean that there is none.</dd>
<dt>Mean over seeds</dt><dd>Mean and range (least to greatest) of runs that differ in the seed only.</dd>
<dt>primary, chosen, best</dt><dd>The primary system was named before anything was scored. The chosen one was chosen
on development: it has its model's lowest mean (of equal ones the first) on the development list. The best has the
lowest mean of the list, found afterwards on this very list, so it flatters. A primary system without a model's name
is marked in every model.</dd>
<dt>(development)</dt><dd>A list for choosing, calibrating and fusing systems. What was fitted on it looks better there
than it is.</dd>
</dl>
"""


@dataclass(frozen=True)
class Content:
    """All that the three forms of a report are made of."""

    title: str
    metric: str
    primary: str | None
    groups: list[Group]
    ranked: dict[str, list[Standing]]  # trial list, as it is headed -> its systems, by development
    runs: dict[str, dict]  # of `load_runs`
    remarks: list[str]
    notes: dict[str, list]  # of gates.json
    features: dict[str, list]  # of features_checked.json
    jobs: list[dict]  # records of what was run
    command: str


def page(content: Content, errors: Sequence[Errors], tsv_name: str) -> str:
    """The whole page; `tsv_name` is what people call report.tsv."""
    groups, runs = content.groups, content.runs
    sections = {
        "Results": _results(content) + bullets(content.remarks),
        "Error trade-off, scores, calibration": _list_sections(content.ranked),
        "Who errs": error_sections(errors),
        "Cost": figures_grid(cost_front(content.ranked, runs)) + cost_table(content.jobs),
        "Thresholds": thresholds(groups),
        "Calibration": calibration_section(groups),
        "Training": training_section(runs) if runs else "",
        "Data": data_section(content.notes, content.features, runs) + figures_grid(maps(content.ranked)),
        "What was run": provenance(groups, content.jobs, content.command),
    }
    costs = {_costs(row.metrics) for group in groups for row in group.done}
    sections["How to read the numbers"] = LEGEND.replace("COSTS", "; ".join(sorted(costs)) or "nothing was scored")
    body = "".join(f"<section><h2>{title}</h2>\n{text}</section>\n" for title, text in sections.items() if text)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(content.title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n"
        f"<h1>{escape(content.title)}</h1>\n{_lead(content, tsv_name)}{body}</main>\n</body>\n</html>\n"
    )


def _costs(metrics: dict) -> str:
    return f"C_miss = {exact(metrics['c_miss'])}, C_fa = {exact(metrics['c_fa'])}"


def _lead(content: Content, tsv_name: str) -> str:
    """What a newcomer asks: which system is best, is that shown, on what was it measured, how do I get it again."""
    parts = []
    for trials, standings in content.ranked.items():
        if not standings[0].group.rows[0].development:
            on = summary.size_text([standing.group for standing in standings])
            said = bullets(summary.answers(standings, content.metric))
            parts.append(f"<p><strong>{escape(trials)}</strong>, {escape(on)}:</p>\n{said}")
    said = [] if content.primary else ["No primary system was named before the run."]
    said += filter(None, [code_warning(code_versions(content.jobs, results_of(content.groups)))])
    again = f"<p>To run it again: <code>{escape(content.command)}</code>. " if content.command else "<p>"
    again += (
        f"<code>sre trace {escape(tsv_name)}:LINE</code> follows a run's numbers back to its files; “Every run” has"
    )
    return f"{''.join(parts)}{bullets(said)}{again} the lines.</p>\n"


def _results(content: Content) -> str:
    heads = summary.headings(content.metric)
    heads[3:5] = [f"{heads[3]} (95 % interval)"]
    body, runs, line = "", "", 1  # of report.tsv, whose heading is line 1
    for trials, standings in content.ranked.items():
        some = [standing.group for standing in standings]
        title = f'<tr><th class="group" scope="rowgroup" colspan="%d">{escape(trials)}'
        title += f" <span>{escape(summary.size_text(some))}</span></th></tr>\n"
        body += f"<tbody>\n{title % len(heads)}" + "".join(_standing_line(one, content.metric) for one in standings)
        runs += f"<tbody>\n{title % (len(HEADINGS) + 1)}"
        for one in table_lines(some):
            line += not one.is_mean
            runs += _result_line(one, "" if one.is_mean else str(line))
        body, runs = body + "</tbody>\n", runs + "</tbody>\n"
    caption = "EER in per cent, minDCF and actDCF normalised, Cllr in bits"
    developed = any(one.on_development is not None for standings in content.ranked.values() for one in standings)
    by = f"Ranked by {summary.NAMES[content.metric]} on {'development' if developed else 'the list itself'}"
    ranked = table(f"{by}; {caption}", heads, body)
    return ranked + details("Every run", table(caption, [*HEADINGS, "line"], runs))


def _standing_line(standing: Standing, metric: str) -> str:
    group = standing.group
    model, system, developed, value, interval, against, *rates, note = summary.cells(standing, metric)
    badges = "".join(f' <span class="badge">{word}</span>' for word in marks(group))
    cells = cell(model, "th") + f'<td class="system">{escape(system)}{badges}</td>{cell(developed)}'
    if not group.done:
        left = len(summary.headings(metric)) - 4
        return f'<tr class="failed">{cells}<td class="note" colspan="{left}">{escape(note)}</td></tr>\n'
    verdict, _, numbers = against.partition(": ")
    looks = f' class="{verdict}"' if verdict in ("worse", "better", "reference") else ""
    small = f"<small>{escape(numbers)}</small>" if numbers else ""
    cells += f'<td class="n">{value}<small>{interval}</small></td><td{looks}>{verdict}{small}</td>'
    cells += "".join(map(_rate_cell, rates)) + f'<td class="note">{escape(note)}</td>'
    return f'<tr class="best">{cells}</tr>\n' if standing.reference else f"<tr>{cells}</tr>\n"


def _result_line(line: Line, number: str) -> str:
    run, system, *rates, seed, note = line.cells
    badges = "".join(f' <span class="badge">{word}</span>' for word in line.marks)
    failed = not line.is_mean and line.row.metrics is None
    looks = (("best", line.best), ("mean", line.is_mean), ("failed", failed))
    names = " ".join(word for word, so in looks if so)
    numbers = "".join(map(_rate_cell, rates))
    if failed:  # the reason in their place, where it is seen without scrolling
        numbers, note = f'<td class="note" colspan="{len(rates)}">{escape(note)}</td>', ""
    cells = cell(run, "th") + f'<td class="system">{escape(system)}{badges}</td>'
    cells += numbers + cell(seed) + f'<td class="note">{escape(note)}</td>' + cell(number)
    return f'<tr class="{names}">{cells}</tr>\n' if names else f"<tr>{cells}</tr>\n"


def _rate_cell(text: str) -> str:
    value, _, spread = text.partition(" (")
    small = f"<small>{spread[:-1].replace(' to ', '–')}</small>" if spread else ""
    return f'<td class="n">{value}{small}</td>'


def _list_sections(ranked: Mapping[str, Sequence[Standing]]) -> str:
    parts = []
    for number, (trials, standings) in enumerate(ranked.items()):
        drawn = figures_grid(list_figures(trials, standings, number)) or "<p>No system was scored on this list.</p>\n"
        on = summary.size_text([standing.group for standing in standings])
        parts.append(f"<h3>{escape(trials)}: {escape(on)}</h3>\n{drawn}")
    return "".join(parts)
