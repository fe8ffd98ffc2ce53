"""The names of the rules and those of a recipe's data.smk, which Snakemake keeps in one namespace."""

from collections.abc import Mapping

from sre import SreError

REPLACED = {"TRAIN", "ADAPT", "FEATS_ONLY"}  # by those that corpus() was given
DECLARED = {"CORPUS"}  # what corpus() sets


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, object]:
    """Return the names of `after` that `before` lacks, or has as something else; none with _ before it."""
    return {
        name: value
        for name, value in after.items()
        if not name.startswith("_") and not (name in before and before[name] is value)
    }


def check_names(
    before: Mapping[str, object], recipe: Mapping[str, object], after: Mapping[str, object], where: str
) -> None:
    """Check that a recipe, `where`, and the rules do not set each other's names.

    before, recipe, after : all names before the recipe's data.smk, after it, and after all rules
    Raises SreError naming one: rules read names late, and would read what the other one has set.
    """
    of_recipe = changed(before, recipe)
    taken = of_recipe.keys() & before.keys() - DECLARED
    taken |= {name for name, value in of_recipe.items() if after.get(name) is not value} - REPLACED - DECLARED
    if taken:
        raise SreError(f"{where}: it sets {min(taken)}, a name of the rules in steps/; rename it there")
