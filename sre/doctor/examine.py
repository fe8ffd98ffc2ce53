"""All that is looked at before a recipe's first stage, in the order of the page."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from sre.config.recipe import Recipe
from sre.doctor import corpora, machine, room, software
from sre.doctor.findings import STOP, Finding
from sre.doctor.survey import Root


def examine(recipe: Recipe, project: Path, roots: Sequence[Root]) -> Iterator[Finding]:
    """Yield what was found. Nothing is written, and no audio is decoded.

    project : the checkout
    roots : the keys of the recipe's config that name corpora
    """
    surveys, of_corpora = corpora.count(roots, recipe.config)
    sound = [f"{survey.by_ffmpeg:,} recordings of {key}" for key, survey in surveys.items() if survey.by_ffmpeg]
    yield from machine.looked_at(recipe)
    yield from software.looked_at(project, recipe, sound)
    yield from of_corpora
    yield from _other_paths(recipe, roots)
    yield from room.looked_at(recipe, surveys)


def _other_paths(recipe: Recipe, roots: Sequence[Root]) -> Iterator[Finding]:
    """Yield the files and folders that the config names and that are not there, but for corpora and the root."""
    looked_at = {"root", "trials", *(root.key for root in roots)}
    for key, path, kind in recipe.paths:
        there = Path(path).is_file() if kind == "file" else Path(path).is_dir()
        if key not in looked_at and not there and not key.startswith("trials."):
            yield Finding(
                corpora.CORPORA,
                key,
                STOP,
                f"{path}: no such {'file' if kind == 'file' else 'folder'}",
                "Mend the path.",
            )
