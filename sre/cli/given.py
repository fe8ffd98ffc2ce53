"""Configs as commands are given them: JSON text, a YAML or a file of ours mean the same, checked, with all defaults."""

import os
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import sre
from sre import SreError
from sre.cli.arguments import input_file, json_object
from sre.config.resolve import (
    BACKENDS,
    NORMS,
    recipe_features,
    resolve_backend,
    resolve_features,
    resolve_model_config,
    resolve_norm,
    with_parts,
)
from sre.config.schema import Schema
from sre.config.stages import STAGE_VERSIONS
from sre.features.types import FEATURE_TYPES, GIVEN
from sre.io.forms import wrong_part
from sre.io.text import canonical
from sre.io.yaml_text import read_yaml

RECIPES = Path(sre.__file__).resolve().parents[1] / "recipes"
DEFAULT_FEATURES = {name: kind.defaults for name, kind in FEATURE_TYPES.items()}
RATE = 16000  # Hz, where nothing says another


def schema() -> Schema:
    """Return the schema of all configs."""
    return Schema(RECIPES / "config.schema.yaml")


def config_argument(text: str) -> tuple[str, dict]:
    """Return how errors name a config, and what it holds: JSON text, a YAML, a JSON, a final.pt; type of an option."""
    if text.lstrip().startswith("{"):
        return "the JSON text", json_object(text)
    path = input_file(text)
    return text, _of_bundle(path) if path.suffix == ".pt" else read_yaml(path)


def read_config_argument(text: str) -> tuple[str, dict]:
    """Return what `config_argument` does, outside of argparse. Raises SreError."""
    try:
        return config_argument(text)
    except ArgumentTypeError as error:
        raise SreError(str(error)) from None


def is_of_ours(text: str) -> bool:
    """Whether it is JSON text, or a file that we wrote: no YAML and no name."""
    return text.lstrip().startswith("{") or (os.path.isfile(text) and not text.endswith((".yaml", ".yml")))


def _of_bundle(path: Path) -> dict:
    from sre.models import bundle as bundles

    bundle = bundles.load_bundle(path)
    return {"config": {**bundle.config, "feature_config": bundle.feature_config}}


def features_of(given: dict) -> dict:
    """Return the features' part of a model's config, of a train_summary.json or of a bundle; else all of it."""
    inner = given.get("config")
    model = inner if isinstance(inner, dict) else given
    features = model.get("feature_config")
    return dict(features if isinstance(features, dict) else given)


def feature_config(kind: str, argument: tuple[str, dict] | None, sample_rate: int | None = None) -> dict:
    """Return the resolved config of features of a `kind`, of the defaults of make_fbank or make_mfcc if none is given.

    sample_rate : Hz, if it was asked for. Raises SreError where that, the kind or the version is not the config's.
    """
    where, given = argument or (f"make_{kind}", DEFAULT_FEATURES[kind])
    given = {"type": kind} | features_of(dict(given))
    made = {name: given.pop(name, None) for name in ("sample_rate", "version")}
    if given["type"] == GIVEN:
        raise SreError(
            f"{where}: of features that were given and not made here; give the config that they were made with"
        )
    if given["type"] in DEFAULT_FEATURES and given["type"] != kind:
        raise SreError(f"{where}: its type is {given['type']}; run steps.make_features {given['type']}")
    if made["version"] not in (None, STAGE_VERSIONS["feats"]):
        raise SreError(
            f"{where}: of version {made['version']} of the stage feats, this is {STAGE_VERSIONS['feats']}; leave"
            " version out to make features by this one"
        )
    if None not in (made["sample_rate"], sample_rate) and made["sample_rate"] != sample_rate:
        raise SreError(f"{where}: sample_rate {made['sample_rate']}, and {sample_rate} was asked for; give one of them")
    return resolve_features(schema(), given, sample_rate or made["sample_rate"] or RATE, where)


def audio_config(given: dict, sample_rate: int) -> dict:
    """Return the recipe's audio section, at the features' rate (Hz)."""
    return schema().check(given | {"sample_rate": sample_rate}, "--audio", "properties", "audio")


