"""Configs: every error at once with the nearest valid key, and one canonical text for one meaning."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sre import SreError
from sre.config.recipe import Recipe, load_recipe
from sre.config.resolve import (
    BACKENDS,
    NORMS,
    Parts,
    recipe_features,
    resolve_backend,
    resolve_features,
    resolve_model,
    resolve_model_config,
    resolve_norm,
)
from sre.config.schema import Schema
from sre.features.types import dimension_of
from sre.io.text import canonical
from sre.io.yaml_text import read_yaml

ROOT = Path(__file__).resolve().parents[2]
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
    config = {"recipe": "mini", "modles": [], "nj": 0, "audio": {"sample_rat": 8000}, "device": "gpu"}
    with pytest.raises(SreError) as caught:
        schema.check(config, "here")
    text = str(caught.value)
    assert text.startswith("here: 5 problems:")
    for part in (
        "unknown key 'modles'; the nearest valid one is 'models'",
        "'systems' is a required property",
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
        ("a: [", "m.yaml:1: not YAML"),
    ],
)
def test_bad_model(schema: Schema, tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SreError, match=f"(?s){sentence}"):
        resolved(schema, tmp_path / "m.yaml", text)


BATCHES = "training: {chunks_per_speaker: 2}\n"


@pytest.mark.parametrize(
    "loss, sentence",
    [
        (
            "{type: softmax, scale: 30}",
            "m.yaml: loss.scale would do nothing, as loss softmax has no such thing; take it",
        ),
        ("{type: softmax, margin: 0.2}", "loss.margin would do nothing"),  # though this is the default
        ("{type: supcon, margin_epochs: [0, 1]}", "loss.margin_epochs would do nothing, as loss supcon"),
        ("{type: ge2e, scale: 1, margin: 0}", "loss.scale and loss.margin would do nothing, as loss ge2e"),
        ("{type: sphereface, scale: 30, margin: 0.1}", "loss.scale would do nothing"),
    ],
)
def test_what_a_loss_would_ignore(schema: Schema, tmp_path: Path, loss: str, sentence: str) -> None:
    text = f"features: fbank80\narchitecture: xvector\nloss: {loss}\n{BATCHES}"
    with pytest.raises(SreError, match=sentence):
        resolved(schema, tmp_path / "m.yaml", text)


@pytest.mark.parametrize("loss", ["{type: am, scale: 30, margin: 0.1}", "{type: triplet, margin: 0.1}"])
def test_what_a_loss_takes(schema: Schema, tmp_path: Path, loss: str) -> None:
    assert resolved(schema, tmp_path / "m.yaml", f"features: fbank80\narchitecture: xvector\nloss: {loss}\n{BATCHES}")


def test_another_loss_than_the_yamls_need_not_take_what_the_yaml_gives(schema: Schema, tmp_path: Path) -> None:
    path, features = tmp_path / "m.yaml", {"fbank80": schema.check({}, "f", "$defs", "features")}
    path.write_text(MODEL + "loss: {type: aam, scale: 30}\n")
    assert resolve_model(schema, path, features, 1, override={"loss": {"type": "softmax"}})["loss"]["scale"] == 30
    with pytest.raises(SreError, match="m.yaml and what the config says of it: loss.margin would do nothing"):
        resolve_model(schema, path, features, 1, override={"loss": {"type": "softmax", "margin": 0.1}})


def test_a_loss_that_needs_batches(schema: Schema, tmp_path: Path) -> None:
    with pytest.raises(
        SreError, match="loss ge2e compares chunks within a batch; set training.chunks_per_speaker to 2"
    ):
        resolved(schema, tmp_path / "m.yaml", MODEL + "loss: {type: ge2e}\n")


def test_missing_yaml(tmp_path: Path) -> None:
    with pytest.raises(SreError, match="m.yaml: no such file"):
        read_yaml(tmp_path / "m.yaml")


FUSIONS = {"both": ["cosine+asnorm", "lda_plda"]}


@pytest.mark.parametrize(
    "name, backend, norm, of",
    [
        ("cosine", "cosine", None, None),
        ("lda_plda+snorm", "lda_plda", "snorm", None),
        ("cosine+cal", "cosine", None, ["cosine"]),
        ("lda_plda+asnorm2+cal", "lda_plda", "asnorm2", ["lda_plda+asnorm2"]),
    ],
)
def test_systems(name: str, backend: str, norm: str | None, of: list[str] | None) -> None:
    expected = {"backend": backend, "norm": norm and NORMS[norm], "of": of}
    assert Parts(BACKENDS, NORMS, FUSIONS).system(name) == expected


def test_a_fusion_is_a_system() -> None:
    assert Parts(BACKENDS, NORMS, FUSIONS).system("both") == {"of": FUSIONS["both"]}


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("lda_pdla+snorm", "'lda_pdla+snorm' names the unknown back-end 'lda_pdla'; the nearest is 'lda_plda'"),
        ("cosine+asnrm", "'cosine+asnrm' names the unknown norm 'asnrm'; the nearest is 'asnorm'"),
        ("cosine+asnrm+cal", "names the unknown norm 'asnrm'; the nearest is 'asnorm'"),
        ("cosine+cal+snorm", "names the unknown norm 'cal+snorm'; the nearest is 'asnorm'"),  # cal is the last
        ("boht", "names the unknown back-end 'boht'; the nearest is 'both'"),
    ],
)
def test_unknown_parts_of_a_system(name: str, sentence: str) -> None:
    with pytest.raises(SreError) as caught:
        Parts(BACKENDS, NORMS, FUSIONS).system(name)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("name", ["both+cal", "both+asnorm"])
def test_a_fusion_is_not_a_back_end(name: str) -> None:
    """It said that 'both' is unknown, and nearest to 'both'."""
    sentence = f"systems: '{name}': a fusion is calibrated, and has no cohort; write 'both' alone"
    with pytest.raises(SreError, match=f"^{re.escape(sentence)}$"):
        Parts(BACKENDS, NORMS, FUSIONS).system(name)


@pytest.mark.parametrize(
    "config, sentence",
    [
        ({"type": "pdla"}, "b.yaml: 1 problem:\n  type: 'pdla' is none of"),
        ({"type": "plda", "lda_dim": 3}, "unknown key 'lda_dim'"),  # of a release before chains
        ({"type": "plda", "chain": ["centre", "lda"]}, "chain.1: 'lda' is none of "),
        (
            {"type": "plda", "chain": ["lda:0"]},
            "chain.0: 'lda:0' is none of centre, centre:adapt, length_norm, whiten:pca, whiten:zca, wccn, lda:NUMBER",
        ),
        ({"type": "plda", "chain": ["center"]}, "chain.0: 'center' is none of centre, centre:adapt, "),
        ({"type": "plda", "chain": ["whiten"]}, "chain.0: 'whiten' is none of "),
        ({"type": "plda", "adapt": {"method": "korral"}}, "adapt.method: 'korral' is none of"),
        ({"type": "plda", "adapt": {}}, "adapt: 'method' is a required property"),
        ({"type": "plda", "enrol": "max"}, "enrol: 'max' is none of ['mean', 'by_the_book', 'score_mean',"),
        ({"type": "ht_plda"}, "b.yaml: ht_plda needs rank, the dimension of the speaker subspace"),
        ({"type": "ht_plda", "rank": 9, "nu": 0}, "nu: 0 is less than or equal to the minimum of 0"),
        ({"type": "cosine", "adapt": {"method": "coral"}}, "b.yaml: adapt works on type plda, not on cosine"),
        ({"type": "ht_plda", "rank": 9, "adapt": {"method": "coral"}}, "adapt works on type plda, not on ht_plda"),
        (
            {"type": "cosine", "enrol": "by_the_book"},
            "enrol by_the_book is none of type cosine, which has mean, score_mean, score_max; give",
        ),
    ],
)
def test_bad_backend(schema: Schema, config: dict, sentence: str) -> None:
    with pytest.raises(SreError) as caught:
        resolve_backend(schema, config, "b.yaml")
    assert sentence in str(caught.value)


@pytest.fixture
def grown(tmp_path: Path) -> Schema:
    """The schema with a feature type `bands` and a back-end type `mahalanobis`, each with an option of its own."""
    text = yaml.safe_load((ROOT / "recipes/config.schema.yaml").read_text(encoding="utf-8"))
    for part, kind, key in (("features", "bands", "num_bands"), ("backend", "mahalanobis", "ridge")):
        properties = text["$defs"][part]["properties"]
        properties["type"]["enum"].append(kind)
        properties[key] = {"type": "integer", "default": 8, "x-of": [kind]}
    (tmp_path / "config.schema.yaml").write_text(yaml.safe_dump(text, sort_keys=False), encoding="utf-8")
    return Schema(tmp_path / "config.schema.yaml")


def test_an_option_of_a_new_type_is_in_no_config_of_others(schema: Schema, grown: Schema) -> None:
    """Their text decides what runs again, and which features a network takes."""
    for kind in ("fbank", "mfcc"):
        before, after = (recipe_features(one, {"features": {"f": {"type": kind}}}, "r") for one in (schema, grown))
        assert canonical(before) == canonical(after)
        with pytest.raises(SreError, match=f"^f: num_bands is of type bands, not of {kind}; take it out$"):
            resolve_features(grown, {"type": kind, "num_bands": 8}, 16000, "f")
    for config in BACKENDS.values():
        assert canonical(resolve_backend(schema, config, "b")) == canonical(resolve_backend(grown, config, "b"))
    with pytest.raises(SreError, match="^b: ridge is of type mahalanobis, not of plda; take it out$"):
        resolve_backend(grown, {"type": "plda", "ridge": 3}, "b")
    assert resolve_features(grown, {"type": "bands"}, 16000, "f")["num_bands"] == 8
    assert resolve_backend(grown, {"type": "mahalanobis"}, "b")["ridge"] == 8
    whole = {"recipe": "mini", "systems": ["b"], "backends": {"b": {"type": "plda"}, "c": {"type": "mahalanobis"}}}
    filled = grown.check(whole, "config")["backends"]
    assert "ridge" not in filled["b"] and filled["c"]["ridge"] == 8


def test_defaults_are_filled_in(schema: Schema) -> None:
    plda = resolve_backend(schema, {"type": "plda", "adapt": {"method": "kaldi"}}, "b")
    assert plda["chain"] == ["centre", "length_norm"]
    assert plda["adapt"] == {"method": "kaldi", "within": 0.75, "between": 0.25}  # sre16's, not the program's
    top = {method: resolve_norm(schema, {"method": method}, "n")["top_n"] for method in ("asnorm1", "asnorm2", "znorm")}
    assert top == {"asnorm1": 300, "asnorm2": 300, "znorm": 0}
    assert resolve_norm(schema, {"method": "znorm", "top_n": 50}, "n")["top_n"] == 50
    with pytest.raises(SreError, match="method: 'asnorm' is none of .*; the nearest is 'asnorm2'"):
        resolve_norm(schema, {"method": "asnorm"}, "n")


def test_every_system_of_a_recipe_is_resolved() -> None:
    """What is calibrated or fused comes after what it is made from, each once, with the norms of the recipe."""
    fused = {"all": ["both", "cosine"], "both": ["cosine+asnorm", "lda_plda+cal"]}
    told = recipe("mini", systems=["all", "cosine"], fusions=fused, development={"speakers": 8}, primary_system=None)
    assert list(told.systems) == ["cosine+asnorm", "lda_plda", "lda_plda+cal", "both", "cosine", "all"]
    assert told.systems["all"] == {"of": ["both", "cosine"]}
    assert told.systems["cosine+asnorm"]["norm"]["top_n"] == 20
    assert set(told.backends) == {"cosine", "lda_plda"} and told.backends["lda_plda"]["iterations"] == 10
    (training,) = told.trainings.values()
    assert training["validation"]["speakers"] == 8  # the speakers of the development list are held out of training


@pytest.mark.parametrize(
    "changes, sentence",
    [
        ({"systems": ["cosine+cal"]}, "systems: 'cosine+cal' is trained on a development list; set development"),
        ({"systems": ["both"], "fusions": FUSIONS}, "systems: 'both' is trained on a development list"),
        ({"fusions": {"a": ["a", "cosine"]}, "systems": ["a"]}, "fusions: 'a' is fused from itself; take it out"),
        (
            {"fusions": {"a": ["b", "cosine"], "b": ["cosine", "a"]}, "systems": ["a"]},
            "fusions: 'a' is fused from itself",
        ),
        ({"fusions": {"a": ["cosine", "lda"]}, "systems": ["a"]}, "'lda' names the unknown back-end 'lda'"),
        ({"fusions": {"a": ["cosine"]}, "systems": ["a"]}, "fusions.a: ['cosine'] is too short"),
        ({"systems": ["cosine+snorm+asnorm+cal"]}, "systems.0: 'cosine+snorm+asnorm+cal' does not match"),
        ({"backends": {"ht": {"type": "ht_plda"}}}, "backends.ht: ht_plda needs rank"),
        (
            {"backends": {"moved": {"type": "cosine", "chain": ["centre:adapt"]}}, "systems": ["moved"]},
            "systems: 'moved' needs an adaptation set; set adapt_data, or take the system out",
        ),
        (
            {"backends": {"fit": {"type": "plda", "adapt": {"method": "coral"}}}, "systems": ["fit+asnorm"]},
            "systems: 'fit+asnorm' needs an adaptation set",
        ),
        ({"models": []}, "models: none is named, and no bundle and no embeddings in their place; name one"),
        ({"embeddings": {"xvector": {"train": "a", "eval": "b"}}}, "models: two runs are named xvector"),
        ({"embeddings": {"mine": {"train": "a"}}}, "embeddings.mine: 'eval' is a required property"),
        (
            {"embeddings": {"old": {"train": "a", "eval": "b"}}, "conditions": {"seconds": [1]}},
            "conditions: embeddings from elsewhere are of no other speech; take conditions or embeddings out",
        ),
        ({"bundles": {"old": {"path": "final.pt", "features": "mfcc"}}}, "bundles.old: features 'mfcc' are not in"),
    ],
)
def test_bad_recipe(changes: dict, sentence: str) -> None:
    development = {"speakers": 0 if "development" in sentence else 4}
    with pytest.raises(SreError) as caught:
        recipe("mini", **{"development": development, "primary_system": None, **changes})
    assert sentence in str(caught.value)


def test_entering_in_the_middle() -> None:
    """A bundle needs its features, embeddings need none; neither is trained."""
    told = recipe(
        "mini",
        models=[],
        bundles={"old": {"path": "final.pt", "features": "fbank40"}},
        embeddings={"theirs": {"train": "a.scp", "eval": "b.scp"}},
    )
    assert told.trainings == {} and list(told.runs) == ["old", "theirs"] and list(told.features) == ["fbank40"]
    assert told.runs["theirs"].embeddings == {"train": "a.scp", "eval": "b.scp"}
    assert "Embeddings theirs are from elsewhere: whom their network has heard was not checked." in told.notes
    assert (told.runs["old"].bundle, told.runs["theirs"].features) == ("final.pt", None)


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


def keys_of(part: dict, where: str = "") -> Iterator[tuple[str, dict]]:
    """Every key that the schema's `part` describes, with what it says of it."""
    for name, inner in part.items():
        if isinstance(inner, dict):
            if name == "properties":
                yield from ((f"{where}.{key}", said) for key, said in inner.items())
            yield from keys_of(inner, where if name in ("properties", "$defs") else f"{where}.{name}")


