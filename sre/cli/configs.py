"""Configs on command lines: JSON text, a YAML or a file of ours mean the same, checked, with all defaults."""

import os
from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import sre
from sre import SreError
from sre.cli.arguments import input_file, json_object
from sre.config.distort import Files, check_distort
from sre.config.phases import Models
from sre.config.resolve import (
    BACKENDS,
    NORMS,
    Parts,
    recipe_features,
    resolve_backend,
    resolve_features,
    resolve_model_config,
    resolve_norm,
    resolve_vad,
)
from sre.config.schema import Schema
from sre.config.stages import STAGE_VERSIONS
from sre.features.types import FEATURE_TYPES, FROM_ELSEWHERE
from sre.io.forms import wrong_part
from sre.io.text import canonical
from sre.io.yaml_text import read_yaml
from sre.machine.log import say

if TYPE_CHECKING:
    from sre.io.audio import AudioRules

RECIPES = Path(sre.__file__).resolve().parents[1] / "recipes"
DEFAULT_FEATURES = {name: kind.defaults for name, kind in FEATURE_TYPES.items()}
RATE = 16000  # Hz, where nothing says another


def schema() -> Schema:
    """Return the schema of all configs."""
    return Schema(RECIPES / "config.schema.yaml")


class ConfigArgument(NamedTuple):
    """A config that was typed or named on a command line, not checked yet: how errors name it, and what it holds."""

    where: str
    content: dict


def config_argument(text: str) -> ConfigArgument:
    """Read a config from JSON text, or from a .yaml, .json or final.pt; the type of an argument."""
    if text.lstrip().startswith("{"):
        return ConfigArgument("the JSON text", json_object(text))
    path = input_file(text)
    return ConfigArgument(text, _of_bundle(path) if path.suffix == ".pt" else read_yaml(path))


def read_config_argument(text: str) -> ConfigArgument:
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


def features_of(content: dict) -> dict:
    """Return the features' part of a model's config, of a train_summary.json or of a bundle; else all of it."""
    inner = content.get("config")
    model = inner if isinstance(inner, dict) else content
    features = model.get("feature_config")
    return dict(features if isinstance(features, dict) else content)


def feature_config(kind: str, argument: ConfigArgument | None, sample_rate: int | None = None) -> dict:
    """Return the resolved config of features of a `kind`, of the defaults of make_fbank or make_mfcc if none is given.

    sample_rate : Hz, if it was asked for. Raises SreError where that, the kind or the version is not the config's.
    """
    where, content = argument or (f"make_{kind}", DEFAULT_FEATURES[kind])
    config = {"type": kind} | features_of(dict(content))
    rate, version = config.pop("sample_rate", None), config.pop("version", None)
    if config["type"] == FROM_ELSEWHERE:
        raise SreError(
            f"{where}: of features that were given and not made here; give the config that they were made with"
        )
    if config["type"] in DEFAULT_FEATURES and config["type"] != kind:
        raise SreError(f"{where}: its type is {config['type']}; run steps.make_features {config['type']}")
    if version not in (None, STAGE_VERSIONS["feats"]):
        raise SreError(
            f"{where}: of version {version} of the stage feats, this is {STAGE_VERSIONS['feats']}; leave"
            " version out to make features by this one"
        )
    if None not in (rate, sample_rate) and rate != sample_rate:
        raise SreError(f"{where}: sample_rate {rate}, and {sample_rate} was asked for; give one of them")
    return resolve_features(schema(), config, sample_rate or rate or RATE, where)


def audio_section(argument: ConfigArgument | None) -> dict:
    """Return the audio section of a recipe's config, or that section given alone; an empty one if none is given.

    Raises SreError where it is no mapping.
    """
    where, content = argument or ("--audio", {})
    section = content.get("audio", content)
    if not isinstance(section, dict):
        raise SreError(f"{where}: audio is {canonical(section)}; write keys below it, as audio: {{resample: true}}")
    return section


def audio_rules(argument: ConfigArgument | None, sample_rate: int | None = None) -> "AudioRules":
    """Return which recordings are accepted, of a recipe's config or its audio section; without one of defaults.

    sample_rate : Hz, of the features; None: the config's
    Raises SreError where the config has another.
    """
    from sre.io.audio import AudioRules

    audio = {"sample_rate": sample_rate or RATE} | audio_section(argument)
    rules = AudioRules(**schema().check(audio, "--audio", "properties", "audio"))
    if sample_rate not in (None, rules.sample_rate):
        asked = f"sample_rate {rules.sample_rate}, and the features are of {sample_rate} Hz"
        raise SreError(f"{argument[0] if argument else '--audio'}: {asked}; leave sample_rate out, or give that")
    return rules