def model_config(argument: tuple[str, dict], seed: int | None, made: Callable[[str], dict]) -> dict:
    """Return a model's resolved config, of its YAML or of what training wrote (train_summary.json).

    made : name of features -> the config that they were made with, where the model is in no recipe that names them
    """
    where, given = argument
    given = dict(given["config"] if isinstance(given.get("config"), dict) else given)
    version = given.pop("version", None)
    if version not in (None, STAGE_VERSIONS["train"]):
        raise SreError(
            f"{where}: of version {version} of the stage train, this is {STAGE_VERSIONS['train']}; leave version out"
            " to train by this one"
        )
    own = given.pop("seed", None)
    if None not in (own, seed) and own != seed:
        raise SreError(f"{where}: seed {own}, and --seed {seed} was given; leave one of them out")
    seed = next((one for one in (seed, own) if one is not None), 1)
    features: dict
    said: tuple[()] | None = None
    if "feature_config" in given:  # a training wrote it, with all defaults
        features, said = {given.get("features"): given.pop("feature_config")}, ()
    elif (recipe := Path(where).parent.parent / "config.yaml").is_file():
        features = recipe_features(schema(), read_yaml(recipe), str(recipe))
    else:
        features = {name: made(name) for name in [given.get("features")] if isinstance(name, str)}
    return resolve_model_config(schema(), given, where, features, seed, said=said)


def vad_config(argument: tuple[str, dict] | None) -> dict:
    """Return the resolved options of a VAD, also those in a features' config."""
    where, given = argument or ("compute_vad", {})
    features = features_of(given)
    if "vad" in features:
        given = features["vad"] or {}
    return schema().check(given, where, "$defs", "features", "properties", "vad")


def backend_config(argument: str) -> dict:
    """Return the resolved config of a back-end that is always there, by its name, or of a config argument."""
    path = Path(argument)
    if argument in BACKENDS:
        return resolve_backend(schema(), BACKENDS[argument], argument)
    if not os.path.exists(path) and not path.suffix and path.name == argument and not argument.lstrip().startswith("{"):
        example = canonical({"type": "plda", "chain": ["centre", "lda:128", "length_norm"]})
        raise SreError(
            f"{argument}: no such back-end; there are {', '.join(BACKENDS)}, or give a YAML or JSON text: '{example}'"
        )
    where, given = config_argument(argument)
    return resolve_backend(schema(), given, where)


def systems_config(argument: str, backends: Iterable[str]) -> dict[str, dict]:
    """Return name -> system of names with commas between them, of a YAML as a recipe's config, or of resolved ones.

    backends : names of the back-ends that there are
    The parts of a calibrated or fused system come before it. Raises SreError for a name of none of these.
    """
    names_only = not argument.lstrip().startswith("{") and not argument.endswith((".yaml", ".yml"))
    given: dict = {"systems": argument.split(",")} if names_only else read_config_argument(argument)[1]
    if isinstance(systems := given.get("systems"), dict):
        if wrong_part(systems, {"*": {"of": object}}):
            raise SreError("systems: of another form than snakemake writes them; give names, as cosine,cosine+asnorm")
        return systems
    known, filled = schema(), dict(given)
    for key in given.keys() & {"systems", "norms", "fusions"}:
        filled[key] = known.check(given[key], f"{argument}: {key}", "properties", key)
    norms = NORMS | filled.get("norms", {})
    norms = {name: resolve_norm(known, norm, f"norms.{name}") for name, norm in norms.items()}
    found: dict[str, dict] = {}
    for name in filled.get("systems") or backends:
        found |= with_parts(name, dict.fromkeys(backends, {}), norms, filled.get("fusions", {}))
    return found


def told(facts: Mapping[str, object]) -> str:
    """Return facts as people write them, in one line: 'num_mel_bins 80, cmn sliding'.

    Numbers by iteration are cut to the first and the last.
    """
    return ", ".join(f"{name} {_told(value)}" for name, value in facts.items())


def _told(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return told(value)
    if isinstance(value, list) and len(value) > 2 and all(isinstance(one, float) for one in value):
        return f"{value[0]:.6g} … {value[-1]:.6g} ({len(value)} values)"
    return " ".join(map(_told, value)) or "none" if isinstance(value, list) else str(value)
