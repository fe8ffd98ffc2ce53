"""The table that people read: a line a system, ranked, with intervals and what is shown to differ from the leader."""

from collections.abc import Sequence
from statistics import stdev

from sre.report.ranking import NOT_SHOWN, Standing, group_interval, speakers, warning
from sre.report.tables import RATES, Group, counts, rate_text

SHOWN = ("eer", "min_dcf_0.01", "min_dcf_0.05", "act_dcf_0.05", "cllr")  # every run has them all
DIGITS = {key: digits for _, key, digits in RATES}
NAMES = {key: name for name, key, _ in RATES}
UNIT = {"eer": " %"}


def headings(metric: str) -> list[str]:
    others = [NAMES[key] for key in _others(metric)]
    name = NAMES[metric]
    return ["model", "system", f"{name} on development", name, "95 % interval", "against the leader", *others, "note"]


def _others(metric: str) -> list[str]:
    return [key for key in SHOWN if key != metric]


def cells(standing: Standing, metric: str) -> list[str]:
    """By `headings`; the other rates are means over the seeds."""
    group = standing.group
    model, system = group.name
    digits = DIGITS[metric]
    developed = "" if standing.on_development is None else f"{standing.on_development:.{digits}f}"
    if not group.done:
        return [model, system, developed, "", "", "", *[""] * len(_others(metric)), group.rows[0].note]
    others = [rate_text(group, key, DIGITS[key]) for key in _others(metric)]
    marked = [model, system, developed, value(group, metric), interval_text(group, metric)]
    return [*marked, against(standing, metric), *others, note(group)]


def value(group: Group, metric: str) -> str:
    """Mean over the seeds with their standard deviation."""
    found = group.values(metric)
    if not found:
        return ""
    spread = f" ± {stdev(found):.{DIGITS[metric]}f}" if len(found) > 1 else ""
    return f"{group.mean(metric):.{DIGITS[metric]}f}{spread}"


def interval_text(group: Group, metric: str) -> str:
    bounds = group_interval(group, metric)
    return f"{bounds[0]:.{DIGITS[metric]}f} to {bounds[1]:.{DIGITS[metric]}f}" if bounds else ""


def against(standing: Standing, metric: str) -> str:
    difference, digits = standing.difference, DIGITS[metric]
    if standing.leader:
        return "leader"
    if difference is None:
        return ""
    bounds = f"{difference.value:+.{digits}f} ({difference.low:+.{digits}f} to {difference.high:+.{digits}f})"
    return f"{difference.verdict}: {bounds}, p {p_text(difference.p)}"


def p_text(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def note(group: Group) -> str:
    failed = len(group.rows) - len(group.done)
    said = [f"{failed} of {len(group.rows)} seeds failed"] if failed else []
    return "; ".join([*said, *dict.fromkeys(row.note for row in group.done if row.note)])


def size_text(groups: Sequence[Group]) -> str:
    number = counts(groups)
    if not number:
        return "no system was scored"
    done = next(group for group in groups if group.done)
    of = f" of {speakers(done)} speakers" if speakers(done) else ""
    return f"{number[0]:,} target and {number[1]:,} nontarget trials{of}"


def answers(standings: Sequence[Standing], metric: str) -> list[str]:
    """Sentences of one evaluation list: which system leads, how sure that is, which others may be as good."""
    leader = next((standing for standing in standings if standing.leader), None)
    if leader is None:
        return ["Every system failed on this list."]
    name, unit = NAMES[metric].removesuffix(", %"), UNIT.get(metric, "")
    bounds, group = interval_text(leader.group, metric), leader.group
    model, system = group.name
    said = f"{model} {system} leads: {_why(leader, name, unit)}. Here its {name} is {value(group, metric)}"
    said += unit + (f" (95 % interval {bounds})." if bounds else ", without an interval.")
    return [said, *_tested(standings), *_lowest(standings, metric), *filter(None, [warning(standings)])]


def _why(leader: Standing, name: str, unit: str) -> str:
    if leader.on_development is not None:
        return f"it has the lowest {name} of all on the development list ({leader.on_development:.3g}{unit})"
    if leader.group.rows[0].primary:
        return "it is the primary system, named before anything was scored"
    return f"it has the lowest {name} on this very list, which flatters it, for there is no development list"


def _tested(standings: Sequence[Standing]) -> list[str]:
    verdicts = [standing.difference.verdict for standing in standings if standing.difference]
    if not verdicts:
        return []
    said = [f"{verdicts.count('worse')} of {len(verdicts)} other systems are shown to be worse"]
    said.append(f"{verdicts.count('better')} to be better")
    said.append(f"for {verdicts.count(NOT_SHOWN)} no difference is shown")
    return [", ".join(said) + " (paired bootstrap over speakers, Holm-corrected p < 0.05)."]


def _lowest(standings: Sequence[Standing], metric: str) -> list[str]:
    """What was found afterwards to be lowest, where it is another."""
    done = [standing for standing in standings if standing.group.values(metric)]
    least = min(done, key=lambda standing: standing.group.mean(metric))
    if least.leader:
        return []
    model, system = least.group.name
    name = NAMES[metric].removesuffix(", %")
    shown = f" ({least.difference.verdict})" if least.difference else ""
    return [
        f"The lowest {name} here is that of {model} {system}, {value(least.group, metric)}{shown}; found afterwards."
    ]
