"""The corpora and trial lists of a recipe, beside what was published of them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sre import SreError
from sre.doctor.findings import NOTE, OK, STOP, Finding
from sre.doctor.survey import Counts, ListFile, Part, Root, Survey

CORPORA, LISTS = "Corpora", "Trial lists"


def count(roots: Sequence[Root], config: Mapping[str, Any]) -> tuple[dict[str, Survey], list[Finding]]:
    """Return the survey of each corpus that is there, and what is to be said of the corpora and their trial lists."""
    surveys: dict[str, Survey] = {}
    found: list[Finding] = []
    for root in roots:
        if not config.get(root.key):
            found += _not_given(root, config)
            continue
        try:
            surveys[root.key] = root.count(config)
        except SreError as error:
            found.append(Finding(CORPORA, root.key, STOP, str(error), root.get))
            continue
        found += _about(root, surveys[root.key])
    lists = [one for survey in surveys.values() for one in survey.lists]
    return surveys, found + [_list(one) for one in lists]


def _not_given(root: Root, config: Mapping[str, Any]) -> Iterator[Finding]:
    if root.needed and not config.get(root.replaced_by):
        yield Finding(CORPORA, root.key, STOP, "not given", f"--config {root.key}=PATH. {root.get}")


def _about(root: Root, survey: Survey) -> Iterator[Finding]:
    """Yield a line a part, those that are not as published first, with one remedy for all of them."""
    odd = [part for part in survey.parts if _shortfall(part)]
    for part in odd:
        text = f"{part.name}: {_counts(part.found)}; published: {_counts(part.official)}"
        yield Finding(CORPORA, root.key, NOTE, text, f"{_shortfall(part)} {root.get}" if part is odd[-1] else "")
    for part in survey.parts:
        if part not in odd:
            known = ", as published" if part.official else ""
            yield Finding(CORPORA, root.key, OK, f"{part.name}: {_counts(part.found)}{known}")
    for stop in survey.stops:
        yield Finding(CORPORA, root.key, STOP, stop)
    for note in survey.notes:
        yield Finding(CORPORA, root.key, NOTE, note)


def _counts(counts: Counts | None) -> str:
    if counts is None:
        return "nothing"
    people = f"{counts.speakers:,} speakers, " if counts.speakers else ""
    hours = f", {counts.hours:,.{0 if counts.hours >= 100 else 1}f} h" if counts.hours else ""
    return f"{people}{counts.utterances:,} {'utterances' if counts.speakers else 'files'}{hours}"


def _shortfall(part: Part) -> str:
    """Return what to think of counts that are not as published; "" where they are, or nothing was."""
    if part.official is None or (part.found.speakers, part.found.utterances) == (
        part.official.speakers,
        part.official.utterances,
    ):
        return ""
    if part.found.utterances < part.official.utterances:
        return "What is there is used, but its results are not those of the whole."
    return "It has more than was published: other files lie there too, or it is another corpus."


def _list(one: ListFile) -> Finding:
    text = f"{one.trials:,} trials in {one.path}"
    if one.official_md5 and one.md5 == one.official_md5:
        return Finding(LISTS, one.name, OK, f"{text}, the published list (MD5 {one.md5})")
    if one.official_trials is None:
        return Finding(LISTS, one.name, OK, f"{text}, a list that nobody has published")
    if one.trials == one.official_trials and one.official_md5:
        text = f"{text}, as many as published, and with another MD5 ({one.md5}, not {one.official_md5})"
        cure = "Take the published file for results that others can compare."
        return Finding(LISTS, one.name, NOTE, text, cure)
    return Finding(LISTS, one.name, OK, text)
