"""report.html: one page with no script and no outside resource, for a screen of any width and for paper."""

from collections.abc import Mapping, Sequence
from html import escape

from sre.report.sections import (
    bullets,
    calibration_section,
    cell,
    figures_grid,
    provenance,
    size,
    table,
    thresholds,
    training_section,
)
from sre.report.tables import HEADINGS, Group, Line, by_list, table_lines

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
thead th { border-bottom: 2px solid #888; vertical-align: bottom; }
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
<dt>Mean over seeds</dt><dd>Mean and range (least to greatest) of runs that differ in the seed only.</dd>
<dt>primary, chosen, best</dt><dd>The primary system was named before anything was scored. The chosen one was chosen
on development: it has its model's lowest EER (of the mean, with several seeds; of equal ones the first) on the
development list. The best has the lowest EER of the list, found afterwards on this very list, so it flatters: quote
the primary system, or the chosen one.</dd>
<dt>(development)</dt><dd>A list for choosing, calibrating and fusing systems. What was fitted on it looks better there
than it is.</dd>
</dl>
"""


def page(
    title: str,
    primary: str | None,
    groups: Sequence[Group],
    figures: Mapping[str, Sequence[tuple[str, str]]],
    training: Mapping[str, Sequence[tuple[str, str]]],
    runs: Mapping[str, dict],
    remarks: Sequence[str],
    notes: Mapping[str, list],
) -> str:
    """The whole page; `figures` by trial list and `training` by model are (caption, SVG) pairs."""
    parts = [
        f"<h1>{escape(title)}</h1>\n{_lead(groups, primary)}",
        "<section><h2>Results</h2>\n" + _results(groups) + bullets(remarks) + "</section>\n",
        "<section><h2>Error trade-off and scores</h2>\n" + _list_sections(groups, figures) + "</section>\n",
        "<section><h2>Thresholds</h2>\n" + thresholds(groups) + "</section>\n",
    ]
    calibration = calibration_section(groups)
    if calibration:
        parts.append("<section><h2>Calibration</h2>\n" + calibration + "</section>\n")
    if runs:
        parts.append("<section><h2>Training</h2>\n" + training_section(training, runs) + "</section>\n")
    parts.append("<section><h2>What was run</h2>\n" + provenance(groups, notes) + "</section>\n")
    costs = {_costs(row.metrics) for group in groups for row in group.done}
    legend = LEGEND.replace("COSTS", "; ".join(sorted(costs)) or "nothing was scored")
    parts.append("<section><h2>How to read the numbers</h2>" + legend + "</section>\n")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n"
        + "".join(parts)
        + "</main>\n</body>\n</html>\n"
    )


def _costs(metrics: dict) -> str:
    return f"C_miss = {metrics['c_miss']:g}, C_fa = {metrics['c_fa']:g}"


def _said(group: Group) -> str:
    row = group.rows[0]
    if not group.done:
        return f"{row.model} {row.system} failed: {row.note}"
    text = f"{row.model} {row.system}, EER {group.mean('eer'):.2f} %"
    values = group.values("eer")
    if len(values) == 1:
        return text
    return f"{text} (mean of {len(values)} seeds, {min(values):.2f} to {max(values):.2f})"


def _lead(groups: Sequence[Group], primary: str | None) -> str:
    """A sentence an evaluation list: the primary system, those chosen on development, and the best."""
    items = []
    for trials, some in by_list(group for group in groups if not group.rows[0].development).items():
        named = [f"primary {_said(group)}" for group in some if group.rows[0].primary]
        named += [f"chosen on development {_said(group)}" for group in some if group.chosen]
        best = [f"best {_said(group)}" for group in some if group.best]
        said = "; ".join(named + best) or "every system failed"
        items.append(f"<li><strong>{escape(trials)}</strong>: {escape(said)}.</li>\n")
    none = "" if primary else "<p>No primary system was named before the run.</p>\n"
    return f"<ul>\n{''.join(items)}</ul>\n{none}"


def _results(groups: Sequence[Group]) -> str:
    body = ""
    for trials, some in by_list(groups).items():
        body += f'<tbody>\n<tr><th class="group" scope="rowgroup" colspan="{len(HEADINGS)}">{escape(trials)}'
        body += f" <span>{size(some)}</span></th></tr>\n"
        body += "".join(map(_result_line, table_lines(some)))
        body += "</tbody>\n"
    return table("EER in per cent, minDCF and actDCF normalised, Cllr in bits", HEADINGS, body)


def _result_line(line: Line) -> str:
    run, system, *rates, seed, note = line.cells
    badges = "".join(f' <span class="badge">{word}</span>' for word in line.marks)
    failed = not line.is_mean and line.row.metrics is None
    looks = (("best", line.best), ("mean", line.is_mean), ("failed", failed))
    names = " ".join(word for word, so in looks if so)
    numbers = "".join(map(_rate_cell, rates))
    if failed:  # the reason in their place, where it is seen without scrolling
        numbers, note = f'<td class="note" colspan="{len(rates)}">{escape(note)}</td>', ""
    cells = cell(run, "th") + f'<td class="system">{escape(system)}{badges}</td>'
    cells += numbers + cell(seed) + f'<td class="note">{escape(note)}</td>'
    return f'<tr class="{names}">{cells}</tr>\n' if names else f"<tr>{cells}</tr>\n"


def _rate_cell(text: str) -> str:
    value, _, spread = text.partition(" (")
    small = f"<small>{spread[:-1].replace(' to ', '–')}</small>" if spread else ""
    return f'<td class="n">{value}{small}</td>'


def _list_sections(groups: Sequence[Group], figures: Mapping[str, Sequence[tuple[str, str]]]) -> str:
    parts = []
    for trials, some in by_list(groups).items():
        drawn = figures_grid(figures[trials]) or "<p>No system was scored on this list.</p>\n"
        parts.append(f"<h3>{escape(trials)}: {size(some)}</h3>\n{drawn}")
    return "".join(parts)
