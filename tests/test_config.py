"""Configs: every error at once with the nearest valid key, and one canonical text for one meaning."""

from pathlib import Path

import pytest
import yaml

from sre import SreError
from sre.config import BACKENDS, NORMS, Schema, canonical, read_yaml, resolve_model, resolve_system
from sre.workflow import Recipe, load_recipe

ROOT = Path(__file__).resolve().parents[1]
RECIPES = sorted(path.parent.name for path in ROOT.glob("recipes/*/config.yaml"))
MODEL = """
features: fbank80
architecture: xvector
training: {lr: 0.10, epochs: 40}
"""


@pytest.fixture(scope="module")
def schema() -> Schema:
    return Schema(ROOT / "recipes/config.schema.yaml")


def resolved(schema: Schema, path: Path, text: str) -> str:
    path.write_text(text)
    return canonical(resolve_model(schema, path, {"fbank80": schema.check({}, "f", "$defs", "features")}, seed=1))


def recipe(name: str, **changes: object) -> Recipe:
    return load_recipe({**read_yaml(ROOT / "recipes" / name / "config.yaml"), **changes}, ROOT / "recipes")


def test_all_errors_at_once_with_the_nearest_key(schema: Schema) -> None:
    config = {"recipe": "mini", "modles": [], "systems": ["a"], "nj": 0, "audio": {"sample_rat": 8000}, "device": "gpu"}
    with pytest.raises(SreError) as caught:
        schema.check(config, "here")
    text = str(caught.value)
    assert text.startswith("here: 5 problems:")
    for part in (
        "unknown key 'modles'; the nearest valid one is 'models'",
        "'models' is a required property",
        "nj: 0 is less than the minimum of 1",
        "unknown key 'audio.sample_rat'; the nearest valid one is 'sample_rate'",
        "device: 'gpu' is none of ['auto', 'cpu', 'cuda']; the nearest is 'cpu'",
    ):
        assert part in text


@pytest.mark.parametrize(
    "text",
    [
        "# a comment\n" + MODEL,
        MODEL.replace("0.10", "0.1"),
        MODEL.replace("0.10", "1e-1"),
        "training: {epochs: 40, lr: .1}\narchitecture: xvector\nfeatures: fbank80\n",
        MODEL.replace("40", "40.0"),
        MODEL + "loss: {scale: 32, margin: 0.2}\n",  # defaults that are written out, one as an integer
    ],
    ids=["comment", "0.1", "1e-1", "order", "float", "defaults"],
)
def test_same_meaning_same_text(schema: Schema, tmp_path: Path, text: str) -> None:
    assert resolved(schema, tmp_path / "m.yaml", text) == resolved(schema, tmp_path / "m.yaml", MODEL)


@pytest.mark.parametrize("old, new", [("0.10", "0.11"), ("xvector", "resnet34"), ("40", "41")])
def test_other_meaning_other_text(schema: Schema, tmp_path: Path, old: str, new: str) -> None:
    changed = MODEL.replace(old, new)
    assert resolved(schema, tmp_path / "m.yaml", changed) != resolved(schema, tmp_path / "m.yaml", MODEL)


@pytest.mark.parametrize(
    "text, sentence",
    [
        (MODEL.replace("lr", "learning_rate"), "unknown key 'training.learning_rate'"),
        (MODEL + "options: {channel: 3}", "m.yaml: options: .*'channel'; the nearest valid one is 'channels'"),
        (MODEL.replace("fbank80", "fbank81"), "features 'fbank81' are not in the recipe's config, only fbank80"),
        (MODEL.replace("xvector", "x_vector"), "'x_vector' is none of .* the nearest is 'xvector'"),
        ("[1, 2]", "expected `key: value` lines"),
        ("a: [", "m.yaml: not YAML"),
    ],
)
def test_bad_model(schema: Schema, tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SreError, match=f"(?s){sentence}"):
        resolved(schema, tmp_path / "m.yaml", text)


def test_missing_yaml(tmp_path: Path) -> None:
    with pytest.raises(SreError, match="m.yaml: no such file"):
        read_yaml(tmp_path / "m.yaml")


def test_systems() -> None:
    assert resolve_system("cosine", BACKENDS, NORMS) == {"backend": "cosine", "norm": None}
    assert resolve_system("lda_plda+snorm", BACKENDS, NORMS) == {"backend": "lda_plda", "norm": {"method": "snorm"}}
    with pytest.raises(SreError, match=r"'lda_pdla\+snorm' names the unknown back-end 'lda_pdla'; .* 'lda_plda'"):
        resolve_system("lda_pdla+snorm", BACKENDS, NORMS)
    with pytest.raises(SreError, match="unknown norm 'asnrm'; the nearest is 'asnorm'"):
        resolve_system("cosine+asnrm", BACKENDS, NORMS)


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_valid(name: str) -> None:
    models = sorted(path.stem for path in (ROOT / "recipes" / name / "models").glob("*.yaml"))
    assert list(recipe(name, models=models, seeds=[1, 2]).runs) == [m + s for m in models for s in ("", "_s2")]


def test_all_of_a_recipe_s_errors_at_once() -> None:
    with pytest.raises(SreError) as caught:
        recipe("mini", models=["xvector", "nowhere"], systems=["cosin"], primary_system="cosine")
    text = str(caught.value)
    assert "unknown back-end 'cosin'" in text
    assert "nowhere.yaml: no such file" in text
    assert "primary_system: 'cosine' is not one of systems" in text


def test_every_key_has_a_description(schema: Schema) -> None:
    def undescribed(part: dict, where: str) -> list[str]:
        found = []
        for key, value in part.get("properties", {}).items():
            nested = value.get("properties")
            if not nested and "$ref" not in value and "description" not in value:
                found.append(f"{where}.{key}")
            found += undescribed(value, f"{where}.{key}")
        return found

    root = yaml.safe_load((ROOT / "recipes/config.schema.yaml").read_text())
    assert [name for part in (root, *root["$defs"].values()) for name in undescribed(part, "")] == []
