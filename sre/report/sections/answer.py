"""The answer, in plain words: which number to quote of each list, why that one, and whether others are better."""

from collections.abc import Iterator, Sequence

from sre.metrics.bootstrap import FEW_SPEAKERS
from sre.report.blocks import Block, Bullets, Text
from sre.report.content import Content
from sre.report.jobs import code_versions, code_warning
from sre.report.numbers import UNIT, interval_text, short_name, size_text, value
from sre.report.ranking import NOT_SHOWN, Standing, warning, without_interval

SHORT_COMMAND = 100  # characters; a longer one stands under "What was run" alone
VERDICTS = {"better": "demonstrably better", "worse": "demonstrably worse", NOT_SHOWN: "not demonstrably different"}


def blocks(content: Content) -> list[Block]:
    found: list[Block] = []
    said = {trials: answers(standings, content.metric) for trials, standings in content.evaluations}
    first_said = next(iter(said.values()), [])[1:] if len(said) > 1 else []
    common = [text for text in first_said if all(text in sentences for sentences in said.values())]
    for trials, standings in content.evaluations:
        first, *more = said[trials]
        size = size_text([standing.group for standing in standings])
        found += [Text(f"On **{trials}** ({size}), {first}"), Bullets([text for text in more if text not in common])]
    return [*found, Bullets([*common, *_of_all(content)])]


def _of_all(content: Content) -> Iterator[str]:
    """Yield what is true of all lists, and where the numbers are from."""
    if warned := code_warning(code_versions(content.jobs, content.groups)):
        yield warned
    if not content.primary:
        yield "No primary system was named before the run."
    if 0 < len(content.command) <= SHORT_COMMAND:
        yield f"To run it again: `{content.command}`"
    table = content.folder / "report.tsv"
    yield f"To follow a number back to its files: `sre trace {table}:LINE`, with the LINE of the table “Every run”."


def answers(standings: Sequence[Standing], metric: str) -> list[str]:
    """Return sentences on one evaluation list; the first says what to quote and how the others compare with it."""
    reference = next((standing for standing in standings if standing.reference), None)
    if reference is None:
        return ["every system failed."]
    done = [standing for standing in standings if standing.group.values(metric)]
    why = _why(reference, standings, metric)
    first = f"the number to quote is {_said(reference, metric, bold=True)}, because {why}."
    more = [_first(done[0], metric), _lowest(done, metric), without_interval(standings, metric), warning(standings)]
    return [" ".join(filter(None, [first, _compared(standings)])), *filter(None, more)]


def _said(standing: Standing, metric: str, bold: bool = False) -> str:
    """Return `EER 8.34 % (95 % interval 5.85 to 10.84) of xvector plda`."""
    number = f"{short_name(metric)} {value(standing.group, metric)}{UNIT.get(metric, '')}"
    bounds = interval_text(standing.group, metric)
    interval = f" (95 % interval {bounds})" if bounds else " (without an interval)"
    return f"{f'**{number}**' if bold else number}{interval} of `{' '.join(standing.group.name)}`"


def _why(reference: Standing, standings: Sequence[Standing], metric: str) -> str:
    developed = reference.on_development is not None
    if reference.group.rows[0].primary:
        said = "this system was named as the primary one before anything was scored"
        if sum(one.group.rows[0].primary for one in standings) == 1:
            return said
        on = "the development list" if developed else "this very list, which flatters it"
        return f"{said}, and its model ranks highest on {on}"
    if developed:
        return "it is the first on the development list"
    return (
        f"it has the lowest {short_name(metric)} on this very list. There is no development list to choose on, so the"
        " number is flattered by the choice"
    )


def _compared(standings: Sequence[Standing]) -> str:
    """Return a sentence on the other systems, "" where there are none."""
    others = [standing for standing in standings if standing.group.done and not standing.reference]
    verdicts = [standing.difference.verdict for standing in others if standing.difference]
    if not others:
        return ""
    if not verdicts:
        return (
            "Whether other systems differ from it was not tested: their draws of speakers are missing or not the same."
        )
    if set(verdicts) == {NOT_SHOWN} and len(verdicts) == len(others):
        if len(others) == 1:
            return "The other system does not differ demonstrably from it."
        return f"None of the {len(others)} other systems differs demonstrably from it."
    if len(set(verdicts)) == 1 and len(verdicts) == len(others):
        which = "The other system is" if len(others) == 1 else f"All {len(others)} other systems are"
        return f"{which} {VERDICTS[verdicts[0]]}."
    counts = [(verdicts.count(verdict), words) for verdict, words in VERDICTS.items()]
    counts.append((len(others) - len(verdicts), "not comparable (equal in every draw, or of other draws)"))
    said = [f"{number} {'is' if number == 1 else 'are'} {words}" for number, words in counts if number]
    return f"Of the {len(others)} other systems, compared with it, {', '.join(said[:-1])} and {said[-1]}."


def _verdict(standing: Standing) -> str:
    return f", which is {VERDICTS[standing.difference.verdict]}" if standing.difference else ""


def _first(standing: Standing, metric: str) -> str | None:
    """Return what is first on development, where it is not what is to be quoted, and how many speakers chose it."""
    if standing.on_development is None:
        return None
    few = standing.chosen_by is not None and standing.chosen_by < FEW_SPEAKERS
    by = f" The development list has {standing.chosen_by} speakers: few to choose by." if few else ""
    if standing.reference:
        return by.strip()
    return f"First on the development list is another system: {_said(standing, metric)}{_verdict(standing)}.{by}"


def _lowest(done: Sequence[Standing], metric: str) -> str | None:
    """Return what was found afterwards to be lowest, where it is another."""
    least = min(done, key=lambda standing: standing.group.mean(metric))
    if least.reference or (least is done[0] and least.on_development is not None):
        return None
    return (
        f"The lowest on this list is {_said(least, metric)}{_verdict(least)}."
        " It was found afterwards on this very list, so its number is flattered."
    )
