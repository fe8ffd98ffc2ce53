"""The registries: what the code knows by name is what the schema, the docs and the classes say of it."""

import inspect
import re
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

import pytest

from sre.augment.codec import CODECS
from sre.augment.options import KINDS as KINDS_OF_DISTORTION
from sre.backends import KINDS, METHODS
from sre.backends.chain import FORMS
from sre.backends.options import Asked
from sre.cli.configs import schema
from sre.config.resolve import NORMS, resolve_features
from sre.features.extractor import EXTRACTORS
from sre.features.types import FEATURE_TYPES, options_of
from sre.losses import HEADS
from sre.losses.targets import SessionMMD
from sre.models import ARCHITECTURES
from sre.models import pooling as poolings
from sre.models.base import Network
from sre.models.pooling import POOLINGS, Pooling
from sre.models.table import rows
from sre.training.optimizers import OPTIMIZERS
from sre.training.options import ScheduleOptions

ROOT = Path(__file__).resolve().parents[1]


def schema_enum(*pointer: str) -> list[str]:
    return schema().part("$defs", *pointer)["enum"]


def model_keys(*keys: str) -> dict:
    """The schema's part at model.<keys>."""
    part = schema().part("$defs", "model")
    for key in keys:
        part = schema().inner(part, key)
    return part


def models_on_page() -> set[str]:
    """Architectures of the table in docs/models.md, whose second column is `name` `options`."""
    page = (ROOT / "docs/models.md").read_text(encoding="utf-8")
    return set(re.findall(r"^\| [^|]+ \| `(\w+)`", page, re.MULTILINE))


def backend_keys() -> dict:
    return schema().part("$defs", "backend")["properties"]


def distortion_keys() -> dict:
    return schema().part("$defs", "distortion")["properties"]


def first_column(page: str, heading: str) -> set[str]:
    """Names in backticks in the first column of the table whose heading is `| heading |`."""
    text = (ROOT / page).read_text(encoding="utf-8")
    table = re.search(rf"^\| {heading} \|.*\n((?:\|.*\n)+)", text, re.MULTILINE)
    return {name for row in table[1].splitlines() for name in re.findall(r"`([a-z_0-9]+)`", row.split("|")[1])}


def chain_on_page() -> list[str]:
    """The chain steps that docs/backends.md lists; one with two options is not told from that with one."""
    text = (ROOT / "docs/backends.md").read_text(encoding="utf-8").replace("\n", " ")
    listed = re.findall(r"`([a-zA-Z_:]+)`", re.search(r"`chain` lists the steps[^.]*: (.*?)\. ", text)[1])
    return [step for step in listed if not step.endswith("K:S")]


CHAIN = "sre.backends.chain.STEPS"
BACKEND, NORM, FEATURE = "sre.backends.KINDS", "sre.backends.METHODS", "sre.features.types.FEATURE_TYPES"
NETWORK, LOSS, POOLING = "sre.models.ARCHITECTURES", "sre.losses.HEADS", "sre.models.pooling.POOLINGS"
PLACES = {  # registry: its names, and what else lists them
    NETWORK: (
        ARCHITECTURES,
        {
            "the schema's enum model.architecture": lambda: model_keys("architecture")["enum"],
            "the schema's $defs/architectures": lambda: schema().part("$defs", "architectures"),
            "docs/models.yaml": lambda: [row["architecture"] for row in rows(ROOT / "docs/models.md")],
            "docs/models.md": models_on_page,
        },
    ),
    LOSS: (
        HEADS,
        {
            "the schema's enum model.loss.type": lambda: model_keys("loss", "type")["enum"],
            "the schema's $defs/losses": lambda: schema().part("$defs", "losses"),
        },
    ),
    "sre.training.optimizers.OPTIMIZERS": (
        OPTIMIZERS,
        {"the schema's enum training.optimizer": lambda: model_keys("training", "optimizer")["enum"]},
    ),
    POOLING: (POOLINGS, {"the schema's enum $defs/pooling": lambda: schema_enum("pooling")}),
    BACKEND: (
        KINDS,
        {
            "the schema's enum backend.type": lambda: backend_keys()["type"]["enum"],
            "docs/backends.md": lambda: first_column("docs/backends.md", "type"),
        },
    ),
    CHAIN: ([re.sub(r"\[.*", "K", form) for form in FORMS], {"docs/backends.md": chain_on_page}),
    FEATURE: (
        FEATURE_TYPES,
        {
            "the schema's enum features.type": lambda: schema_enum("features", "properties", "type"),
            "sre.features.extractor.EXTRACTORS": lambda: EXTRACTORS,
        },
    ),
    NORM: (
        METHODS,
        {
            "the schema's enum norm.method": lambda: schema().part("$defs", "norm")["properties"]["method"]["enum"],
            "sre.config.resolve.NORMS": lambda: [norm["method"] for norm in NORMS.values()],
        },
    ),
    "sre.augment.options.KINDS": (
        KINDS_OF_DISTORTION,
        {
            "the schema's enum distortion.kind": lambda: distortion_keys()["kind"]["enum"],
            "docs/augmentation.md": lambda: first_column("docs/augmentation.md", "kind"),
        },
    ),
    "sre.augment.codec.CODECS": (
        CODECS,
        {
            "the schema's enum distortion.names": lambda: distortion_keys()["names"]["items"]["enum"],
            "docs/augmentation.md": lambda: first_column("docs/augmentation.md", "codec"),
        },
    ),
    "sre.config.resolve.NORMS": (NORMS, {"docs/backends.md": lambda: first_column("docs/backends.md", "norm")}),
}


