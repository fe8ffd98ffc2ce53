"""A model that starts from another one: which keys it has, which run it starts from, and what it cannot ask for."""

from pathlib import Path

import pytest

from sre import SreError
from sre.cli.configs import ConfigArgument, config_argument, model_config
from sre.config.recipe import Recipe, load_recipe
from sre.config.runs import Run, with_sources

ROOT = Path(__file__).resolve().parents[2]
BASE = """\
features: fbank40
architecture: xvector
options: {embedding_dim: 64}
loss: {type: aam, scale: 30, margin_epochs: [2, 4]}
augment: {speeds: [0.9, 1.1], time_masks: 1}
training: {epochs: 8, batch_size: 32, optimizer: adam, lr: 2e-3, chunk_frames: [200, 200]}
"""
TUNED = "init: x\nloss: {margin: 0.5, margin_epochs: [0, 0]}\naugment: {speeds: []}\ntraining: {epochs: 2, lr: 1e-4}\n"


def recipe(tmp_path: Path, models: dict[str, str], **config: object) -> Recipe:
    """A recipe of these models: name -> YAML."""
    for name, text in models.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    named = [str(tmp_path / f"{name}.yaml") for name in models]
    asked = {"recipe": "mini", "features": {"fbank40": {"num_mel_bins": 40}}, "models": named, "systems": ["cosine"]}
    return load_recipe(asked | config, ROOT / "recipes")


def test_a_fine_tune_is_its_base_but_for_what_it_says(tmp_path: Path) -> None:
    changed = {"x": {"training": {"batch_size": 16}}, "x_lm": {"training": {"lr": 2e-4}}}
    found = recipe(tmp_path, {"x_lm": TUNED, "x": BASE}, seeds=[1, 3], **changed)
    tuned, base = found.trainings["x_lm"], found.trainings["x"]
    expected = {
        **base,
        "init": "x",
        "loss": {**base["loss"], "margin": 0.5, "margin_epochs": [0.0, 0.0]},
        "augment": {**base["augment"], "speeds": []},
        "training": {**base["training"], "epochs": 2, "lr": 2e-4},
    }
    assert tuned == expected and tuned["training"]["batch_size"] == 16
    assert {name: run.init for name, run in found.runs.items()} == {
        "x": None, "x_s3": None, "x_lm": "x", "x_lm_s3": "x_s3"
    }  # fmt: skip
    assert "Model x_lm was fine-tuned from x." in found.notes


def test_phases_follow_each_other(tmp_path: Path) -> None:
    last = "init: x_lm\nhead: new\nfreeze: [frames]\nloss: {type: am}\n"
    found = recipe(tmp_path, {"x": BASE, "x_am": last, "x_lm": TUNED + "head: keep\n"}).trainings
    assert found["x_lm"]["head"] == "keep" and "freeze" not in found["x_lm"]
    assert found["x_am"]["freeze"] == ["frames"] and found["x_am"]["head"] == "new"
    assert found["x_am"]["training"] == found["x_lm"]["training"]
    assert found["x_am"]["loss"]["scale"] == 32  # the default, as the base's was for another loss


def test_another_optimizer_has_no_momentum_of_the_base(tmp_path: Path) -> None:
    sgd = BASE.replace("optimizer: adam", "optimizer: sgd, momentum: 0.8")
    found = recipe(tmp_path, {"x": sgd, "y": TUNED.replace("lr: 1e-4", "lr: 1e-4, optimizer: adam")}).trainings
    assert (found["x"]["training"]["momentum"], found["y"]["training"]["momentum"]) == (0.8, 0.9)


def test_another_final_network_is_no_moving_average(tmp_path: Path) -> None:
    ema = BASE.replace("epochs: 8", "epochs: 8, final: ema, ema: 0.99")
    models = {"x": ema, "y": TUNED, "z": TUNED.replace("lr: 1e-4", "lr: 1e-4, final: last")}
    found = recipe(tmp_path, models).trainings
    assert found["y"]["training"]["ema"] == 0.99 and found["y"]["training"]["final"] == "ema"
    assert found["z"]["training"]["final"] == "last" and "ema" not in found["z"]["training"]


