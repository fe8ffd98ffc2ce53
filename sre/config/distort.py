"""`augment.distort` of a model's YAML: what the schema cannot say of it."""

from collections.abc import Iterator

from sre import SreError
from sre.config.schema import Schema

RANGES = ("snr", "count", "gain_db", "semitones")


def check_distort(schema: Schema, steps: list[dict], where: str) -> None:
    """Check steps that have the schema's form. Raises SreError with all that is wrong.

    A key belongs to the kinds that are its `x-of`, which need it unless it has a default; a range has the least first.
    """
    keys = schema.part("$defs", "distortion")["properties"]
    problems = [
        f"{where}: {problem}" for step in steps for kind in step["one_of"] for problem in _problems_of(kind, keys)
    ]
    if problems:
        raise SreError("\n".join(dict.fromkeys(problems)))


def _problems_of(given: dict, keys: dict) -> Iterator[str]:
    kind = given["kind"]
    for key, said in keys.items():
        kinds = said.get("x-of", [kind])
        if key in given and kind not in kinds:
            yield f"{key} is of {' and '.join(kinds)}, not of {kind}; take it out"
        elif key not in given and kind in kinds and "default" not in said:
            yield f"{kind} has no {key}; write it (docs/augmentation.md)"
    for key in RANGES:
        if key in given and given[key][0] > given[key][1]:
            least, most = given[key]
            yield f"{key} of {kind} is [{least:g}, {most:g}]; write the least first"


def kinds_in(steps: list[dict]) -> set[str]:
    """Return the kinds of distortions of some steps."""
    return {kind["kind"] for step in steps for kind in step["one_of"]}


def categories_in(steps: list[dict], kind: str) -> list[str]:
    """Return the categories that a kind, noise or room, takes files of, sorted."""
    return sorted(
        {name for step in steps for one in step["one_of"] if one["kind"] == kind for name in one.get("categories", [])}
    )
