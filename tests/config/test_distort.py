"""Copies and distortions of a recipe: the settings of the documentation, which models have which copies, faults."""

import re
from pathlib import Path

import pytest

from sre import SreError
from sre.augment.options import CodecOptions, steps_of
from sre.cli.configs import schema
from sre.config.copies import add_copies, check_copies, check_files
from sre.config.distort import check_distort, codecs_in
from sre.config.recipe import Recipe, load_recipe
from sre.io.text import canonical
from sre.io.yaml_text import parse_yaml, read_yaml
from sre.training.summary import TrainSummary
from steps import train_embedding

ROOT = Path(__file__).resolve().parents[2]
COPIES = {"noise": {"distort": [], "seed": 1}, "babble": {"distort": [], "seed": 2}}
BLOCKS = re.findall(r"^```\n(.*?)^```", (ROOT / "docs/augmentation.md").read_text(encoding="utf-8"), re.M | re.S)
SETTINGS = [block for block in BLOCKS if block.startswith(("augment:", "copies:"))]


def filled(distort: list) -> list:
    return schema().check({"distort": distort}, "x", "$defs", "model", "properties", "augment")["distort"]


@pytest.mark.parametrize("block", SETTINGS, ids=[str(n) for n in range(len(SETTINGS))])
def test_the_settings_of_the_page_are_read(block: str) -> None:
    assert len(SETTINGS) == 6
    content = parse_yaml(block, "docs/augmentation.md")
    given = {"augment": content["augment"]} if "augment" in content else content["copies"]
    for part in given.values():
        steps = filled(part["distort"])
        check_distort(schema(), steps, "the page")
        assert len(steps_of(steps)) == len(part["distort"])


def test_a_copy_without_distortions_is_none() -> None:
    with pytest.raises(SreError, match="copies.same: distort is empty"):
        check_copies(schema(), {"same": {"distort": [], "seed": 1}})


def test_what_is_left_out_has_its_default() -> None:
    (step,) = steps_of(filled([{"one_of": [{"kind": "codec", "names": ["gsm"]}]}]))
    assert step.one_of == (CodecOptions(names=("gsm",)),) and step.probability == 1


def test_codecs_of_steps() -> None:
    two = {"one_of": [{"kind": "codec", "names": ["opus", "gsm"]}, {"kind": "room"}]}
    assert codecs_in([two, {"one_of": [{"kind": "codec", "names": ["gsm", "alaw"]}]}]) == ["alaw", "gsm", "opus"]
    assert codecs_in([{"one_of": [{"kind": "room"}]}]) == []


def test_a_model_is_trained_on_all_copies_unless_it_names_some() -> None:
    assert add_copies({"lr": 1}, COPIES, "m")["copies"] == COPIES
    assert add_copies({"copies": ["babble"]}, COPIES, "m") == {"copies": {"babble": COPIES["babble"]}}
    assert add_copies({"copies": []}, COPIES, "m") == add_copies({}, {}, "m") == {}
    with pytest.raises(SreError, match="m: copies: 'nois' is none of the recipe's copies; the nearest is 'noise'"):
        add_copies({"copies": ["nois"]}, COPIES, "m")


@pytest.mark.parametrize("kind, told", [
    ({"kind": "room", "snr": [0, 5]}, "snr is of noise, not of room; take it out"),
    ({"kind": "noise"}, "noise has no snr; write it"),
    ({"kind": "noise", "snr": [5, 0]}, r"snr of noise is \[5, 0\]; write the least first"),
    ({"kind": "pitch"}, "pitch has no semitones"),
])  # fmt: skip
def test_keys_that_do_not_go_together(kind: dict, told: str) -> None:
    with pytest.raises(SreError, match=f"copies.c: distort: {told}"):
        check_copies(schema(), {"c": {"distort": filled([{"one_of": [kind]}])}})


@pytest.mark.parametrize("there, told", [
    ({"noise": None, "room": []}, "has the kind noise, and musan is null; set musan=FOLDER"),
    ({"noise": ["noise", "speech"], "room": []}, "musan has no category 'musik'; the nearest is 'noise', there"),
])  # fmt: skip
def test_files_that_are_not_there(there: dict, told: str) -> None:
    steps = filled([{"one_of": [{"kind": "noise", "categories": ["musik"], "snr": [0, 5]}]}])
    with pytest.raises(SreError, match=f"^x:? ?{told}"):
        check_files(steps, there, "x")
    check_files(steps, {"noise": [], "room": None}, "x")  # a rule will make them


def voxceleb(**changes: object) -> Recipe:
    given = read_yaml(ROOT / "recipes/voxceleb/config.yaml")
    return load_recipe({**given, **changes}, ROOT / "recipes")


def augment(recipe: Recipe, model: str) -> tuple[str, list[tuple[float, list[str]]]]:
    """What a model reads, and each step's probability and kinds."""
    training = recipe.trainings[model]
    steps = training["augment"].get("distort", [])
    told = [(step["probability"], [kind["kind"] for kind in step["one_of"]]) for step in steps]
    return training.get("source", "features"), told