def test_a_bundle_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "f.pt").touch()
    bundles = {"given": {"path": str(tmp_path / "f.pt"), "features": "fbank40"}}
    models = {"a": f"init: given\n{BASE}", "b": f"init: {tmp_path}/f.pt\n{BASE}"}
    found = recipe(tmp_path, models, bundles=bundles)
    assert found.runs["a"].init == "given" and found.runs[found.runs["a"].init].bundle == str(tmp_path / "f.pt")
    assert found.runs["b"].init == str(tmp_path / "f.pt")
    assert ("b.init", str(tmp_path / "f.pt"), "file") in found.paths


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ({"x_lm": TUNED}, "model x_lm: init 'x' is no model of this recipe; add it to models or bundles"),
        ({"xx": BASE, "x_lm": TUNED}, "'x' is no model of this recipe; the nearest is 'xx'; add it"),
        ({"x": TUNED}, "model x: init 'x' leads back to it"),
        ({"x": TUNED.replace(": x", ": y"), "y": TUNED}, "leads back to it, so that it would start from itself"),
        ({"x": BASE, "y": TUNED + "architecture: ecapa\n"}, "y.yaml: architecture ecapa, and its init 'x' is xvector"),
        ({"x": BASE, "y": "init: x\nloss: {type: am}\n"}, "loss.type am is another than that of its init 'x', .*: new"),
        ({"x": BASE, "y": "init: x\ntraining: {optimizer: sgd}\n"}, "optimizer sgd is another .*; write training.lr"),
        (
            {"x": BASE, "y": "init: x\ntraining: {epochs: 3}\n"},
            r"loss.margin_epochs \[2, 4\] .* after the last of 3 ep",
        ),
        (
            {"x": BASE, "y": TUNED.replace("lr: 1e-4", "lr: 1e-5")},
            "final_lr 5e-05 .* above training.lr 1e-05; write fi",
        ),
        ({"x": BASE + "head: keep\n"}, "x.yaml: head would do nothing without init"),
        ({"x": BASE + "freeze: [frames]\n"}, "x.yaml: freeze would do nothing without init"),
        ({"x": BASE, "y": f"init: z/x.pt\n{TUNED[8:]}"}, "'architecture' is a required property"),
        ({"x": BASE, "y": TUNED + "loss: {scale: 1"}, "not YAML"),
        ({"x": BASE, "y": "init: x\nloss: 3\n"}, "loss: 3 is not of type 'object'"),
    ],
)
def test_what_a_start_cannot_be(tmp_path: Path, models: dict[str, str], told: str) -> None:
    with pytest.raises(SreError, match=told):
        recipe(tmp_path, models)


def test_a_start_from_embeddings_and_from_what_is_made_of_it() -> None:
    runs = {"e": Run("e", 0, embeddings={}), "a": Run("a", 1, init="e")}
    with pytest.raises(SreError, match="model a: init 'e' are embeddings from elsewhere, without a network"):
        with_sources(runs)
    runs = {"a": Run("a", 1, of="b", source="embeddings"), "b": Run("b", 1, init="a")}
    with pytest.raises(SreError, match="run a: it would read what is made of its own embeddings or weights"):
        with_sources(runs)


def test_what_belongs_to_another_length_schedule_or_margin_is_not_taken(tmp_path: Path) -> None:
    base = BASE.replace("epochs: 8, ", "steps: 900, schedule: {type: step, every: 3}, no_decay: [biases], ")
    base = base.replace("margin_epochs: [2, 4]", "margin_epochs: [2, 4], margin_schedule: linear")
    said = "init: x\nloss: {margin_epochs: [0, 0]}\n"
    said += "training: {epochs: 2, schedule: {type: cosine}, weight_decay: 0, lr: 1e-4}\n"
    found = recipe(tmp_path, {"x": base, "y": said}).trainings
    x, y = found["x"]["training"], found["y"]["training"]
    assert (x["steps"], x["schedule"], x["no_decay"]) == (900, {"type": "step", "factor": 0.95, "every": 3}, ["biases"])
    assert y["epochs"] == 2 and y["schedule"] == {"type": "cosine"} and not y.keys() & {"steps", "no_decay"}
    constant = said.replace("cosine", "constant").replace("1e-4", "1e-6")  # below the last rate, which is not reached
    assert recipe(tmp_path, {"x": base, "y": constant}).trainings["y"]["training"]["lr"] == 1e-6
    assert found["x"]["loss"]["margin_schedule"] == "linear" and "margin_schedule" not in found["y"]["loss"]


def test_a_yaml_by_hand_has_the_keys_of_the_one_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "mine/models"
    folder.mkdir(parents=True)
    (tmp_path / "mine/config.yaml").write_text("features: {fbank40: {num_mel_bins: 40}}\n")
    (folder / "x_lm.yaml").write_text(TUNED)

    def resolved() -> dict:
        return model_config(config_argument(str(folder / "x_lm.yaml")), 3, lambda name: {})

    with pytest.raises(SreError, match="model x_lm: no x.yaml beside it, whose keys it would have; put it there, or"):
        resolved()
    (folder / "x.yaml").write_text(BASE)
    found = resolved()
    assert (found["architecture"], found["loss"]["margin"], found["seed"]) == ("xvector", 0.5, 3)
    written = ConfigArgument("train_summary.json", {"config": found})
    assert model_config(written, None, lambda name: {}) == found  # which needs no YAML of the base
