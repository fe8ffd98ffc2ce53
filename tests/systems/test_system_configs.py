"""The configs of recipes/systems: each is resolved with each recipe of a corpus, and each model is used."""

from pathlib import Path

import pytest
from system_tables import ROOT

from sre.config.overrides import read_config
from sre.config.recipe import load_recipe
from sre.io.yaml_text import read_yaml

RECIPES = ROOT / "recipes"
SYSTEMS = RECIPES / "systems"
CONFIGS = sorted(SYSTEMS.glob("*.yaml"))


@pytest.mark.parametrize("recipe", ["librispeech", "voxceleb", "custom"])
@pytest.mark.parametrize("config", CONFIGS, ids=[config.stem for config in CONFIGS])
def test_a_config_goes_with_every_corpus(config: Path, recipe: str, monkeypatch) -> None:
    """Its runs are named as its models' files are, and its experiment as its own is."""
    monkeypatch.chdir(ROOT)
    asked = read_config(RECIPES, [config], [f"recipe={recipe}"])
    loaded = load_recipe(asked, RECIPES)
    assert asked["name"] == config.stem and loaded.config["primary_system"]
    assert {run.model for run in loaded.runs.values()} == {Path(model).stem for model in asked["models"]}


def test_every_model_is_one_of_a_config() -> None:
    named = {model for config in CONFIGS for model in read_yaml(config).get("models", [])}
    assert {path.relative_to(ROOT).as_posix() for path in SYSTEMS.glob("models/*.yaml")} <= named
