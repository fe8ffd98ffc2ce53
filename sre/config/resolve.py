"""Configs: read, checked against the schema, filled with defaults, written canonically."""

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from sre import SreError
from sre.config.distort import Files, with_files
from sre.config.model_checks import (
    check_embeddings,
    check_loss,
    check_part,
    check_ranges,
    check_source,
    check_update,
)
from sre.config.phases import Models, check_phase_keys, with_base
from sre.config.schema import Schema
from sre.config.stages import STAGE_VERSIONS
from sre.config.training_checks import check_training, without_replaced
from sre.io.yaml_text import merged, read_yaml

BACKENDS = {
    "cosine": {"type": "cosine", "chain": []},
    "cosine_centred": {"type": "cosine", "chain": ["centre"]},
    "lda_plda": {"type": "plda", "chain": ["centre", "lda:128", "length_norm"]},
}
NORMS = {
    "znorm": {"method": "znorm"},
    "tnorm": {"method": "tnorm"},
    "ztnorm": {"method": "ztnorm"},
    "snorm": {"method": "snorm"},
    "asnorm": {"method": "asnorm1"},
    "asnorm2": {"method": "asnorm2"},
}
CALIBRATION, POOLED, QUALITY = "cal", "pool", "qmf"  # last parts of systems that are trained on the development list
CALIBRATIONS = (CALIBRATION, POOLED, QUALITY)
VAD = ("$defs", "features", "properties", "vad")  # its place in the schema


def read_merged(files: Iterable[Path]) -> dict:
    """Return what YAML files say together; a later one's keys replace those of the ones before it."""
    return reduce(merged, map(read_yaml, files), {})


def resolve_features(schema: Schema, config: dict, sample_rate: int, where: str) -> dict:
    """Return a feature config with defaults, sample rate (Hz) and the stage's version: what is saved and compared.

    Raises SreError for options that do not go together.
    """
    filled = _checked(schema, "features", config, where)
    if filled.get("cmn_variance", "none") != "none" and filled["cmn"] == "none":
        raise SreError(
            f"{where}: cmn_variance divides what cmn has centred; set cmn: utterance or sliding, or cmn_variance: none"
        )
    if filled["vad"] is not None:
        _check_vad(schema, filled["vad"], f"{where}: vad", sample_rate)
    if (trim := filled.get("trim")) and not trim["seconds"] and trim["level_db"] is None:
        raise SreError(f"{where}: trim cuts nothing off; give it seconds or level_db, or take it out")
    return {**filled, "sample_rate": sample_rate, "version": STAGE_VERSIONS["feats"]}


def _checked(schema: Schema, part: str, config: dict, where: str) -> dict:
    """Return a config of $defs/`part` with the defaults of its type: the schema's `x-of` are the types of an option.

    Raises SreError where an option of other types is given.
    """
    filled = schema.check(config, where, "$defs", part)
    _check_kinds(schema.part("$defs", part)["properties"], filled, where)
    return filled


def _check_kinds(properties: dict, filled: dict, where: str) -> None:
    """Raise SreError where an option of other types is given."""
    kind = filled.get("type", properties["type"].get("default"))
    for key, said in properties.items():
        if key in filled and kind not in (types := said.get("x-of", [kind])):
            raise SreError(f"{where}: {key} is of type {' and '.join(types)}, not of {kind}; take it out")


def resolve_vad(schema: Schema, config: dict, where: str) -> dict:
    """Return the options of a VAD with the defaults of its type. Raises SreError for those of another type."""
    filled = schema.check(config, where, *VAD)
    _check_vad(schema, filled, where, None)
    return filled


def _check_vad(schema: Schema, vad: dict, where: str, sample_rate: int | None) -> None:
    _check_kinds(schema.part(*VAD)["properties"], vad, where)
    if vad.get("type") == "silero" and sample_rate not in (None, 8000, 16000):
        raise SreError(f"{where}: silero hears audio at 8000 or 16000 Hz, not at {sample_rate}; set type: energy")


def recipe_file(recipes: Path, name: str) -> Path:
    """Return the config.yaml of a recipe. Raises SreError naming the nearest if there is none."""
    known = sorted(path.parent.name for path in recipes.glob("*/config.yaml"))
    if name not in known:
        near = difflib.get_close_matches(str(name), known, 1, 0.0)[0]
        raise SreError(f"recipe: '{name}' is none of {', '.join(known)}; the nearest is '{near}'")
    return recipes / name / "config.yaml"


