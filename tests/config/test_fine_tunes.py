"""The large-margin fine-tunes of recipe voxceleb: each is its base, but for what such a training changes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sre.config.recipe import Recipe, load_recipe
from sre.io.yaml_text import read_yaml

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in ROOT.glob("recipes/voxceleb/models/*_lm.yaml"))
CHANGED = {"init", "head", "loss.margin", "loss.margin_epochs", "augment.speeds", "training.epochs"}
TRAINING = ("batch_size", "chunk_frames", "lr", "final_lr", "warmup_epochs", "average_last")
CHANGED |= {f"training.{key}" for key in TRAINING}
OTHERS = {
    "campplus_lm": {"training.schedule.type"},  # WeSpeaker's after 3D-Speaker's cosine
    "gemini_dfresnet114_lm": {"training.optimizer", "training.weight_decay"},  # AdamW before, SGD here
    "redimnet2_b6_lm": {"augment.distort"},
}


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    """All of them with their bases, with noises and rooms."""
    given = read_yaml(ROOT / "recipes/voxceleb/config.yaml")
    models = [*NAMES, *(name.removesuffix("_lm") for name in NAMES)]
    return load_recipe({**given, "models": models, "musan": "/m", "rirs": "/r"}, ROOT / "recipes")


def flat(config: dict, place: str = "") -> Iterator[tuple[str, object]]:
    for key, value in config.items():
        yield from flat(value, f"{place}{key}.") if isinstance(value, dict) else [(place + key, value)]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_its_base_but_for_the_fine_tuning(recipe: Recipe, name: str) -> None:
    tuned, base = (dict(flat(recipe.trainings[model])) for model in (name, name.removesuffix("_lm")))
    changed = {key for key in tuned.keys() | base.keys() if tuned.get(key) != base.get(key)}
    assert changed <= CHANGED | OTHERS.get(name, set())
    assert tuned["init"] == name.removesuffix("_lm")
    assert tuned["loss.margin"] > base["loss.margin"] and tuned["loss.margin_epochs"] == [0, 0]
    assert tuned["training.chunk_frames"][0] > base["training.chunk_frames"][1]
    assert tuned["training.lr"] < base["training.lr"] and tuned["training.epochs"] < base["training.epochs"] / 5
    assert (tuned["augment.speeds"], tuned["training.average_last"]) == ([], 1)
    assert tuned["source"] == base["source"] == "audio"
    assert not tuned.get("loss.options.top_k"), "no penalty of the nearest others in a fine-tuning"


def test_those_with_published_settings_are_there() -> None:
    assert set(NAMES) == {
        f"{name}_lm"
        for name in (
            "xvector", "ecapa512", "ecapa1024", "resnet34", "resnet221", "resnet293", "campplus", "gemini_dfresnet114",
            "redimnet2_b6", "eres2net34", "eres2netv2",
        )
    }  # fmt: skip