def test_noise_and_rooms_are_left_out_with_a_sentence_where_the_recipe_has_none() -> None:
    """Each kind that is left keeps its probability: of 0.6, half is rooms."""
    models = ["resnet34", "campplus", "titanet_l", "speakernet_m"]
    noise, room = ["noise"] * 3, ["room"]
    neither, musan = voxceleb(models=models), voxceleb(models=models, musan="/m")
    rirs, both = voxceleb(models=models, rirs="/r"), voxceleb(models=models, musan="/m", rirs="/r")
    assert [augment(one, "resnet34") for one in (neither, musan, rirs, both)] == [
        ("features", []),
        ("audio", [(0.3, noise)]),
        ("audio", [(0.3, room)]),
        ("audio", [(0.6, [*room, *noise])]),
    ]
    assert [augment(one, "campplus")[1] for one in (neither, musan, rirs, both)] == [
        [], [(0.133, ["noise"])], [(0.133, room)], [(0.133, room), (0.133, ["noise"])]
    ]  # fmt: skip
    assert [augment(one, "titanet_l")[1] for one in (neither, musan, rirs)] == [[], [(0.5, ["noise"])], []]
    assert augment(both, "speakernet_m") == ("features", [])
    said = "Model resnet34 is trained without "
    told = [[note for note in one.notes if note.startswith(said)] for one in (neither, musan, rirs, both)]
    assert told == [
        [f"{said}noise and rooms: musan and rirs are not given."],
        [f"{said}rooms: rirs is not given."],
        [f"{said}noise: musan is not given."],
        [],
    ]
    assert not both.left_out and set(rirs.left_out) <= set(rirs.notes)
    texts = {canonical(one.trainings["resnet34"]) for one in (neither, musan, rirs, both)}
    assert len(texts) == 4 and not any("without_files" in text or '"source":"auto"' in text for text in texts)


def test_without_files_the_config_is_as_if_nothing_were_said_of_them(tmp_path: Path) -> None:
    model = read_yaml(ROOT / "recipes/voxceleb/models/resnet34.yaml")
    model["augment"] = {"speeds": model["augment"]["speeds"]}
    del model["source"]
    (tmp_path / "resnet34.yaml").write_text(canonical(model))
    plain, shipped = (voxceleb(models=[name]) for name in (str(tmp_path / "resnet34.yaml"), "resnet34"))
    assert canonical(plain.trainings["resnet34"]) == canonical(shipped.trainings["resnet34"])
    assert (plain.left_out, plain.features) == ([], shipped.features)


def test_a_model_that_does_not_say_so_is_refused_without_files_and_others_may_take_it_back() -> None:
    refuse = {"augment": {"without_files": "refuse"}, "source": "audio"}
    kept = voxceleb(models=["resnet34"], resnet34=refuse).trainings["resnet34"]["augment"]["distort"]
    with pytest.raises(SreError, match="resnet34 has the kind noise, and musan is null; set musan=FOLDER"):
        check_files(kept, {"noise": None, "room": None}, "resnet34")
    off = voxceleb(models=["resnet34"], musan="/m", resnet34={"augment": {"distort": []}, "source": "features"})
    assert augment(off, "resnet34") == ("features", []) and off.left_out == []
    with pytest.raises(SreError, match="augment.without_files would do nothing without augment.distort"):
        voxceleb(models=["speakernet_m"], speakernet_m={"augment": {"without_files": "leave_out"}})


def test_a_model_may_be_possible_on_features_alone() -> None:
    """A VAD does not go with audio, which nobody asks for here."""
    vad = {"fbank80": {"vad": {}}}
    assert augment(voxceleb(models=["resnet34"], features=vad), "resnet34") == ("features", [])
    with pytest.raises(SreError, match="source: audio and the vad of 'fbank80' do not go together"):
        voxceleb(models=["resnet34"], features=vad, rirs="/r")


def test_a_training_by_hand_says_what_it_is_without(tmp_path: Path, feature_dir, capsys) -> None:
    model = {
        "features": "given",
        "source": "auto",
        "architecture": "xvector",
        "options": {"embedding_dim": 8, "channels": 8, "pooled_channels": 8},
        "filter": {"min_frames": 10},
        "augment": {"without_files": "leave_out", "distort": [{"one_of": [{"kind": "noise", "snr": [0, 15]}]}]},
        "training": {"epochs": 1, "batch_size": 4, "chunk_frames": [40, 40], "average_last": 1, "precision": "fp32"},
        "validation": {"speakers": 0, "utterances": 0},
    }
    data = feature_dir(tmp_path / "data", speakers=3)
    (tmp_path / "x.yaml").write_text(canonical(model))
    train_embedding.main([f"{tmp_path}/x.yaml", "--data", str(data), "--device", "cpu", f"{tmp_path}/x/final.pt"])
    assert "Model x is trained without noise: musan is not given." in capsys.readouterr().err
    assert "distort" not in TrainSummary.read(tmp_path / "x/train_summary.json").config["augment"]
