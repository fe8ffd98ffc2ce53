"""The table that people read: a line a system, ranked, with intervals and what differs from the reference."""

from collections.abc import Sequence
from statistics import stdev

from sre.metrics.bootstrap import FEW_SPEAKERS, P_TARGETS
from sre.report.numbers import rate_text
from sre.report.ranking import NOT_SHOWN, Standing, group_interval, speakers, warning, without_interval
from sre.report.rows import RATES, Group, counts

SHOWN = ("eer", "min_dcf_0.01", "min_dcf_0.05", "act_dcf_0.05", "cllr")  # every run has them all
NAMES = {key: name for name, key, _ in RATES} | {f"act_dcf_{p}": f"actDCF({p})" for p in P_TARGETS}
DIGITS = {key: 2 if key == "eer" else 3 for key in NAMES}  # every run has more
UNIT = {"eer": " %"}


def headings(metric: str) -> list[str]:
    others = [NAMES[key] for key in _others(metric)]
    name = NAMES[metric]
    return [
        "model",
        "system",
        f"{name} on development",
        name,
        "95 % interval",
        "against the reference",
        *others,
        "note",
    ]


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
    if standing.reference:
        return "reference"
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
    """Sentences of one evaluation list: what to quote, how sure that is, which others may be as good or better."""
    reference = next((standing for standing in standings if standing.reference), None)
    if reference is None:
        return ["Every system failed on this list."]
    said = f"Quote {_said(reference, metric)}: {_why(reference, standings, NAMES[metric].removesuffix(', %'))}."
    done = [standing for standing in standings if standing.group.values(metric)]
    more = [*_tested(standings), _first(done[0], metric), _lowest(done, metric), without_interval(standings, metric)]
    more.append(warning(standings))
    return [said, *filter(None, more)]


def _said(standing: Standing, metric: str) -> str:
    """`model system, EER 8.34 % (95 % interval 5.85 to 10.84)`."""
    name, unit = NAMES[metric].removesuffix(", %"), UNIT.get(metric, "")
    bounds = interval_text(standing.group, metric)
    text = f"{' '.join(standing.group.name)}, {name} {value(standing.group, metric)}{unit}"
    return text + (f" (95 % interval {bounds})" if bounds else ", without an interval")


def _why(reference: Standing, standings: Sequence[Standing], name: str) -> str:
    if reference.group.rows[0].primary:
        said = "it is the primary system, named before anything was scored"
        if sum(one.group.rows[0].primary for one in standings) == 1:
            return said
        on = "the development list" if reference.on_development is not None else "this very list, which flatters it"
        return f"{said}, with the model that ranks highest on {on}"
    if reference.on_development is not None:
        return "it is the first on the development list"
    return f"it has the lowest {name} on this very list, which flatters it, for there is no development list"


def _tested(standings: Sequence[Standing]) -> list[str]:
    verdicts = [standing.difference.verdict for standing in standings if standing.difference]
    if not verdicts:
        return []
    others = sum(standing.group.done != [] and not standing.reference for standing in standings)
    said = [f"{verdicts.count('worse')} of {others} other systems are shown to be worse"]
    said.append(f"{verdicts.count('better')} to be better")
    said.append(f"for {verdicts.count(NOT_SHOWN)} no difference is shown")
    if others > len(verdicts):
        said.append(f"{others - len(verdicts)} could not be tested (equal in every draw, or of other draws)")
    over = "speakers" if speakers(next(one.group for one in standings if one.reference)) else "trials"
    return [", ".join(said) + f" (paired bootstrap over {over}, Holm-corrected p < 0.05)."]


def _first(standing: Standing, metric: str) -> str | None:
    """On development, where it is not what is to be quoted; and how many speakers chose it."""
    if standing.on_development is None:
        return None
    few = standing.chosen_by is not None and standing.chosen_by < FEW_SPEAKERS
    by = f" The development list has {standing.chosen_by} speakers: few to choose by." if few else ""
    if standing.reference:
        return by.strip()
    verdict = f": {standing.difference.verdict}" if standing.difference else ""
    return f"First on the development list is {_said(standing, metric)}{verdict}.{by}"


def _lowest(done: Sequence[Standing], metric: str) -> str | None:
    """What was found afterwards to be lowest, where it is another."""
    least = min(done, key=lambda standing: standing.group.mean(metric))
    if least.reference or (least is done[0] and least.on_development is not None):
        return None
    verdict = f": {least.difference.verdict}" if least.difference else ""
    return f"The lowest here, found afterwards on this very list, is {_said(least, metric)}{verdict}."