def differences(registry: str, known: Iterable[str], place: str, listed: Iterable[str]) -> list[str]:
    """One sentence for each name that is in one place and not in the other."""
    return [
        *(f"'{name}' is in {registry} and not in {place}: add it there" for name in sorted({*known} - {*listed})),
        *(f"'{name}' is in {place} and not in {registry}: add it there" for name in sorted({*listed} - {*known})),
    ]


@pytest.mark.parametrize("registry, place", [(name, place) for name, (_, places) in PLACES.items() for place in places])
def test_the_same_names_everywhere(registry: str, place: str) -> None:
    known, places = PLACES[registry]
    assert differences(registry, known, place, places[place]()) == []


def test_a_difference_is_a_sentence_that_says_where() -> None:
    assert differences("A", ["x", "y"], "B", ["y", "z"]) == [
        "'x' is in A and not in B: add it there",
        "'z' is in B and not in A: add it there",
    ]


def test_every_pooling_is_registered() -> None:
    classes = {kind for _, kind in inspect.getmembers(poolings, inspect.isclass) if issubclass(kind, Pooling)}
    registered = {getattr(maker, "func", maker) for maker in POOLINGS.values()}
    assert {kind.__name__ for kind in classes - registered} == {"Pooling"}


@pytest.mark.parametrize("name", HEADS)
def test_a_loss_and_the_schema_say_the_same_of_what_it_takes(name: str) -> None:
    said = schema().part("$defs", "losses", name)
    kind = HEADS[name]
    known = {"scale", "margin", "sampled", "sharded"}
    assert set(kind.takes) == set(said.get("x-takes", ())) <= known, f"{name}: takes, and x-takes"
    assert kind.needs_batches == said.get("x-needs-batches", False), f"{name}: needs_batches, and x-needs-batches"
    assert kind.needs_inputs == said.get("x-needs-inputs", False), f"{name}: needs_inputs, and x-needs-inputs"
    assert issubclass(kind, SessionMMD) == said.get("x-needs-sessions", False), f"{name}: x-needs-sessions"


def arguments(kind: type, without: set[str]) -> dict[str, object]:
    """A constructor's own arguments with their defaults, a sequence as a list."""
    named = {
        name: parameter.default
        for name, parameter in inspect.signature(kind).parameters.items()
        if name not in without and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    }
    return {name: list(value) if isinstance(value, tuple) else value for name, value in named.items()}


REGISTERED = [(kind, name) for kind, names in (("architectures", ARCHITECTURES), ("losses", HEADS)) for name in names]


@pytest.mark.parametrize("kind, name", REGISTERED)
def test_a_class_takes_the_options_of_the_schema_and_has_their_defaults(kind: str, name: str) -> None:
    """A default that only the schema has, as the blocks of ResNets, is an argument that must be given."""
    made = (ARCHITECTURES | HEADS)[name]
    own = arguments(made, {"num_features"} if kind == "architectures" else {"embedding_dim", "num_speakers", "scale"})
    properties = schema().part("$defs", kind, name)["properties"]
    options = {key: said["default"] for key, said in properties.items() if said.get("x-later")}
    options |= schema().check({}, name, "$defs", kind, name)
    assert own.keys() == properties.keys(), name
    given = {key: value for key, value in own.items() if value is not inspect.Parameter.empty}
    assert given == {key: options[key] for key in given}, name


