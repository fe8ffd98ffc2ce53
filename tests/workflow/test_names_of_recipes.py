"""The one namespace of the rules and a recipe's data.smk."""

import pytest

from sre import SreError
from sre.workflow.names import check_names


@pytest.mark.parametrize("name, value", [("DATA", "x"), ("COPIES", ["mine"])])
def test_a_recipe_and_the_rules_do_not_set_each_others_names(name: str, value: object) -> None:
    before: dict = {"DATA": "data", "CORPUS": None}
    recipe = before | {"CORPUS": "the corpus", "TRAIN": "train", "PARTS": [1], "_hidden": 1}
    rules = {"CORPUS": "with conditions", "TRAIN": "train", "COPIES": {}, "_hidden": 2}
    check_names(before, recipe, recipe | rules, "r/data.smk")
    with pytest.raises(SreError, match=f"r/data.smk: it sets {name}, a name of the rules in steps/; rename it there"):
        check_names(before, recipe | {name: value}, recipe | {name: value} | rules, "r/data.smk")
