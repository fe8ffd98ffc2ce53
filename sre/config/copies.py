"""Copies of splits with distorted sound: the recipe's `copies`, which models train on them, how one is made."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sre import SreError
from sre.config.distort import MANIFESTS, categories_in, check_distort, kinds_in
from sre.config.schema import Schema
from sre.io.text import canonical


@dataclass(frozen=True)
class Copy:
    """A split that is a distorted copy of another.

    Attributes
    ----------
    source : the split that it is a copy of
    distort : steps, as of augment.distort
    suffix : of its utterance ids; "": they are those of the source
    held_out : whether its noises and rooms are those that are held out of training
    """

    source: str
    distort: list[dict[str, Any]] = field(default_factory=list)
    seed: int = 1
    suffix: str = ""
    held_out: bool = False

    @property
    def text(self) -> str:
        """The steps as canonical JSON, which steps.copy_distorted is given."""
        return canonical({"distort": self.distort})


def check_copies(schema: Schema, copies: Mapping[str, dict]) -> None:
    """Check the recipe's copies, which have the schema's form. Raises SreError with all that is wrong."""
    for name, copy in copies.items():
        if not copy["distort"]:
            raise SreError(f"copies.{name}: distort is empty, so it is the split itself; name steps, or take it out")
        check_distort(schema, copy["distort"], f"copies.{name}: distort")


def add_copies(training: dict, copies: Mapping[str, dict], where: str) -> dict:
    """Return a resolved model's config with the copies that it trains on: name -> what stands of it in the recipe.

    A model that names none trains on all. Raises SreError naming the nearest of one that the recipe does not have.
    """
    names = training.get("copies")
    for name in names or ():
        if name not in copies:
            near = difflib.get_close_matches(name, list(copies), 1, 0.0)
            remedy = f"the nearest is '{near[0]}'" if near else "define it under copies of the recipe"
            raise SreError(f"{where}: copies: '{name}' is none of the recipe's copies; {remedy}")
    chosen = {name: copies[name] for name in (copies if names is None else names)}
    rest = {key: value for key, value in training.items() if key != "copies"}
    return {**rest, "copies": chosen} if chosen else rest


def check_files(steps: list[dict], there: Mapping[str, list[str] | None], where: str) -> None:
    """Check that what the steps need is there. Raises SreError for noises or rooms that nobody gives, or a category.

    there : kind of distortion -> the categories of its files, as far as they are known: [] for none known yet, None
        where no files are given
    """
    for kind in sorted(kinds_in(steps) & MANIFESTS.keys()):
        key, known = MANIFESTS[kind], there[kind]
        if known is None:
            raise SreError(f"{where} has the kind {kind}, and {key} is null; set {key}=FOLDER, or take {kind} out")
        for name in categories_in(steps, kind):
            if known and name not in known:
                near = difflib.get_close_matches(name, known, 1, 0.0)[0]
                raise SreError(
                    f"{where}: {key} has no category '{name}'; the nearest is '{near}', there are {', '.join(known)}"
                )