def recipe_features(schema: Schema, settings: dict, where: str) -> dict[str, dict]:
    """Return name -> resolved config of the features of a recipe's config, whose other keys are not looked at."""
    rate = schema.check(settings.get("audio", {}), f"{where}: audio", "properties", "audio")["sample_rate"]
    named = schema.check(settings.get("features", {}), f"{where}: features", "properties", "features")
    return {name: resolve_features(schema, part, rate, f"{where}: {name}") for name, part in named.items()}


def resolve_model(
    schema: Schema,
    path: str | Path,
    features: dict[str, dict],
    seed: int,
    held_out: int = 0,
    override: dict | None = None,
    models: Models | None = None,
    files: Files | None = None,
) -> dict:
    """Return the resolved config of a model's YAML, whose keys `override` (of a recipe's config) replaces.

    models : those that it may start from; None: the YAMLs beside it
    files : as of `resolve_model_config`
    """
    path = Path(path)
    where = f"{path} and what the config says of it" if override else str(path)
    over = override or {}
    own = merged(without_replaced(read_yaml(path), over), over)
    loss, training = over.get("loss"), over.get("training")
    loss_keys = loss if isinstance(loss, dict) and "type" in loss else None  # the YAML's keys are for the YAML's loss
    another = isinstance(training, dict) and {"optimizer", "schedule"} & training.keys()  # and for its optimiser
    base = (models or Models.beside(path)).base_of(path.stem, own, schema)
    return resolve_model_config(
        schema, own, where, features, seed, held_out, loss_keys, base, files, training if another else None
    )


def resolve_model_config(
    schema: Schema,
    given: dict,
    where: str,
    features: dict[str, dict],
    seed: int,
    held_out: int = 0,
    loss_keys: Collection[str] | None = None,
    base: dict | None = None,
    files: Files | None = None,
    training_keys: Collection[str] | None = None,
) -> dict:
    """Return a model's config for its training: all keys with defaults, feature_config, seed and the stage's version.

    held_out : speakers of the recipe's development list, in place of validation.speakers; 0: there is no list
    loss_keys : keys of `loss` that are checked against its type; None: all that are given. If the type is overridden,
        the YAML's keys were meant for another loss and are not checked.
    base : what is said of the model that it starts from, whose keys it has where it has none
    files : kinds of distortions that there are files of, as of `with_files`; None: of none
    training_keys : keys of `training` that are checked against its optimizer and schedule, alike
    """
    check_phase_keys(given, where)
    if base is not None:
        loss_keys = _keys_of(given, "loss") if loss_keys is None else loss_keys
        training_keys = _keys_of(given, "training") if training_keys is None else training_keys
        given = with_base(schema, given, base, where)
    model = with_files(schema.check(given, where, "$defs", "model"), given, files or Files(), where)
    model["validation"]["speakers"] = held_out or model["validation"]["speakers"]
    place = "$defs", "architectures", model["architecture"]
    model["options"] = schema.check(model["options"], f"{where}: options", *place)
    loss, training = model["loss"], model["training"]
    check_part(model["filter"].get("speakers"), f"{where}: filter.speakers")
    check_loss(schema, loss["type"], given.get("loss", {}) if loss_keys is None else loss_keys, training, where)
    check_update(schema, model, where)
    loss["options"] = schema.check(loss["options"], f"{where}: loss.options", "$defs", "losses", loss["type"])
    check_training(schema, model, given.get("training", {}) if training_keys is None else training_keys, where)
    if training.get("steps"):
        del training["epochs"]
    if model.get("source") == "embeddings":
        check_embeddings(schema, model, where)
        of_bundle = [config for config in features.values() if config.get("type") == "embeddings"]
        made = of_bundle[0] if of_bundle else {"type": "embeddings", "of": model["embeddings_of"]}
        return {**model, "feature_config": made, "seed": seed, "version": STAGE_VERSIONS["train"]}
    if model.get("features") not in features:
        known = ", ".join(sorted(features)) or "none"
        raise SreError(
            f"{where}: features '{model.get('features')}' are not in the recipe's config, only {known};"
            " name one of these, or add them under features:"
        )
    check_source(schema, model, features[model["features"]], where)
    check_ranges(model, where)
    return {**model, "feature_config": features[model["features"]], "seed": seed, "version": STAGE_VERSIONS["train"]}


def _keys_of(given: dict, section: str) -> Collection[str]:
    part = given.get(section)
    return part.keys() if isinstance(part, dict) else ()


