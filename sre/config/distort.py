"""`augment.distort` of a model's YAML: what the schema cannot say of it."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from sre import SreError
from sre.config.schema import Schema

RANGES = ("snr", "count", "gain_db", "semitones")
MANIFESTS = {"noise": "musan", "room": "rirs"}  # kind of distortion -> key of the recipe that has its files


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


def codecs_in(steps: list[dict]) -> list[str]:
    """Return the names of the codecs of some steps, sorted."""
    return sorted({name for step in steps for one in step["one_of"] for name in one.get("names", [])})


def categories_in(steps: list[dict], kind: str) -> list[str]:
    """Return the categories that a kind, noise or room, takes files of, sorted."""
    return sorted(
        {name for step in steps for one in step["one_of"] if one["kind"] == kind for name in one.get("categories", [])}
    )


@dataclass
class Files:
    """The kinds of distortions that there are files of.

    left_out : other kinds that configs asked for, and were resolved without
    """

    kinds: Collection[str] = ()
    left_out: set[str] = field(default_factory=set)

    def sentence(self, model: str) -> str:
        """Return what a model is trained without; "" where nothing was left out."""
        lacking = sorted(self.left_out)
        if not lacking:
            return ""
        what = " and ".join({"noise": "noise", "room": "rooms"}[kind] for kind in lacking)
        keys = " and ".join(MANIFESTS[kind] for kind in lacking)
        return f"Model {model} is trained without {what}: {keys} {'are' if len(lacking) > 1 else 'is'} not given."


def with_files(model: dict, given: dict, files: Files, where: str) -> dict:
    """Return a model's checked config with what can be done of augment.distort, and where it reads from.

    given : the same before it was checked
    files : with augment.without_files: leave_out, kinds without files are left out; with source: auto, a network reads
        audio where there are any files
    Raises SreError where without_files has no augment.distort to look at.
    """
    settled = {**model, "augment": dict(model["augment"])}
    if settled["augment"].pop("without_files", "refuse") == "leave_out":
        if "distort" not in given.get("augment", {}):
            raise SreError(f"{where}: augment.without_files would do nothing without augment.distort; take it away")
        steps = settled["augment"].pop("distort", [])
        left = [*_left(steps, files.kinds)]
        files.left_out |= kinds_in(steps) - kinds_in(left)
        settled["augment"] |= {"distort": left} if left else {}
    if settled.get("source") == "auto":
        del settled["source"]  # features, the default
        settled |= {"source": "audio"} if files.kinds else {}
    return settled


def _left(steps: list[dict], files: Collection[str]) -> Iterator[dict]:
    """Yield what is left of steps without kinds that have no files: each other kind is as probable as before."""
    for step in steps:
        kinds = [one for one in step["one_of"] if one["kind"] in files or one["kind"] not in MANIFESTS]
        if kinds == step["one_of"]:
            yield step
        elif kinds:
            share = sum(one["weight"] for one in kinds) / sum(one["weight"] for one in step["one_of"])
            yield {"probability": round(step["probability"] * share, 12), "one_of": kinds}