def has_numbers(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(isinstance(one, int | float) and not isinstance(one, bool) for one in values)


def test_every_key_has_a_description(schema: Schema) -> None:
    """Of four words at least; a number says where it is from."""
    keys = list(keys_of(schema.root))
    assert len(keys) > 200
    assert [key for key, said in keys if len(said.get("description", "").split()) < 4] == []
    numbers = [(key, said) for key, said in keys if has_numbers(said.get("default"))]
    assert [key for key, said in numbers if "Default: " not in said["description"]] == []


def test_a_norm_of_one_cohort_member(schema: Schema) -> None:
    for name in ("top_n", "cohort_size"):
        with pytest.raises(SreError, match=f"norms.x: {name} 1 has no deviation; give 2 or more"):
            resolve_norm(schema, {"method": "asnorm1", name: 1}, "norms.x")


def test_a_back_end_with_a_fault_is_named_once() -> None:
    with pytest.raises(SreError, match="^backends.h: ht_plda needs rank, [^\n]*$"):
        recipe("mini", backends={"h": {"type": "ht_plda"}}, systems=["h", "h+snorm"], primary_system="h")


def test_features_with_a_fault_are_named_once() -> None:
    with pytest.raises(SreError, match="^features.fbank40: vad: pad_s is of type silero, not of energy; [^\n]*$"):
        recipe("mini", features={"fbank40": {"num_mel_bins": 40, "vad": {"pad_s": 0.1}}})
    with pytest.raises(SreError, match="^features.fbank40: cmn_variance divides what cmn has centred; set cmn"):
        recipe("mini", features={"fbank40": {"num_mel_bins": 40, "cmn": "none", "cmn_variance": "kaldi"}})


@pytest.mark.parametrize("kind, given", [("nemo_mel", "nemo"), ("torchaudio_mel", "instance_norm"), ("fbank", None)])
def test_a_resolved_feature_config_means_the_same_again(schema: Schema, kind: str, given: str | None) -> None:
    """A saved `config` is resolved anew by --config: what a type has by default does not replace what was chosen."""
    for chosen in ({}, {"cmn_variance": "none"}, {"cmn": "none", "cmn_variance": "none"}):
        once = resolve_features(schema, {"type": kind, **chosen}, 16000, "f")
        saved = {key: value for key, value in once.items() if key not in ("sample_rate", "version")}
        assert resolve_features(schema, saved, 16000, "f") == once
        assert once.get("cmn_variance") == (given if not chosen else "none" if given else None)


def test_keys_that_came_later(schema: Schema) -> None:
    """Configs without them are as they were, so that what was made with them stays; speeds do not warp deltas."""
    assert resolve_features(schema, {"cmn_variance": "none", "delta_order": 0, "delta_window": 2}, 16000, "f") == (
        resolve_features(schema, {}, 16000, "f")
    )
    deltas = {"f": resolve_features(schema, {"delta_order": 1, "delta_window": 3}, 16000, "f")}
    assert dimension_of(deltas["f"]) == 160
    model = {"features": "f", "architecture": "xvector", "augment": {"speeds": [0.9]}}
    with pytest.raises(
        SreError, match="augment.speeds moves mel bands, those of 'f' have deltas beside them; take the"
    ):
        resolve_model_config(schema, model, "m.yaml", deltas, 1)
    scaled = {"f": resolve_features(schema, {"cmn_variance": "nemo"}, 16000, "f")}
    with pytest.raises(SreError, match="those of 'f' have each its own scale; take the speeds or cmn_variance away"):
        resolve_model_config(schema, model, "m.yaml", scaled, 1)


@pytest.mark.parametrize(
    "training, loss, sentence",
    [
        ({"batch_size": 32, "chunks_per_speaker": 5}, {"type": "aam"}, "32 is not 2 or more times training.chunks_per"),
        ({"batch_size": 4, "chunks_per_speaker": 4}, {"type": "aam"}, "4 is not 2 or more times training.chunks_per_s"),
        (
            {"batch_size": 32, "sampler": "triplets"},
            {"type": "triplet", "options": {"mining": "given"}},
            "32 is no multiple of 3, as triplets need; change it",
        ),
    ],
)
def test_batches_that_do_not_fit_are_refused_before_features(
    schema: Schema, training: dict, loss: dict, sentence: str
) -> None:
    features = {"f": resolve_features(schema, {}, 16000, "f")}
    model = {"features": "f", "architecture": "xvector", "training": training, "loss": loss}
    with pytest.raises(SreError, match=f"^m.yaml: training.batch_size {sentence}"):
        resolve_model_config(schema, model, "m.yaml", features, 1)


def test_how_a_training_is_run_is_no_part_of_what_it_is_known_by() -> None:
    """So that it can be changed at any time, and nothing is trained again."""
    plain = recipe("mini")
    asked = {"checkpoints": "all", "devices": 2, "watchdog_s": 0}
    changed = recipe("mini", xvector={"training": asked})
    assert changed.trainings == plain.trainings
    assert [told.runs["xvector"].asked for told in (plain, changed)] == [{}, asked]


@pytest.mark.parametrize("devices", [0, "every", 1.5, True])
def test_devices_are_a_number_or_all(devices: object) -> None:
    with pytest.raises(SreError, match="training.devices"):
        recipe("mini", xvector={"training": {"devices": devices}})


def test_systems_that_are_calibrated_on_all_versions_of_the_development_list() -> None:
    parts = Parts({"cosine": {}}, {"asnorm": {"method": "asnorm1"}}, {}, measures=["duration"])
    found = parts.with_parts("cosine+asnorm+qmf")
    assert list(found) == ["cosine+asnorm", "cosine+asnorm+qmf"]
    assert found["cosine+asnorm+qmf"]["of"] == ["cosine+asnorm"]
    assert found["cosine+asnorm+qmf"]["measures"] == ["duration"] and "measures" not in found["cosine+asnorm"]
    assert parts.system("cosine+pool")["measures"] == [] and "measures" not in parts.system("cosine+cal")