def resolve_backend(schema: Schema, config: dict, where: str) -> dict:
    """Return a back-end's config with defaults. Raises SreError where its options do not go together.

    The schema's keys x-types and x-needed-by say which types take an option, or a value of it, and which need one.
    """
    filled, keys = _checked(schema, "backend", config, where), schema.part("$defs", "backend")["properties"]
    check_part(filled.get("speakers"), f"{where}: speakers")
    kind, adapts, of_enrol = filled["type"], keys["adapt"]["x-types"], keys["enrol"]["x-types"]
    if kind in keys["rank"]["x-needed-by"] and not filled["rank"]:
        raise SreError(f"{where}: {kind} needs rank, the dimension of the speaker subspace; 100 to 200 is usual")
    if filled["adapt"] is not None and kind not in adapts:
        raise SreError(f"{where}: adapt works on type {', '.join(adapts)}, not on {kind}; take one of them away")
    if kind not in of_enrol.get(filled["enrol"], [kind]):
        others = ", ".join(value for value in keys["enrol"]["enum"] if kind in of_enrol.get(value, [kind]))
        raise SreError(
            f"{where}: enrol {filled['enrol']} is none of type {kind}, which has {others}; give one of these"
        )
    return filled


def needs_adaptation(config: dict) -> bool:
    """Return whether a resolved back-end is fitted on an adaptation set too."""
    return config["adapt"] is not None or "centre:adapt" in config["chain"]


def resolve_norm(schema: Schema, config: dict, where: str) -> dict:
    """Return a norm's config with defaults.

    A top_n of null becomes the method's default, from x-methods in the schema. Methods that are not there take 0: all.
    """
    filled = schema.check(config, where, "$defs", "norm")
    if filled["top_n"] is None:
        filled["top_n"] = schema.part("$defs", "norm", "properties", "top_n")["x-methods"].get(filled["method"], 0)
    for name in ("top_n", "cohort_size"):
        if filled[name] == 1:
            raise SreError(f"{where}: {name} 1 has no deviation; give 2 or more, or 0 for all of the cohort")
    return filled


@dataclass(frozen=True)
class Parts:
    """What the names of systems are made of: resolved back-ends and norms, and fusions, by name.

    types : of back-ends, for those who write one of these in the place of a back-end's name
    measures : the quality measures of systems with +qmf
    """

    backends: dict[str, dict]
    norms: dict[str, dict]
    fusions: dict[str, list]
    types: Collection[str] = ()
    measures: Collection[str] = ()

    def is_of_models(self, name: str) -> bool:
        """Whether it is a fusion of systems of several models, MODEL/SYSTEM, which no run has by itself."""
        return any("/" in part for part in self.fusions.get(name, ()))

    def system(self, name: str) -> dict:
        """Return {"backend", "norm" (or None), "of"} of `backend[+norm][+cal]`, {"of"} of a fusion's name.

        "of": the systems whose scores are calibrated or fused, or None. With +qmf or +pool in the place of +cal also
        "measures", which are none with +pool. Raises SreError naming the nearest known one, and for a fusion of systems
        of several models.
        """
        if self.is_of_models(name):
            raise SreError(
                f"fusions: '{name}' is of several models, so it is no part of another system and of no single run;"
                " name the systems that it is fused from"
            )
        if name in self.fusions:
            return {"of": self.fusions[name]}
        base, plus, last = name.rpartition("+")
        calibrated = bool(plus) and last in CALIBRATIONS
        backend, _, norm = (base if calibrated else name).partition("+")
        if backend in self.fusions:
            raise SreError(f"systems: '{name}': a fusion is calibrated, and has no cohort; write '{backend}' alone")
        known_backends, known_norms = {**self.backends, **self.fusions}, {**self.norms, "": None}
        for kind, part, known in (("back-end", backend, known_backends), ("norm", norm, known_norms)):
            if part not in known:
                near = difflib.get_close_matches(part, known, 1, 0.0)
                there = ", ".join(filter(None, known))
                kinds = f"; '{part}' is a type, of which backends: makes one of any name" if part in self.types else ""
                raise SreError(
                    f"systems: '{name}' names the unknown {kind} '{part}'; the nearest is '{near[0]}';"
                    f" there are {there}{kinds}"
                )
        system = {"backend": backend, "norm": known_norms[norm], "of": [base] if calibrated else None}
        if not calibrated or last == CALIBRATION:
            return system
        return {**system, "measures": list(self.measures) if last == QUALITY else []}

    def with_parts(self, name: str, above: tuple[str, ...] = ()) -> dict[str, dict]:
        """Return a system and, before it, those that it is calibrated on or fused from: name -> as `system`.

        above : the systems that it is part of. Raises SreError where one is fused from itself.
        """
        if name in above:
            raise SreError(f"fusions: '{name}' is fused from itself; take it out")
        system, found = self.system(name), dict[str, dict]()
        for part in system["of"] or ():
            found |= self.with_parts(part, (*above, name))
        return found | {name: system}