def model_config(
    argument: ConfigArgument, seed: int | None, features_made: Callable[[str], dict], files: Files | None = None
) -> dict:
    """Return a model's resolved config, of its YAML or of what training wrote (train_summary.json).

    The features of a YAML are those of the config.yaml two folders above it, as in recipes/NAME/models/m.yaml. Where
    its init names a model, that one's YAML is beside it.
    features_made : name of features -> their config; called if no config.yaml is there
    files : kinds of distortions that there are files of; what is left out is said. None: of none, and nothing is said
    """
    where, content = argument
    config = dict(content["config"] if isinstance(content.get("config"), dict) else content)
    version = config.pop("version", None)
    if version not in (None, STAGE_VERSIONS["train"]):
        raise SreError(
            f"{where}: of version {version} of the stage train, this is {STAGE_VERSIONS['train']}; leave version out"
            " to train by this one"
        )
    own_seed = config.pop("seed", None)
    if None not in (own_seed, seed) and own_seed != seed:
        raise SreError(f"{where}: seed {own_seed}, and --seed {seed} was given; leave one of them out")
    seed = next((one for one in (seed, own_seed) if one is not None), 1)
    features: dict
    chosen: tuple[()] | None = None  # keys of loss and training
    written = "feature_config" in config
    base = None if written else Models.beside(Path(where)).base_of(Path(where).stem, config, schema())
    named = config.get("features", (base or {}).get("features"))
    if written:  # a training wrote it, with all defaults, which nobody chose
        features, chosen = {config.get("features"): config.pop("feature_config")}, ()
    elif (recipe := Path(where).parent.parent / "config.yaml").is_file():
        features = recipe_features(schema(), read_yaml(recipe), str(recipe))
    else:
        features = {name: features_made(name) for name in [named] if isinstance(name, str)}
    resolved = resolve_model_config(
        schema(), config, where, features, seed, loss_keys=chosen, base=base, files=files, training_keys=chosen
    )
    if files and files.left_out:
        say(files.sentence(Path(where).stem))
    return resolved


def vad_config(argument: ConfigArgument | None) -> dict:
    """Return the resolved options of a VAD, also those in a features' config."""
    where, content = argument or ("compute_vad", {})
    features = features_of(content)
    vad = features["vad"] or {} if "vad" in features else content
    return resolve_vad(schema(), vad, where)


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
    where, content = config_argument(argument)
    return resolve_backend(schema(), content, where)


def systems_config(argument: str, backends: Iterable[str]) -> dict[str, dict]:
    """Return name -> system of names with commas between them, of a YAML as a recipe's config, or of resolved ones.

    backends : names of the back-ends that there are
    The parts of a calibrated or fused system come before it. Raises SreError for a name of none of these.
    """
    names_only = not argument.lstrip().startswith("{") and not argument.endswith((".yaml", ".yml"))
    content: dict = {"systems": argument.split(",")} if names_only else read_config_argument(argument).content
    if isinstance(systems := content.get("systems"), dict):
        if others := sorted(content.keys() - {"systems"}):
            said = f"'{others[0]}' stands beside resolved systems, and would do nothing"
            raise SreError(f"systems: {said}; give it as an option of the command")
        if wrong_part(systems, {"*": {"of": object}}):
            raise SreError("systems: of another form than snakemake writes them; give names, as cosine,cosine+asnorm")
        return systems
    known, filled = schema(), dict(content)
    for key in content.keys() & {"systems", "norms", "fusions"}:
        filled[key] = known.check(content[key], f"{argument}: {key}", "properties", key)
    norms = NORMS | filled.get("norms", {})
    norms = {name: resolve_norm(known, norm, f"norms.{name}") for name, norm in norms.items()}
    quality = known.check(content.get("quality", {}), f"{argument}: quality", "properties", "quality")
    fusions, measures = filled.get("fusions", {}), quality["measures"]
    parts, found = Parts(dict.fromkeys(backends, {}), norms, fusions, measures=measures), dict[str, dict]()
    for name in filled.get("systems") or backends:
        found |= parts.with_parts(name)
    return found


def in_words(facts: Mapping[str, object]) -> str:
    """Return facts as people write them, in one line: 'num_mel_bins 80, cmn sliding'.

    Numbers by iteration are cut to the first and the last.
    """
    return ", ".join(f"{name} {_in_words(value)}" for name, value in facts.items())


def _in_words(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, dict):
        return in_words(value)
    if isinstance(value, list) and len(value) > 2 and all(isinstance(one, float) for one in value):
        return f"{value[0]:.6g} … {value[-1]:.6g} ({len(value)} values)"
    return " ".join(map(_in_words, value)) or "none" if isinstance(value, list) else str(value)


def distort_config(argument: ConfigArgument) -> list[dict]:
    """Return the checked steps of {distort: [...]}, or of the augment section of a model's YAML, with defaults.

    Raises SreError where there is none, or something is wrong with it.
    """
    where, content = argument
    inner = content.get("augment", content)
    steps = inner.get("distort") if isinstance(inner, dict) else None
    if not steps:
        raise SreError(f"{where}: no distort in it, or an empty one; write {{distort: [{{one_of: [{{kind: KIND}}]}}]}}")
    filled = schema().check({"distort": steps}, where, "$defs", "model", "properties", "augment")["distort"]
    check_distort(schema(), filled, f"{where}: distort")
    return filled