def test_a_network_with_wespeakers_options_reads_its_weights() -> None:
    for name, kind in ARCHITECTURES.items():
        renames = kind.peer_names or kind.peer_key.__func__ is not Network.peer_key.__func__
        assert renames or kind.peer_options is None, f"{name}: add its peer_names or peer_key"
        assert (kind.peer_options or {}).keys() <= schema().part("$defs", "architectures", name)["properties"].keys()


@pytest.mark.parametrize("name", KINDS)
def test_a_back_end_and_the_schema_say_the_same_of_its_options(name: str) -> None:
    kind, keys = KINDS[name], backend_keys()
    assert (name in keys["rank"]["x-needed-by"]) == kind.NEEDS_RANK, f"{name}: NEEDS_RANK, and x-needed-by of rank"
    assert (name in keys["adapt"]["x-types"]) == kind.ADAPTS, f"{name}: ADAPTS, and x-types of adapt"
    enrol = [value for value in keys["enrol"]["enum"] if name in keys["enrol"]["x-types"].get(value, [name])]
    assert set(kind.ENROL) == set(enrol), f"{name}: ENROL, and x-types of enrol"


def test_chain_steps_are_those_of_the_schema() -> None:
    wanted = f"^({'|'.join(FORMS)})\\Z"
    assert backend_keys()["chain"]["items"]["pattern"] == wanted, f"the schema's pattern of backend.chain: {wanted}"


def test_a_norm_has_the_top_n_of_the_schema() -> None:
    said = schema().part("$defs", "norm")["properties"]["top_n"]["x-methods"]
    assert {name: method.top_n for name, method in METHODS.items() if method.top_n} == said


def test_a_schedule_has_the_options_of_the_schema() -> None:
    keys = model_keys("training", "schedule")["properties"]
    assert keys.keys() == {field.name for field in fields(ScheduleOptions)}, "training.schedule, and ScheduleOptions"
    known = set(keys["type"]["enum"])
    marks = [set(said["x-of"]) for key, said in keys.items() if key != "type"]
    marks += [set(model_keys("training", key)["x-schedules"]) for key in ("final_lr", "warmup_epochs")]
    assert all(mark <= known for mark in marks), "x-of and x-schedules"
    marks = [set(model_keys("training", key)["x-optimizers"]) for key in ("momentum", "betas")]
    assert all(mark <= OPTIMIZERS.keys() for mark in marks), "x-optimizers"


def test_what_works_on_feature_types() -> None:
    assert set(model_keys("augment", "speeds")["x-types"]) <= FEATURE_TYPES.keys()
    assert set(model_keys("augment", "freq_masks")["x-types"]) == FEATURE_TYPES.keys() - {"waveform"}, "its samples"
    for name in ARCHITECTURES:
        types = set(schema().part("$defs", "architectures", name).get("x-types", FEATURE_TYPES))
        assert types <= FEATURE_TYPES.keys(), f"{name}: x-types"


def test_an_option_of_some_types_is_marked() -> None:
    """x-of in the schema. What fbank has in its configs since 0.1.0, it keeps, though it takes no notice of it."""
    for key, said in schema().part("$defs", "features")["properties"].items():
        having = {name for name, kind in FEATURE_TYPES.items() if key in {field.name for field in fields(kind)}}
        of = set(said.get("x-of", having))
        if having:
            assert of - {"fbank"} <= having <= of, f"{key}: x-of, and the types with such an option"
        assert of | said.get("x-defaults", {}).keys() <= FEATURE_TYPES.keys(), f"{key}: x-of and x-defaults"
    for key, said in backend_keys().items():
        assert set(said.get("x-of", ())) <= KINDS.keys(), f"{key}: x-of"


def test_a_back_end_is_asked_for_by_the_keys_of_the_schema() -> None:
    assert backend_keys().keys() - {"speakers"} == {field.name for field in fields(Asked)}, (
        "keys of backend, and sre.backends.options"
    )


@pytest.mark.parametrize("name", FEATURE_TYPES)
def test_options_of_features(name: str) -> None:
    """The schema has each option of a type, with its default; the type's own defaults are of the schema's keys."""
    kind, properties = FEATURE_TYPES[name], schema().part("$defs", "features")["properties"]
    for field in fields(kind):
        if field.name != "sample_rate":
            said = properties[field.name]
            assert said.get("x-defaults", {}).get(name, said["default"]) == field.default, field.name
    assert options_of(resolve_features(schema(), {"type": name}, 16000, name)) == kind(), name
    assert set(kind.defaults) <= properties.keys()
